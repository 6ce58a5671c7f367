//! A list of `key`, `key = …` and `key(…)` → one value a key, or what is wrong with it.

use std::collections::HashSet;

use darling::{FromMeta, ast::NestedMeta};
use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{Expr, ExprLit, Ident, Lit, LitStr, Meta, Path};

use crate::error::{Mistake, Mistakes};

/// The grammar of one list: what it is called, the keys it knows, and how one is written.
pub(crate) struct Grammar {
    pub(crate) list: &'static str,
    pub(crate) keys: &'static [&'static str],
    pub(crate) example: &'static str,
}

impl Grammar {
    /// Takes the items of `tokens` apart; `None` where they are no list.
    pub(crate) fn items(&self, tokens: TokenStream, mistakes: &mut Mistakes) -> Option<Vec<NestedMeta>> {
        let items = NestedMeta::parse_meta_list(tokens).map_err(|error| {
            Mistake::unread(&error, format!("the list of {} stops being readable here", self.list))
                .help(format!("flags are bare words, values are `key = …`: `{}`", self.example))
        });
        mistakes.keep(items)
    }

    /// Gives each item to `take`, and refuses what is unknown, repeated or no key at all.
    pub(crate) fn each(
        &self,
        items: &[NestedMeta],
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
                        Mistake::at(literal, format!("{} takes keys, and this is a bare value", self.list))
                            .help("put its key in front: `key = …`"),
                    );
                    continue;
                }
            };
            match path.get_ident().filter(|key| self.keys.iter().any(|known| key == known)) {
                None => mistakes.push(self.unknown(path)),
                Some(key) if seen.insert(key.to_string()) => take(key.clone(), item, mistakes),
                Some(key) => mistakes
                    .push(Mistake::at(key, format!("`{key}` is given twice")).help("keep one of them")),
            }
        }
    }

    fn unknown(&self, path: &Path) -> Mistake {
        let said = spelled(path);
        let mistake = Mistake::at(path, format!("{} has no key `{said}`", self.list));
        let guess = darling::Error::unknown_field_with_alts(&said, self.keys).to_string();
        match guess.split("Did you mean `").nth(1).and_then(|rest| rest.split('`').next()) {
            Some(key) => mistake.help(format!("did you mean `{key}`?")),
            None => mistake.help(format!("its keys are {}", listed(self.keys, ", "))),
        }
    }
}

fn listed(words: &[&str], between: &str) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(between)
}

/// Tokens as a person writes them: `alerts::clear`, not `alerts :: clear`.
pub(crate) fn spelled(tokens: &impl ToTokens) -> String {
    tokens.to_token_stream().to_string().replace(' ', "")
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
    let text: LitStr = string(item, example)?;
    if text.value().trim().is_empty() {
        return Err(Mistake::at(&text, format!("`{}` is empty", key_of(item)))
            .help(format!("for example `{example}`")));
    }
    Ok(text)
}

/// The string of `key = "…"`.
pub(crate) fn string(item: &NestedMeta, example: &str) -> Result<LitStr, Mistake> {
    LitStr::from_nested_meta(item).map_err(|_| {
        Mistake::at(said(item), format!("`{}` takes a string", key_of(item)))
            .help(format!("for example `{example}`"))
    })
}

/// A whole number of at least `least`.
pub(crate) fn count<N: FromMeta + PartialOrd + From<u8>>(
    item: &NestedMeta,
    least: u8,
    example: &str,
) -> Result<N, Mistake> {
    // darling also reads numbers out of strings; a number has one spelling here.
    let number = match value(item).map(strip) {
        Some(Expr::Lit(ExprLit { lit: lit @ Lit::Int(_), .. })) => N::from_value(lit).ok(),
        _ => None,
    };
    number.filter(|number| *number >= N::from(least)).ok_or_else(|| {
        Mistake::at(said(item), format!("`{}` takes a whole number of at least {least}", key_of(item)))
            .help(format!("for example `{example}`"))
    })
}

/// One of a few words, each of which means a `T`.
pub(crate) fn one_of<T: Copy>(item: &NestedMeta, words: &[(&str, T)]) -> Result<(T, LitStr), Mistake> {
    let key = key_of(item);
    let settings: Vec<String> = words.iter().map(|(word, _)| format!("{key} = \"{word}\"")).collect();
    let said = string(item, &settings[0])?;
    match words.iter().find(|(word, _)| *word == said.value()) {
        Some((_, value)) => Ok((*value, said)),
        None => {
            let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
            Err(Mistake::at(&said, format!("`{key}` has no setting `{}`", said.value().escape_debug()))
                .help(format!("write {}", listed(&settings, " or "))))
        }
    }
}

/// The path of `key = path`, if it is one.
pub(crate) fn path(item: &NestedMeta) -> Option<Path> {
    match value(item).map(strip) {
        Some(Expr::Path(path)) => Some(path.path.clone()),
        _ => None,
    }
}

/// `crate = ::path`: the name under which a program knows Candor.
pub(crate) fn krate(item: &NestedMeta) -> Result<Path, Mistake> {
    let absolute = |path: &Path| {
        let first = path.segments.first().map(|segment| segment.ident.to_string());
        path.leading_colon.is_some() || matches!(first.as_deref(), Some("crate" | "$crate"))
    };
    path(item).filter(absolute).ok_or_else(|| {
        Mistake::at(said(item), "`crate` takes an absolute path")
            .note("it names the `candor` dependency where it goes by another name")
            .help("for example `crate = ::path`")
    })
}

/// The smallest stretch to underline: the value, or the key where there is none.
pub(crate) fn said(item: &NestedMeta) -> TokenStream {
    match value(item) {
        Some(value) => value.to_token_stream(),
        None => item.to_token_stream(),
    }
}

/// The value of `key = value`.
pub(crate) fn value(item: &NestedMeta) -> Option<&Expr> {
    match item {
        NestedMeta::Meta(Meta::NameValue(pair)) => Some(&pair.value),
        _ => None,
    }
}

/// The expression inside the invisible groups that `macro_rules!` leaves.
pub(crate) fn strip(expr: &Expr) -> &Expr {
    match expr {
        Expr::Group(group) => strip(&group.expr),
        expr => expr,
    }
}

/// The key of an item, as it was written.
pub(crate) fn key_of(item: &NestedMeta) -> String {
    match item {
        NestedMeta::Meta(meta) => spelled(meta.path()),
        NestedMeta::NameValueInvalidExpr(pair) => spelled(&pair.path),
        NestedMeta::Lit(literal) => spelled(literal),
    }
}
