//! `#[mcp_tool(…)]`'s tokens → what was said, key by key, and what could not be read.

use std::collections::HashSet;

use darling::{FromMeta, ast::NestedMeta};
use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident};
use syn::{Expr, ExprLit, Ident, Lit, LitStr, Meta, Path, parse_quote};

use crate::error::{Mistake, Mistakes};

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
    pub(crate) deprecated: Option<Deprecated>,
    pub(crate) unsealed: Option<LitStr>,
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

const KEYS: [&str; 19] = [
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
    "deprecated",
    "unsealed",
    "crate",
];

impl Attr {
    /// Reads the attribute's tokens; what cannot be read becomes a mistake and the rest is kept.
    pub(crate) fn read(tokens: TokenStream, mistakes: &mut Mistakes) -> Self {
        let mut attr = Self::default();
        match NestedMeta::parse_meta_list(tokens) {
            Err(error) => {
                attr.broken = true;
                mistakes.push(
                    Mistake::from(error)
                        .note("the list in `#[mcp_tool(…)]` stops being readable here")
                        .help("flags are bare words, values are `key = …`: `#[mcp_tool(read_only, scope = \"read:prices\")]`"),
                );
            }
            Ok(items) => each_key(
                "mcp_tool",
                &items,
                &KEYS,
                &mut attr.said.clone(),
                mistakes,
                |key, item, mistakes| {
                    attr.said.insert(key.to_string());
                    attr.take(key, item, mistakes);
                },
            ),
        }
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
                self.confirm = mistakes.keep(
                    one_of(item, "confirm", &[("always", true), ("never", false)]).map(|(v, _)| (v, key)),
                );
            }
            "idempotency_key" => {
                let said = one_of(item, "idempotency_key", &[("required", true), ("optional", false)]);
                self.idempotency_key = mistakes.keep(said.map(|(v, _)| (v, key)));
            }
            "rate" => self.rate = mistakes.keep(rate(item)),
            "max_in_flight" => {
                self.max_in_flight = mistakes.keep(count(item, "max_in_flight", 1, "max_in_flight = 8"))
            }
            "timeout" => self.timeout_ms = mistakes.keep(duration(item)),
            "retry" => self.retry = mistakes.keep(count(item, "retry", 0, "retry = 3")).map(|n| (n, key)),
            "audit" => {
                let words =
                    [("required", Audit::Required), ("best_effort", Audit::BestEffort), ("off", Audit::Off)];
                self.audit = mistakes.keep(one_of(item, "audit", &words));
            }
            "deprecated" => self.deprecated = deprecated(key, item, mistakes),
            "unsealed" => {
                self.unsealed = mistakes.keep(text(item, "unsealed = \"keeps a cache file of its own\""))
            }
            "crate" => self.krate = mistakes.keep(absolute_path(item)),
            other => unreachable!("`{other}` is in KEYS and has no arm"),
        }
    }

    fn take_effect(&mut self, effect: Effect, key: Ident, item: &NestedMeta, mistakes: &mut Mistakes) {
        if let Some(word) = mistakes.keep(flag(key, item)) {
            self.effects.push((effect, word));
        }
    }
}

/// Walks a list of `key`, `key = …` and `key(…)`, and refuses what is unknown, repeated or no key at all.
pub(crate) fn each_key(
    list: &str,
    items: &[NestedMeta],
    keys: &[&str],
    seen: &mut HashSet<String>,
    mistakes: &mut Mistakes,
    mut take: impl FnMut(Ident, &NestedMeta, &mut Mistakes),
) {
    for item in items {
        let path = match item {
            NestedMeta::Meta(meta) => meta.path(),
            NestedMeta::NameValueInvalidExpr(pair) => &pair.path,
            NestedMeta::Lit(literal) => {
                mistakes.push(
                    Mistake::at(literal, format!("`{list}` takes keys, and this is a bare value"))
                        .help("put its key in front: `key = …`"),
                );
                continue;
            }
        };
        let key = path.get_ident().cloned().unwrap_or_else(|| format_ident!("_unknown"));
        let word = key.to_string();
        if !keys.contains(&word.as_str()) {
            mistakes.push(unknown_key(list, path, keys));
        } else if !seen.insert(word) {
            mistakes.push(Mistake::at(path, format!("`{key}` is given twice")).help("keep one of them"));
        } else {
            take(key, item, mistakes);
        }
    }
}

fn unknown_key(list: &str, path: &Path, keys: &[&str]) -> Mistake {
    let said = path.to_token_stream().to_string().replace(' ', "");
    let mistake = Mistake::at(path, format!("`{list}` has no key `{said}`"));
    let guess = darling::Error::unknown_field_with_alts(&said, keys).to_string();
    match guess.split("Did you mean `").nth(1).and_then(|rest| rest.split('`').next()) {
        Some(key) => mistake.help(format!("did you mean `{key}`?")),
        None => mistake.help(format!("its keys are {}", listed(keys))),
    }
}

fn listed(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

/// A bare word: `read_only`.
pub(crate) fn flag(key: Ident, item: &NestedMeta) -> Result<Ident, Mistake> {
    match item {
        NestedMeta::Meta(Meta::Path(_)) => Ok(key),
        _ => Err(Mistake::at(item, format!("`{key}` is a flag and takes no value"))
            .help(format!("write `{key}` alone"))),
    }
}

/// The string of `key = "…"`, not empty.
pub(crate) fn text(item: &NestedMeta, example: &str) -> Result<LitStr, Mistake> {
    let text: LitStr = read(item, "a string", example)?;
    if text.value().trim().is_empty() {
        return Err(Mistake::at(&text, format!("`{}` is empty", key_of(item)))
            .help(format!("for example `{example}`")));
    }
    Ok(text)
}

/// What darling makes of the value, or a mistake that shows what to type.
fn read<T: FromMeta>(item: &NestedMeta, wanted: &str, example: &str) -> Result<T, Mistake> {
    T::from_nested_meta(item).map_err(|_| {
        Mistake::at(item, format!("`{}` takes {wanted}", key_of(item)))
            .help(format!("for example `{example}`"))
    })
}

fn key_of(item: &NestedMeta) -> String {
    match item {
        NestedMeta::Meta(meta) => meta.path().to_token_stream().to_string(),
        NestedMeta::NameValueInvalidExpr(pair) => pair.path.to_token_stream().to_string(),
        NestedMeta::Lit(literal) => literal.to_token_stream().to_string(),
    }
}

/// A whole number of at least `least`.
pub(crate) fn count<N: FromMeta + PartialOrd + From<u8>>(
    item: &NestedMeta,
    key: &str,
    least: u8,
    example: &str,
) -> Result<N, Mistake> {
    let wrong = || {
        Mistake::at(item, format!("`{key}` takes a whole number of at least {least}"))
            .help(format!("for example `{example}`"))
    };
    // darling also reads numbers out of strings; a number has one spelling here.
    match item {
        NestedMeta::Meta(Meta::NameValue(pair))
            if matches!(strip(&pair.value), Expr::Lit(ExprLit { lit: Lit::Int(_), .. })) =>
        {
            let number: N = read(item, "a whole number", example).map_err(|_| wrong())?;
            if number < N::from(least) { Err(wrong()) } else { Ok(number) }
        }
        _ => Err(wrong()),
    }
}

/// The expression inside the invisible groups that `macro_rules!` leaves.
pub(crate) fn strip(expr: &Expr) -> &Expr {
    match expr {
        Expr::Group(group) => strip(&group.expr),
        expr => expr,
    }
}

fn one_of<T: Copy>(item: &NestedMeta, key: &str, words: &[(&str, T)]) -> Result<(T, LitStr), Mistake> {
    let example = format!("{key} = \"{}\"", words[0].0);
    let said: LitStr = read(item, "a string", &example)?;
    match words.iter().find(|(word, _)| *word == said.value()) {
        Some((_, value)) => Ok((*value, said)),
        None => {
            let words: Vec<String> = words.iter().map(|(word, _)| format!("`{key} = \"{word}\"`")).collect();
            Err(Mistake::at(&said, format!("`{key}` has no setting `{}`", said.value()))
                .help(format!("write {}", words.join(" or "))))
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
    let said: LitStr = read(item, "a string", "rate = \"60/min\"")?;
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
    let said: LitStr = read(item, "a string", "timeout = \"30s\"")?;
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

/// The path of `key = path`, if it is one.
fn path(item: &NestedMeta) -> Option<Path> {
    match item {
        NestedMeta::Meta(Meta::NameValue(pair)) => match strip(&pair.value) {
            Expr::Path(path) => Some(path.path.clone()),
            _ => None,
        },
        _ => None,
    }
}

fn path_to_tool(item: &NestedMeta) -> Result<Path, Mistake> {
    path(item).ok_or_else(|| {
        Mistake::at(item, "`use_instead` takes the path of another tool's function")
            .help("for example `use_instead = get_quote`")
    })
}

fn absolute_path(item: &NestedMeta) -> Result<Path, Mistake> {
    let path = path(item).ok_or_else(|| not_absolute(item))?;
    let first = path.segments.first().map(|segment| segment.ident.to_string());
    if path.leading_colon.is_some() || matches!(first.as_deref(), Some("crate" | "$crate")) {
        Ok(path)
    } else {
        Err(not_absolute(&path))
    }
}

fn not_absolute(at: &impl ToTokens) -> Mistake {
    Mistake::at(at, "`crate` takes an absolute path")
        .note("it names the `candor` dependency where it goes by another name")
        .help("for example `crate = ::path`")
}

fn deprecated(key: Ident, item: &NestedMeta, mistakes: &mut Mistakes) -> Option<Deprecated> {
    const KEYS: [&str; 3] = ["since", "remove_in", "use_instead"];
    let NestedMeta::Meta(Meta::List(list)) = item else {
        mistakes.push(
            Mistake::at(item, "`deprecated` takes a list").help(
                "write `deprecated(since = \"1.5.0\", remove_in = \"1.7.0\", use_instead = get_quote)`",
            ),
        );
        return None;
    };
    let items = mistakes.keep(NestedMeta::parse_meta_list(list.tokens.clone()).map_err(Mistake::from))?;
    let mut deprecated =
        Deprecated { key, since: None, remove_in: None, use_instead: None, said: HashSet::new() };
    each_key("deprecated", &items, &KEYS, &mut HashSet::new(), mistakes, |key, item, mistakes| {
        match key.to_string().as_str() {
            "since" => deprecated.since = mistakes.keep(version(item, "since")),
            "remove_in" => deprecated.remove_in = mistakes.keep(version(item, "remove_in")),
            _ => deprecated.use_instead = mistakes.keep(path_to_tool(item)),
        }
        deprecated.said.insert(key.to_string());
    });
    Some(deprecated)
}

fn version(item: &NestedMeta, key: &str) -> Result<(semver::Version, LitStr), Mistake> {
    let said: LitStr = read(item, "a string", &format!("{key} = \"1.5.0\""))?;
    match said.value().parse() {
        Ok(version) => Ok((version, said)),
        Err(_) => Err(Mistake::at(&said, format!("`{}` is no version", said.value()))
            .note("a version is three numbers (semver.org)")
            .help(format!("for example `{key} = \"1.5.0\"`"))),
    }
}
