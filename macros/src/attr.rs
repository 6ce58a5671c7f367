//! Reads the keys of `#[mcp_tool(…)]`, each apart from the others and from the function.

use std::collections::HashSet;

use darling::ast::NestedMeta;
use proc_macro2::TokenStream;
use syn::{Expr, ExprLit, Ident, Lit, LitStr, Meta, Path, parse_quote};

use crate::{
    confirm::{self, Confirm},
    constraints::{self, Constraint},
    error::{Mistake, Mistakes},
    key::{
        DESCRIPTION, Grammar, count, flag, krate, one_of, path, string, strip, text, value, value_or_item,
    },
};

/// The keys of the attribute. Nothing here is checked against another key or against the function.
#[derive(Default)]
pub(crate) struct Attr {
    pub(crate) effects: Vec<(Effect, Ident)>,
    pub(crate) idempotent: Option<Ident>,
    pub(crate) closed_world: Option<Ident>,
    pub(crate) public: Option<Ident>,
    pub(crate) scope: Option<(Vec<String>, LitStr)>,
    pub(crate) name: Option<LitStr>,
    pub(crate) aliases: Vec<LitStr>,
    pub(crate) title: Option<LitStr>,
    pub(crate) confirm: Option<(Confirm, Ident)>,
    pub(crate) preview: Option<(Path, Ident)>,
    pub(crate) idempotency_key: Option<(bool, Ident)>,
    pub(crate) rate: Option<(u32, RatePer)>,
    pub(crate) max_in_flight: Option<u32>,
    pub(crate) timeout_ms: Option<u64>,
    pub(crate) output_bytes: Option<u64>,
    pub(crate) retry: Option<(u32, Ident)>,
    pub(crate) audit: Option<(Audit, LitStr)>,
    pub(crate) task: Option<Task>,
    pub(crate) deprecated: Option<Deprecated>,
    pub(crate) unsandboxed: Option<LitStr>,
    pub(crate) public_effect: Option<(LitStr, Ident)>,
    pub(crate) constraints: Vec<Constraint>,
    krate: Option<Path>,
    /// Every key that was written, valid or not: a key with a bad value is not also missing.
    keys: HashSet<String>,
    /// The list itself could not be parsed, so no key counts as missing.
    is_unparsed: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    ReadOnly,
    Additive,
    Destructive,
}

impl Effect {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::ReadOnly => "read_only",
            Self::Additive => "additive",
            Self::Destructive => "destructive",
        }
    }
}

#[derive(Clone, Copy)]
pub(crate) enum RatePer {
    Second,
    Minute,
    Hour,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Audit {
    Required,
    BestEffort,
    Off,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Task {
    Optional,
    Required,
}

/// `deprecated(since = …, remove_in = …, use_instead = …)`; a part with a bad value is `None`.
pub(crate) struct Deprecated {
    pub(crate) key: Ident,
    pub(crate) since: Option<(semver::Version, LitStr)>,
    pub(crate) remove_in: Option<(semver::Version, LitStr)>,
    pub(crate) use_instead: Option<Path>,
    keys: HashSet<String>,
}

impl Deprecated {
    pub(crate) fn has_key(&self, key: &str) -> bool {
        self.keys.contains(key)
    }
}

const GRAMMAR: Grammar = Grammar {
    list: "`mcp_tool`",
    keys: &[
        "read_only",
        "additive",
        "destructive",
        "idempotent",
        "closed_world",
        "scope",
        "public",
        "name",
        "aliases",
        "title",
        "confirm",
        "preview",
        "idempotency_key",
        "rate",
        "max_in_flight",
        "timeout",
        "output",
        "retry",
        "audit",
        "task",
        "deprecated",
        "unsandboxed",
        "public_effect",
        "rules",
        "crate",
    ],
    example: "#[mcp_tool(read_only, scope = \"read:prices\")]",
};

const IDEMPOTENCY_KEY: [(&str, bool); 2] = [("required", true), ("optional", false)];
const AUDIT: [(&str, Audit); 3] =
    [("required", Audit::Required), ("best_effort", Audit::BestEffort), ("off", Audit::Off)];
const TASK: [(&str, Task); 2] = [("optional", Task::Optional), ("required", Task::Required)];
const UNSANDBOXED: &str = "unsandboxed = \"writes to its own cache file\"";
const PUBLIC_EFFECT: &str = "public_effect = \"posts to the public timeline\"";

impl Attr {
    /// Reads the attribute's tokens. A key with a bad value becomes a mistake, and the other keys remain.
    pub(crate) fn read(tokens: TokenStream, mistakes: &mut Mistakes) -> Self {
        let mut attr = Self::default();
        let mut keys = HashSet::new();
        match GRAMMAR.items(tokens, mistakes) {
            None => attr.is_unparsed = true,
            Some(items) => GRAMMAR.each(&items, &mut keys, mistakes, |key, item, mistakes| {
                attr.take(key, item, mistakes);
            }),
        }
        attr.keys = keys;
        attr
    }

    /// Whether the attribute has this key, even with a bad value.
    pub(crate) fn has_key(&self, key: &str) -> bool {
        self.is_unparsed || self.keys.contains(key)
    }

    /// Whether the user wrote a description as a key.
    pub(crate) fn has_description_key(&self) -> bool {
        self.keys.contains(DESCRIPTION)
    }

    /// Returns the effect if exactly one was declared.
    pub(crate) fn effect(&self) -> Option<Effect> {
        match self.effects.as_slice() {
            [(effect, _)] => Some(*effect),
            _ => None,
        }
    }

    /// Returns the path of the `candor` crate that the expansion names.
    pub(crate) fn krate(&self) -> Path {
        self.krate.clone().unwrap_or_else(|| parse_quote!(::candor))
    }

    fn take(&mut self, key: Ident, item: &NestedMeta, mistakes: &mut Mistakes) {
        match key.to_string().as_str() {
            "read_only" => self.take_effect(Effect::ReadOnly, key, item, mistakes),
            "additive" => self.take_effect(Effect::Additive, key, item, mistakes),
            "destructive" => self.take_effect(Effect::Destructive, key, item, mistakes),
            "idempotent" => self.idempotent = mistakes.handle(flag(key, item)),
            "closed_world" => self.closed_world = mistakes.handle(flag(key, item)),
            "public" => self.public = mistakes.handle(flag(key, item)),
            "scope" => self.scope = mistakes.handle(scopes(item)),
            "name" => self.name = mistakes.handle(text(item, "name = \"get_price\"")),
            "aliases" => self.aliases = mistakes.handle(aliases(item)).unwrap_or_default(),
            "title" => self.title = mistakes.handle(text(item, "title = \"Get price\"")),
            "confirm" => {
                self.confirm = mistakes.handle(confirm::read(&key, item)).map(|value| (value, key));
            }
            "preview" => self.preview = mistakes.handle(preview(item)).map(|path| (path, key)),
            "idempotency_key" => {
                let value = mistakes.handle(one_of(item, &IDEMPOTENCY_KEY));
                self.idempotency_key = value.map(|(value, _)| (value, key));
            }
            "rate" => self.rate = mistakes.handle(rate(item)),
            "max_in_flight" => self.max_in_flight = mistakes.handle(count(item, 1, "max_in_flight = 8")),
            "timeout" => self.timeout_ms = mistakes.handle(duration(item)),
            "output" => self.output_bytes = mistakes.handle(size(item)),
            "retry" => self.retry = mistakes.handle(count(item, 0, "retry = 3")).map(|n| (n, key)),
            "audit" => self.audit = mistakes.handle(one_of(item, &AUDIT)),
            "task" => self.task = mistakes.handle(one_of(item, &TASK)).map(|(task, _)| task),
            "deprecated" => self.deprecated = deprecated(key, item, mistakes),
            "unsandboxed" => self.unsandboxed = mistakes.handle(text(item, UNSANDBOXED)),
            "public_effect" => {
                self.public_effect = mistakes.handle(text(item, PUBLIC_EFFECT)).map(|effect| (effect, key));
            }
            "rules" => self.constraints = constraints::read(item, mistakes),
            "crate" => self.krate = mistakes.handle(krate(item)),
            other => unreachable!("`{other}` is in the grammar and has no arm"),
        }
    }

    fn take_effect(&mut self, effect: Effect, key: Ident, item: &NestedMeta, mistakes: &mut Mistakes) {
        if let Some(word) = mistakes.handle(flag(key, item)) {
            self.effects.push((effect, word));
        }
    }
}

/// Reads `scope = "a b"`: tokens of RFC 6749 §3.3, `%x21 / %x23-5B / %x5D-7E`.
fn scopes(item: &NestedMeta) -> Result<(Vec<String>, LitStr), Mistake> {
    let literal = text(item, "scope = \"read:prices\"")?;
    let value = literal.value();
    let mut scopes: Vec<String> = Vec::new();
    for scope in value.split_ascii_whitespace() {
        if let Some(bad) = scope.chars().find(|c| !matches!(c, '\x21' | '\x23'..='\x5B' | '\x5D'..='\x7E')) {
            let fact = format!("`{}` is not an OAuth scope: it contains {bad:?}", scope.escape_debug());
            return Err(Mistake::at(&literal, fact)
                .note("a scope is printable ASCII without `\"` and `\\` (RFC 6749 section 3.3); spaces separate scopes")
                .help("for example `scope = \"read:prices write:alerts\"`"));
        }
        if scopes.iter().any(|other| other == scope) {
            return Err(
                Mistake::at(&literal, format!("scope `{scope}` is named twice")).help("keep one of them")
            );
        }
        scopes.push(scope.to_owned());
    }
    Ok((scopes, literal))
}

/// Reads `aliases = ["old_name"]`.
fn aliases(item: &NestedMeta) -> Result<Vec<LitStr>, Mistake> {
    let expected = || {
        Mistake::at(value_or_item(item), "`aliases` takes a list of earlier names of the tool")
            .help("for example `aliases = [\"get_price\"]`")
    };
    let Some(Expr::Array(list)) = value(item).map(strip) else { return Err(expected()) };
    let names = list.elems.iter().map(|name| match strip(name) {
        Expr::Lit(ExprLit { lit: Lit::Str(name), .. }) => Ok(name.clone()),
        _ => Err(expected()),
    });
    let names: Vec<LitStr> = names.collect::<Result<_, _>>()?;
    if names.is_empty() { Err(expected()) } else { Ok(names) }
}

fn rate(item: &NestedMeta) -> Result<(u32, RatePer), Mistake> {
    let literal = string(item, "rate = \"60/min\"")?;
    let value = literal.value();
    let rate = value.split_once('/').and_then(|(n, per)| {
        let per = match per {
            "s" => RatePer::Second,
            "min" => RatePer::Minute,
            "h" => RatePer::Hour,
            _ => return None,
        };
        n.parse().ok().filter(|&n| n > 0).map(|n: u32| (n, per))
    });
    rate.ok_or_else(|| {
        Mistake::at(&literal, format!("`{value}` is not a valid rate"))
            .note("a rate is a number of calls per `s`, `min` or `h`, for each caller")
            .help("for example `rate = \"60/min\"`")
    })
}

fn duration(item: &NestedMeta) -> Result<u64, Mistake> {
    let literal = string(item, "timeout = \"30s\"")?;
    let value = literal.value();
    let digits = value.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &value[digits.len()..] {
        "ms" => Some(1),
        "s" => Some(1_000),
        "min" => Some(60_000),
        "h" => Some(3_600_000),
        _ => None,
    };
    let duration =
        unit.and_then(|unit: u64| digits.parse::<u64>().ok()?.checked_mul(unit)).filter(|&ms| ms > 0);
    duration.ok_or_else(|| {
        Mistake::at(&literal, format!("`{value}` is not a valid duration"))
            .note("a duration is a whole number above 0, followed by `ms`, `s`, `min` or `h`")
            .help("for example `timeout = \"30s\"`")
    })
}

fn size(item: &NestedMeta) -> Result<u64, Mistake> {
    let literal = string(item, "output = \"8MiB\"")?;
    let value = literal.value();
    let digits = value.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &value[digits.len()..] {
        "KiB" => Some(1 << 10),
        "MiB" => Some(1 << 20),
        "GiB" => Some(1 << 30),
        _ => None,
    };
    let size =
        unit.and_then(|unit: u64| digits.parse::<u64>().ok()?.checked_mul(unit)).filter(|&size| size > 0);
    size.ok_or_else(|| {
        Mistake::at(&literal, format!("`{value}` is not a valid size"))
            .note("a size is a whole number above 0, followed by `KiB`, `MiB` or `GiB`")
            .help("for example `output = \"8MiB\"`")
    })
}

const DEPRECATED: Grammar = Grammar {
    list: "`deprecated`",
    keys: &["since", "remove_in", "use_instead"],
    example: "deprecated(since = \"1.5.0\", remove_in = \"1.7.0\", use_instead = get_quote)",
};

fn deprecated(key: Ident, item: &NestedMeta, mistakes: &mut Mistakes) -> Option<Deprecated> {
    let NestedMeta::Meta(Meta::List(list)) = item else {
        mistakes.push(
            Mistake::at(item, "`deprecated` takes a list").help(format!("write `{}`", DEPRECATED.example)),
        );
        return None;
    };
    let items = DEPRECATED.items(list.tokens.clone(), mistakes)?;
    let mut deprecated =
        Deprecated { key, since: None, remove_in: None, use_instead: None, keys: HashSet::new() };
    let mut keys = HashSet::new();
    DEPRECATED.each(&items, &mut keys, mistakes, |key, item, mistakes| match key.to_string().as_str() {
        "since" => deprecated.since = mistakes.handle(version(item, "since")),
        "remove_in" => deprecated.remove_in = mistakes.handle(version(item, "remove_in")),
        _ => deprecated.use_instead = mistakes.handle(path_to_tool(item)),
    });
    deprecated.keys = keys;
    Some(deprecated)
}

fn preview(item: &NestedMeta) -> Result<Path, Mistake> {
    path(item).ok_or_else(|| {
        Mistake::at(value_or_item(item), "`preview` takes the path of a `read_only` tool's function")
            .help("for example `preview = plan_edit`")
    })
}

fn path_to_tool(item: &NestedMeta) -> Result<Path, Mistake> {
    path(item).ok_or_else(|| {
        Mistake::at(value_or_item(item), "`use_instead` takes the path of another tool's function")
            .help("for example `use_instead = get_quote`")
    })
}

fn version(item: &NestedMeta, key: &str) -> Result<(semver::Version, LitStr), Mistake> {
    let literal = string(item, &format!("{key} = \"1.5.0\""))?;
    match literal.value().parse() {
        Ok(version) => Ok((version, literal)),
        Err(_) => Err(Mistake::at(&literal, format!("`{}` is not a version", literal.value()))
            .note("a version has three numbers (semver.org)")
            .help(format!("for example `{key} = \"1.5.0\"`"))),
    }
}
