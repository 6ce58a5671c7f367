//! `rules(…)` → what holds between parameters, name by name, not yet checked against the function.

use std::collections::HashSet;

use darling::ast::NestedMeta;
use quote::ToTokens;
use syn::{Ident, Meta};

use crate::{
    error::{Mistake, Mistakes},
    key::{Grammar, key_of, said},
    param::{Value, value},
};

/// One rule between parameters.
pub(crate) struct Between {
    pub(crate) key: Ident,
    pub(crate) demand: Demand,
}

pub(crate) enum Demand {
    OneOf(Vec<Ident>),
    AnyOf(Vec<Ident>),
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
    keys: &["one_of", "any_of", "needs", "when"],
    example: "rules(one_of(symbol, isin), needs(end, start))",
};

/// Reads every rule of the list; what cannot be read becomes a mistake and the rest is kept.
pub(crate) fn rules(item: &NestedMeta, mistakes: &mut Mistakes) -> Vec<Between> {
    let mut rules = Vec::new();
    let Some(items) = items(item, &format!("for example `{}`", GRAMMAR.example), mistakes) else {
        return rules;
    };
    for item in &items {
        // One kind of rule may stand there several times.
        GRAMMAR.each(std::slice::from_ref(item), &mut HashSet::new(), mistakes, |key, item, mistakes| {
            let demand = demand(&key, item, mistakes);
            rules.extend(demand.map(|demand| Between { key, demand }));
        });
    }
    rules
}

fn demand(key: &Ident, item: &NestedMeta, mistakes: &mut Mistakes) -> Option<Demand> {
    if key == "when" {
        return when(key, item, mistakes);
    }
    let help = match key.to_string().as_str() {
        "one_of" => "for example `one_of(symbol, isin)`: exactly one of them is sent",
        "any_of" => "for example `any_of(phone, email)`: at least one of them is sent",
        _ => "for example `needs(end, start)`: who sends `end` sends `start`",
    };
    let names = names(&items(item, help, mistakes)?, help, mistakes)?;
    if names.len() < 2 {
        mistakes.push(Mistake::at(item, format!("`{key}` says nothing of one parameter alone")).help(help));
        return None;
    }
    Some(match key.to_string().as_str() {
        "one_of" => Demand::OneOf(names),
        "any_of" => Demand::AnyOf(names),
        _ => Demand::Needs(names),
    })
}

const WHEN: &str = "for example `when(contact = \"phone\", phone, else(email))`";

fn unread(tokens: impl ToTokens) -> Mistake {
    Mistake::at(tokens, "`when` takes a value, what is sent with it, and what is sent otherwise").help(WHEN)
}

/// `when(contact = "phone", phone, else(email))`
fn when(key: &Ident, item: &NestedMeta, mistakes: &mut Mistakes) -> Option<Demand> {
    let items = items(item, WHEN, mistakes)?;
    let [condition @ NestedMeta::Meta(Meta::NameValue(pair)), rest @ ..] = items.as_slice() else {
        mistakes.push(unread(items.first().unwrap_or(item)));
        return None;
    };
    let Some(param) = pair.path.get_ident().cloned() else {
        mistakes.push(unread(&pair.path));
        return None;
    };
    let is = Value { key: key.clone(), ..mistakes.keep(value(param.clone(), condition))? };
    let (then, otherwise) = match rest {
        [then @ .., last @ NestedMeta::Meta(Meta::List(list))] if list.path.is_ident("else") => {
            (then, self::items(last, WHEN, mistakes)?)
        }
        then => (then, Vec::new()),
    };
    if then.is_empty() {
        mistakes.push(unread(item));
        return None;
    }
    let (then, otherwise) = (names(then, WHEN, mistakes)?, names(&otherwise, WHEN, mistakes)?);
    Some(Demand::When { param, is, then, otherwise })
}

/// The items of `key(…)`, at least one.
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

/// Bare names, each once.
fn names(items: &[NestedMeta], help: &str, mistakes: &mut Mistakes) -> Option<Vec<Ident>> {
    let mut names: Vec<Ident> = Vec::new();
    for item in items {
        let name = match item {
            NestedMeta::Meta(Meta::Path(path)) => path.get_ident(),
            _ => None,
        };
        let Some(name) = name else {
            mistakes.push(Mistake::at(said(item), "this is no name of a parameter").help(help));
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
