//! `#[mcp_tool(…)]`'s tokens → what was said, key by key, and what could not be read.

use std::collections::HashSet;

use darling::ast::NestedMeta;
use proc_macro2::TokenStream;
use syn::{Ident, LitStr, Meta, Path, parse_quote};

use crate::{
    between::{self, Between},
    error::{Mistake, Mistakes},
    key::{Grammar, count, flag, krate, one_of, path, said, string, text},
};

/// Everything the attribute said. Nothing here is checked against anything else.
#[derive(Default)]
pub(crate) struct Attr {
    pub(crate) effects: Vec<(Effect, Ident)>,
    pub(crate) idempotent: Option<Ident>,
    pub(crate) closed_world: Option<Ident>,
    pub(crate) public: Option<Ident>,
    pub(crate) scope: Option<(Vec<String>, LitStr)>,
    pub(crate) name: Option<LitStr>,
    pub(crate) title: Option<LitStr>,
    pub(crate) confirm: Option<(bool, Ident)>,
    pub(crate) idempotency_key: Option<(bool, Ident)>,
    pub(crate) rate: Option<(u32, RatePer)>,
    pub(crate) max_in_flight: Option<u32>,
    pub(crate) timeout_ms: Option<u64>,
    pub(crate) retry: Option<(u32, Ident)>,
    pub(crate) audit: Option<(Audit, LitStr)>,
    pub(crate) task: Option<Task>,
    pub(crate) deprecated: Option<Deprecated>,
    pub(crate) unsandboxed: Option<LitStr>,
    pub(crate) rules: Vec<Between>,
    krate: Option<Path>,
    /// The keys that were written, readable or not: what was said badly is not also missing.
    said: HashSet<String>,
    /// The list itself could not be read, so nothing can be called missing.
    broken: bool,
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

/// `deprecated(since = …, remove_in = …, use_instead = …)`, each part as far as it could be read.
pub(crate) struct Deprecated {
    pub(crate) key: Ident,
    pub(crate) since: Option<(semver::Version, LitStr)>,
    pub(crate) remove_in: Option<(semver::Version, LitStr)>,
    pub(crate) use_instead: Option<Path>,
    said: HashSet<String>,
}

impl Deprecated {
    pub(crate) fn says(&self, key: &str) -> bool {
        self.said.contains(key)
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
        "title",
        "confirm",
        "idempotency_key",
        "rate",
        "max_in_flight",
        "timeout",
        "retry",
        "audit",
        "task",
        "deprecated",
        "unsandboxed",
        "rules",
        "crate",
    ],
    example: "#[mcp_tool(read_only, scope = \"read:prices\")]",
};

impl Attr {
    /// Reads the attribute's tokens; what cannot be read becomes a mistake and the rest is kept.
    pub(crate) fn read(tokens: TokenStream, mistakes: &mut Mistakes) -> Self {
        let mut attr = Self::default();
        let mut said = HashSet::new();
        match GRAMMAR.items(tokens, mistakes) {
            None => attr.broken = true,
            Some(items) => GRAMMAR.each(&items, &mut said, mistakes, |key, item, mistakes| {
                attr.take(key, item, mistakes);
            }),
        }
        attr.said = said;
        attr
    }

    pub(crate) fn says(&self, key: &str) -> bool {
        self.broken || self.said.contains(key)
    }

    /// The crate whose `__private` the expansion names.
    pub(crate) fn krate(&self) -> Path {
        self.krate.clone().unwrap_or_else(|| parse_quote!(::candor))
    }

    fn take(&mut self, key: Ident, item: &NestedMeta, mistakes: &mut Mistakes) {
        match key.to_string().as_str() {
            "read_only" => self.take_effect(Effect::ReadOnly, key, item, mistakes),
            "additive" => self.take_effect(Effect::Additive, key, item, mistakes),
            "destructive" => self.take_effect(Effect::Destructive, key, item, mistakes),
            "idempotent" => self.idempotent = mistakes.keep(flag(key, item)),
            "closed_world" => self.closed_world = mistakes.keep(flag(key, item)),
            "public" => self.public = mistakes.keep(flag(key, item)),
            "scope" => self.scope = mistakes.keep(scopes(item)),
            "name" => self.name = mistakes.keep(text(item, "name = \"get_price\"")),
            "title" => self.title = mistakes.keep(text(item, "title = \"Get price\"")),
            "confirm" => {
                let words = [("always", true), ("never", false)];
                self.confirm = mistakes.keep(one_of(item, &words)).map(|(always, _)| (always, key));
            }
            "idempotency_key" => {
                let words = [("required", true), ("optional", false)];
                self.idempotency_key =
                    mistakes.keep(one_of(item, &words)).map(|(required, _)| (required, key));
            }
            "rate" => self.rate = mistakes.keep(rate(item)),
            "max_in_flight" => self.max_in_flight = mistakes.keep(count(item, 1, "max_in_flight = 8")),
            "timeout" => self.timeout_ms = mistakes.keep(duration(item)),
            "retry" => self.retry = mistakes.keep(count(item, 0, "retry = 3")).map(|n| (n, key)),
            "audit" => {
                let words =
                    [("required", Audit::Required), ("best_effort", Audit::BestEffort), ("off", Audit::Off)];
                self.audit = mistakes.keep(one_of(item, &words));
            }
            "task" => {
                let words = [("optional", Task::Optional), ("required", Task::Required)];
                self.task = mistakes.keep(one_of(item, &words)).map(|(task, _)| task);
            }
            "deprecated" => self.deprecated = deprecated(key, item, mistakes),
            "unsandboxed" => {
                self.unsandboxed =
                    mistakes.keep(text(item, "unsandboxed = \"keeps a cache file of its own\""));
            }
            "rules" => self.rules = between::rules(item, mistakes),
            "crate" => self.krate = mistakes.keep(krate(item)),
            other => unreachable!("`{other}` is in KEYS and has no arm"),
        }
    }

    fn take_effect(&mut self, effect: Effect, key: Ident, item: &NestedMeta, mistakes: &mut Mistakes) {
        if let Some(word) = mistakes.keep(flag(key, item)) {
            self.effects.push((effect, word));
        }
    }
}

/// `scope = "a b"`: tokens of RFC 6749 §3.3, `%x21 / %x23-5B / %x5D-7E`.
fn scopes(item: &NestedMeta) -> Result<(Vec<String>, LitStr), Mistake> {
    let said = text(item, "scope = \"read:prices\"")?;
    let value = said.value();
    let mut scopes: Vec<String> = Vec::new();
    for scope in value.split_ascii_whitespace() {
        if let Some(bad) = scope.chars().find(|c| !matches!(c, '\x21' | '\x23'..='\x5B' | '\x5D'..='\x7E')) {
            return Err(Mistake::at(&said, format!("`{}` is no OAuth scope: {bad:?} may not stand in one", scope.escape_debug()))
                .note("a scope is printable ASCII without `\"` and `\\` (RFC 6749 section 3.3); several are parted by spaces")
                .help("for example `scope = \"read:prices write:alerts\"`"));
        }
        if scopes.iter().any(|known| known == scope) {
            return Err(
                Mistake::at(&said, format!("scope `{scope}` is named twice")).help("keep one of them")
            );
        }
        scopes.push(scope.to_owned());
    }
    Ok((scopes, said))
}

fn rate(item: &NestedMeta) -> Result<(u32, RatePer), Mistake> {
    let said = string(item, "rate = \"60/min\"")?;
    let value = said.value();
    let read = value.split_once('/').and_then(|(n, per)| {
        let per = match per {
            "s" => RatePer::Second,
            "min" => RatePer::Minute,
            "h" => RatePer::Hour,
            _ => return None,
        };
        n.parse().ok().filter(|&n| n > 0).map(|n: u32| (n, per))
    });
    read.ok_or_else(|| {
        Mistake::at(&said, format!("`{value}` is no rate"))
            .note("a rate is a number of calls per `s`, `min` or `h`, for each caller")
            .help("for example `rate = \"60/min\"`")
    })
}

fn duration(item: &NestedMeta) -> Result<u64, Mistake> {
    let said = string(item, "timeout = \"30s\"")?;
    let value = said.value();
    let digits = value.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &value[digits.len()..] {
        "ms" => Some(1),
        "s" => Some(1_000),
        "min" => Some(60_000),
        "h" => Some(3_600_000),
        _ => None,
    };
    let read = unit.and_then(|unit: u64| digits.parse::<u64>().ok()?.checked_mul(unit)).filter(|&ms| ms > 0);
    read.ok_or_else(|| {
        Mistake::at(&said, format!("`{value}` is no length of time"))
            .note("a time is a whole number above 0 and `ms`, `s`, `min` or `h`")
            .help("for example `timeout = \"30s\"`")
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
        Deprecated { key, since: None, remove_in: None, use_instead: None, said: HashSet::new() };
    let mut seen = HashSet::new();
    DEPRECATED.each(&items, &mut seen, mistakes, |key, item, mistakes| match key.to_string().as_str() {
        "since" => deprecated.since = mistakes.keep(version(item, "since")),
        "remove_in" => deprecated.remove_in = mistakes.keep(version(item, "remove_in")),
        _ => deprecated.use_instead = mistakes.keep(path_to_tool(item)),
    });
    deprecated.said = seen;
    Some(deprecated)
}

fn path_to_tool(item: &NestedMeta) -> Result<Path, Mistake> {
    path(item).ok_or_else(|| {
        Mistake::at(said(item), "`use_instead` takes the path of another tool's function")
            .help("for example `use_instead = get_quote`")
    })
}

fn version(item: &NestedMeta, key: &str) -> Result<(semver::Version, LitStr), Mistake> {
    let said = string(item, &format!("{key} = \"1.5.0\""))?;
    match said.value().parse() {
        Ok(version) => Ok((version, said)),
        Err(_) => Err(Mistake::at(&said, format!("`{}` is no version", said.value()))
            .note("a version is three numbers (semver.org)")
            .help(format!("for example `{key} = \"1.5.0\"`"))),
    }
}
