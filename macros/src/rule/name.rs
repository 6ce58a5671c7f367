//! Rules about the name and the title of a tool.

use proc_macro2::TokenStream;
use quote::ToTokens;

use super::description::is_hidden;
use crate::{
    attr::Attr,
    error::{Mistake, Mistakes},
    sig::Sig,
};

/// `[A-Za-z_][A-Za-z0-9_-]{0,63}`: the names that all known clients and model APIs accept, narrower than SEP-986.
pub(super) fn name_in_grammar(attr: &Attr, sig: &Sig, mistakes: &mut Mistakes) {
    let (at, name, help): (TokenStream, String, &str) = match &attr.name {
        Some(name) => (name.to_token_stream(), name.value(), "for example `name = \"get_price\"`"),
        None if attr.has_key("name") => return,
        None => (
            sig.ident().to_token_stream(),
            sig.name(),
            "give the tool another name, for example `name = \"get_price\"`",
        ),
    };
    mistakes.push(grammar(at, &name, help));
}

/// Earlier names have the same grammar, and are other names.
pub(super) fn aliases_in_grammar(attr: &Attr, sig: &Sig, mistakes: &mut Mistakes) {
    let name = attr.name.as_ref().map_or_else(|| sig.name(), syn::LitStr::value);
    for (at, alias) in attr.aliases.iter().enumerate() {
        let value = alias.value();
        let earlier = attr.aliases[..at].iter().any(|other| other.value() == value);
        mistakes.push(match () {
            () if value == name => Some(
                Mistake::at(alias, format!("alias `{value}` is the name of the tool itself"))
                    .help("delete it: an alias is an earlier name that stays callable"),
            ),
            () if earlier => {
                Some(Mistake::at(alias, format!("alias `{value}` is given twice")).help("keep one of them"))
            }
            () => grammar(alias.to_token_stream(), &value, "for example `aliases = [\"get_price\"]`"),
        });
    }
}

fn grammar(at: TokenStream, name: &str, help: &str) -> Option<Mistake> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    if !(1..=64).contains(&name.len()) || !name.bytes().all(fits) {
        return Some(
            Mistake::at(at, format!("`{}` is not a valid tool name", name.escape_debug()))
                .note("clients accept 1 to 64 of the characters `A-Z a-z 0-9 _ -`")
                .help(help),
        );
    }
    name.starts_with(|c: char| c.is_ascii_digit() || c == '-').then(|| {
        Mistake::at(at, format!("the tool name `{name}` begins with `{}`", &name[..1]))
            .note("some model APIs, such as Gemini, reject names that do not begin with a letter or `_`")
            .help(help)
    })
}

pub(super) fn title_visible(attr: &Attr, mistakes: &mut Mistakes) {
    if let Some(title) =
        attr.title.as_ref().filter(|title| title.value().chars().any(|c| is_hidden(c) || c == '\n'))
    {
        mistakes.push(
            Mistake::at(title, "`title` contains an invisible character")
                .help("delete it: a title is one line of visible text"),
        );
    }
}
