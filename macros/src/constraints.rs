//! Reads `rules(…)`, the constraints between parameters, not yet checked against the function.

use std::collections::HashSet;

use darling::ast::NestedMeta;
use quote::ToTokens;
use syn::{Ident, Meta};

use crate::{
    error::{Mistake, Mistakes},
    key::{Grammar, key_of, value_or_item},
    param::{Value, value},
};

/// One constraint between parameters.
pub(crate) struct Constraint {
    /// The word that introduces it, for example `one_of`.
    pub(crate) key: Ident,
    pub(crate) relation: Relation,
}

/// The parameters that a caller sends together, or not together.
pub(crate) enum Relation {
    OneOf(Vec<Ident>),
    AnyOf(Vec<Ident>),
    AtMostOne(Vec<Ident>),
    /// The first needs the others.
    Needs(Vec<Ident>),
    When {
        param: Ident,
        is: Value,
        then: Vec<Ident>,
        otherwise: Vec<Ident>,
    },
}

const GRAMMAR: Grammar = Grammar {
    list: "`rules`",
    keys: &["one_of", "any_of", "at_most_one", "needs", "when"],
    example: "rules(one_of(symbol, isin), needs(end, start))",
};

/// Reads every constraint of the list. One that cannot be read becomes a mistake, and the others remain.
pub(crate) fn read(item: &NestedMeta, mistakes: &mut Mistakes) -> Vec<Constraint> {
    let mut constraints = Vec::new();
    let Some(items) = items(item, &format!("for example `{}`", GRAMMAR.example), mistakes) else {
        return constraints;
    };
    for item in &items {
        // The same key may occur several times.
        GRAMMAR.each(std::slice::from_ref(item), &mut HashSet::new(), mistakes, |key, item, mistakes| {
            let relation = relation(&key, item, mistakes);
            constraints.extend(relation.map(|relation| Constraint { key, relation }));
        });
    }
    constraints
}

fn relation(key: &Ident, item: &NestedMeta, mistakes: &mut Mistakes) -> Option<Relation> {
    if key == "when" {
        return when(key, item, mistakes);
    }
    let help = match key.to_string().as_str() {
        "one_of" => "for example `one_of(symbol, isin)`: a caller sends exactly one of them",
        "any_of" => "for example `any_of(phone, email)`: a caller sends at least one of them",
        "at_most_one" => "for example `at_most_one(head, tail)`: a caller sends one of them or none",
        _ => "for example `needs(end, start)`: a caller that sends `end` also sends `start`",
    };
    let names = names(&items(item, help, mistakes)?, help, mistakes)?;
    if names.len() < 2 {
        mistakes.push(Mistake::at(item, format!("`{key}` takes at least two parameters")).help(help));
        return None;
    }
    Some(match key.to_string().as_str() {
        "one_of" => Relation::OneOf(names),
        "any_of" => Relation::AnyOf(names),
        "at_most_one" => Relation::AtMostOne(names),
        _ => Relation::Needs(names),
    })
}

const WHEN: &str = "for example `when(contact = \"phone\", phone, else(email))`";

fn malformed_when(tokens: impl ToTokens) -> Mistake {
    Mistake::at(tokens, "`when` takes a condition, the parameters it requires, and `else(…)` if there is one")
        .help(WHEN)
}

/// Reads `when(contact = "phone", phone, else(email))`.
fn when(key: &Ident, item: &NestedMeta, mistakes: &mut Mistakes) -> Option<Relation> {
    let items = items(item, WHEN, mistakes)?;
    let [condition @ NestedMeta::Meta(Meta::NameValue(pair)), rest @ ..] = items.as_slice() else {
        mistakes.push(malformed_when(items.first().unwrap_or(item)));
        return None;
    };
    let Some(param) = pair.path.get_ident().cloned() else {
        mistakes.push(malformed_when(&pair.path));
        return None;
    };
    let is = Value { key: key.clone(), ..mistakes.handle(value(param.clone(), condition))? };
    let (then, otherwise) = match rest {
        [then @ .., last @ NestedMeta::Meta(Meta::List(list))] if list.path.is_ident("else") => {
            (then, self::items(last, WHEN, mistakes)?)
        }
        then => (then, Vec::new()),
    };
    if then.is_empty() {
        mistakes.push(malformed_when(item));
        return None;
    }
    let (then, otherwise) = (names(then, WHEN, mistakes)?, names(&otherwise, WHEN, mistakes)?);
    Some(Relation::When { param, is, then, otherwise })
}

/// Returns the items of `key(…)`, at least one.
fn items(item: &NestedMeta, help: &str, mistakes: &mut Mistakes) -> Option<Vec<NestedMeta>> {
    let items = match item {
        NestedMeta::Meta(Meta::List(list)) => GRAMMAR.items(list.tokens.clone(), mistakes)?,
        _ => Vec::new(),
    };
    if items.is_empty() {
        mistakes.push(Mistake::at(item, format!("`{}` takes a list", key_of(item))).help(help));
        return None;
    }
    Some(items)
}

/// Reads bare names, each once.
fn names(items: &[NestedMeta], help: &str, mistakes: &mut Mistakes) -> Option<Vec<Ident>> {
    let mut names: Vec<Ident> = Vec::new();
    for item in items {
        let name = match item {
            NestedMeta::Meta(Meta::Path(path)) => path.get_ident(),
            _ => None,
        };
        let Some(name) = name else {
            mistakes.push(Mistake::at(value_or_item(item), "this is not the name of a parameter").help(help));
            return None;
        };
        if names.contains(name) {
            mistakes.push(Mistake::at(name, format!("`{name}` is named twice")).help("keep one of them"));
            return None;
        }
        names.push(name.clone());
    }
    Some(names)
}
