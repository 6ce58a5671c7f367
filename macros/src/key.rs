//! Reads lists of `key`, `key = …` and `key(…)`: one value for each key, or the mistake in it.

use std::collections::HashSet;

use darling::{FromMeta, ast::NestedMeta};
use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{Expr, ExprLit, Ident, Lit, LitStr, Meta, Path};

use crate::error::{Mistake, Mistakes};

/// The grammar of one list: its name in messages, its keys, and an example.
pub(crate) struct Grammar {
    pub(crate) list: &'static str,
    pub(crate) keys: &'static [&'static str],
    pub(crate) example: &'static str,
}

impl Grammar {
    /// Splits `tokens` into items; `None` if they are not a list.
    pub(crate) fn items(&self, tokens: TokenStream, mistakes: &mut Mistakes) -> Option<Vec<NestedMeta>> {
        let items = NestedMeta::parse_meta_list(tokens).map_err(|error| {
            Mistake::unparsed(&error, format!("the list of {} cannot be parsed here", self.list))
                .help(format!("flags are bare words, values are `key = …`: `{}`", self.example))
        });
        mistakes.handle(items)
    }

    /// Passes each item to `take`; records items with an unknown key, a repeated key or no key as mistakes.
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
                            .help("write its key before it: `key = …`"),
                    );
                    continue;
                }
            };
            match path.get_ident().filter(|ident| self.keys.iter().any(|key| ident == key)) {
                None => {
                    if is_description(path) {
                        seen.insert(DESCRIPTION.to_owned());
                    }
                    mistakes.push(self.unknown(path));
                }
                Some(key) if seen.insert(key.to_string()) => take(key.clone(), item, mistakes),
                Some(key) => mistakes
                    .push(Mistake::at(key, format!("`{key}` is given twice")).help("keep one of them")),
            }
        }
    }

    fn unknown(&self, path: &Path) -> Mistake {
        let key = spelled(path);
        let mistake = Mistake::at(path, format!("{} has no key `{key}`", self.list));
        if is_description(path) {
            return mistake
                .note("the description is a doc comment")
                .help("write a `///` comment above what it describes");
        }
        let guess = darling::Error::unknown_field_with_alts(&key, self.keys).to_string();
        match guess.split("Did you mean `").nth(1).and_then(|rest| rest.split('`').next()) {
            Some(key) => mistake.help(format!("did you mean `{key}`?")),
            None => mistake.help(format!("its keys are {}", listed(self.keys, ", "))),
        }
    }
}

/// Recorded among the keys if the user wrote a description as a key, so that it is not also missing.
pub(crate) const DESCRIPTION: &str = "description";

/// Whether the key looks like `description`, also misspelled or abbreviated.
fn is_description(path: &Path) -> bool {
    let key = spelled(path);
    key.starts_with("desc") || key == "doc" || key == "docs"
}

fn listed(words: &[&str], separator: &str) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(separator)
}

/// Spells tokens as a person writes them: `alerts::clear`, not `alerts :: clear`.
pub(crate) fn spelled(tokens: &impl ToTokens) -> String {
    tokens.to_token_stream().to_string().replace(' ', "")
}

/// Reads a bare word: `read_only`.
pub(crate) fn flag(key: Ident, item: &NestedMeta) -> Result<Ident, Mistake> {
    match item {
        NestedMeta::Meta(Meta::Path(_)) => Ok(key),
        _ => Err(Mistake::at(item, format!("`{key}` is a flag and takes no value"))
            .help(format!("write `{key}` alone"))),
    }
}

/// Reads the string of `key = "…"`, which must not be empty.
pub(crate) fn text(item: &NestedMeta, example: &str) -> Result<LitStr, Mistake> {
    let text: LitStr = string(item, example)?;
    if text.value().trim().is_empty() {
        return Err(Mistake::at(&text, format!("`{}` is empty", key_of(item)))
            .help(format!("for example `{example}`")));
    }
    Ok(text)
}

/// Reads the string of `key = "…"`.
pub(crate) fn string(item: &NestedMeta, example: &str) -> Result<LitStr, Mistake> {
    LitStr::from_nested_meta(item).map_err(|_| {
        Mistake::at(value_or_item(item), format!("`{}` takes a string", key_of(item)))
            .help(format!("for example `{example}`"))
    })
}

/// Reads a whole number of at least `least`.
pub(crate) fn count<N: FromMeta + PartialOrd + From<u8>>(
    item: &NestedMeta,
    least: u8,
    example: &str,
) -> Result<N, Mistake> {
    // darling also reads numbers from strings; here a number has one spelling.
    let number = match value(item).map(strip) {
        Some(Expr::Lit(ExprLit { lit: lit @ Lit::Int(_), .. })) => N::from_value(lit).ok(),
        _ => None,
    };
    number.filter(|number| *number >= N::from(least)).ok_or_else(|| {
        Mistake::at(
            value_or_item(item),
            format!("`{}` takes a whole number of at least {least}", key_of(item)),
        )
        .help(format!("for example `{example}`"))
    })
}

/// Reads one of a few words, each of which means a `T`.
pub(crate) fn one_of<T: Copy>(item: &NestedMeta, words: &[(&str, T)]) -> Result<(T, LitStr), Mistake> {
    let key = key_of(item);
    let settings: Vec<String> = words.iter().map(|(word, _)| format!("{key} = \"{word}\"")).collect();
    let literal = string(item, &settings[0])?;
    match words.iter().find(|(word, _)| *word == literal.value()) {
        Some((_, value)) => Ok((*value, literal)),
        None => {
            let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
            let fact = format!("`{key}` has no setting `{}`", literal.value().escape_debug());
            Err(Mistake::at(&literal, fact).help(format!("write {}", listed(&settings, " or "))))
        }
    }
}

/// Returns the path of `key = path`.
pub(crate) fn path(item: &NestedMeta) -> Option<Path> {
    match value(item).map(strip) {
        Some(Expr::Path(path)) => Some(path.path.clone()),
        _ => None,
    }
}

/// Reads `crate = ::path`, the name of Candor in the user's program.
pub(crate) fn krate(item: &NestedMeta) -> Result<Path, Mistake> {
    let absolute = |path: &Path| {
        let first = path.segments.first().map(|segment| segment.ident.to_string());
        path.leading_colon.is_some() || matches!(first.as_deref(), Some("crate" | "$crate"))
    };
    path(item).filter(absolute).ok_or_else(|| {
        Mistake::at(value_or_item(item), "`crate` takes an absolute path")
            .note("it names the `candor` dependency if that has another name")
            .help("for example `crate = ::path`")
    })
}

/// Returns the smallest part to underline: the value, or the whole item if it has no value.
pub(crate) fn value_or_item(item: &NestedMeta) -> TokenStream {
    match value(item) {
        Some(value) => value.to_token_stream(),
        None => item.to_token_stream(),
    }
}

/// Returns the value of `key = value`.
pub(crate) fn value(item: &NestedMeta) -> Option<&Expr> {
    match item {
        NestedMeta::Meta(Meta::NameValue(pair)) => Some(&pair.value),
        _ => None,
    }
}

/// Removes the invisible groups that `macro_rules!` puts around an expression.
pub(crate) fn strip(expr: &Expr) -> &Expr {
    match expr {
        Expr::Group(group) => strip(&group.expr),
        expr => expr,
    }
}

/// Returns the key of an item, as it was written.
pub(crate) fn key_of(item: &NestedMeta) -> String {
    match item {
        NestedMeta::Meta(meta) => spelled(meta.path()),
        NestedMeta::NameValueInvalidExpr(pair) => spelled(&pair.path),
        NestedMeta::Lit(literal) => spelled(literal),
    }
}
