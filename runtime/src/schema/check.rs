//! A published schema → what checks values against it: JSON Schema 2020-12, compiled once, walked without allocating.

mod compile;
mod format;
mod number;
#[cfg(test)]
mod oracle;
mod refer;

use std::{
    collections::BTreeSet,
    sync::{Arc, OnceLock},
};

use regex::Regex;
use serde_json::{Map, Number, Value};

use number::{all_differ, at_least, at_most, below, equal, is_integer, is_multiple};
use refer::Target;

/// A compiled schema.
#[derive(Debug)]
pub(crate) struct Check {
    pub(super) types: Types,
    pub(super) rules: Vec<Rule>,
}

/// Which of JSON's types a schema accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Types(u8);

/// One keyword's demand. A rule that speaks of another type than a value's holds of that value.
#[derive(Debug)]
pub(super) enum Rule {
    Enum(Vec<Value>),
    Const(Value),
    Minimum(Number),
    Maximum(Number),
    ExclusiveMinimum(Number),
    ExclusiveMaximum(Number),
    MultipleOf(Number),
    MinLength(usize),
    MaxLength(usize),
    Pattern(String, Regex),
    Format(String, fn(&str) -> bool),
    MinItems(usize),
    MaxItems(usize),
    UniqueItems,
    Items {
        first: Vec<Check>,
        rest: Rest,
    },
    Contains {
        check: Check,
        min: usize,
        max: usize,
    },
    Required(Vec<String>),
    DependentRequired(Vec<(String, Vec<String>)>),
    MinProperties(usize),
    MaxProperties(usize),
    PropertyNames(Check),
    Members(Members),
    UnevaluatedProperties(Vec<Reach>, Check),
    AllOf(Vec<Check>),
    AnyOf(Vec<Check>),
    OneOf(Vec<Check>),
    Not(Check),
    If {
        condition: Check,
        then: Check,
        otherwise: Check,
    },
    /// `$ref`.
    Refers(Target),
    /// What references point to. It demands nothing.
    Holds(#[expect(dead_code, reason = "it lives as long as the schema")] Vec<Arc<OnceLock<Check>>>),
}

/// `properties`, `patternProperties` and `additionalProperties`, which depend on each other.
#[derive(Debug)]
pub(super) struct Members {
    /// Sorted by name.
    pub(super) named: Vec<(String, Check)>,
    pub(super) patterns: Vec<(Regex, Check)>,
    pub(super) rest: Rest,
}

/// What holds of everything that was not named.
#[derive(Debug)]
pub(super) enum Rest {
    Open,
    Closed,
    Fits(Box<Check>),
}

/// Names that a part of a schema speaks of, where that part fits: what `unevaluatedProperties` leaves alone.
#[derive(Debug)]
pub(super) struct Reach {
    pub(super) check: Check,
    pub(super) names: BTreeSet<String>,
    pub(super) patterns: Vec<Regex>,
    pub(super) all: bool,
}

impl Check {
    /// Compiles `schema`.
    ///
    /// # Errors
    ///
    /// A keyword of the wrong form, a pattern that is no regular expression, or a rule that is not enforced here.
    pub(super) fn new(schema: &Value) -> Result<Self, String> {
        compile::compile(schema)
    }

    /// Whether `value` fits.
    pub(crate) fn accepts(&self, value: &Value) -> bool {
        self.types.hold(value) && self.rules.iter().all(|rule| rule.accepts(value))
    }
}

impl Types {
    pub(super) const NONE: Self = Self(0);
    pub(super) const ANY: Self = Self(0b11_1111);
    const NAMES: [(&'static str, u8); 7] = [
        ("null", 1),
        ("boolean", 1 << 1),
        ("number", 1 << 2),
        ("string", 1 << 3),
        ("array", 1 << 4),
        ("object", 1 << 5),
        // Not among `ANY`, whose numbers hold the whole ones.
        ("integer", 1 << 6),
    ];

    /// The type of this name.
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, bit)| Self(*bit))
    }

    pub(super) fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) fn hold(self, value: &Value) -> bool {
        let bit = match value {
            Value::Null => 1,
            Value::Bool(_) => 1 << 1,
            Value::Number(number) if self.0 & (1 << 2) == 0 => {
                return self.0 & (1 << 6) != 0 && is_integer(number);
            }
            Value::Number(_) => 1 << 2,
            Value::String(_) => 1 << 3,
            Value::Array(_) => 1 << 4,
            Value::Object(_) => 1 << 5,
        };
        self.0 & bit != 0
    }

    /// `string or null`.
    pub(super) fn words(self) -> String {
        let named = Self::NAMES.iter().filter(|(_, bit)| self.0 & bit != 0);
        named.map(|(name, _)| *name).collect::<Vec<_>>().join(" or ")
    }
}

impl Rule {
    pub(super) fn accepts(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Enum(options), value) => options.iter().any(|option| equal(option, value)),
            (Self::Const(only), value) => equal(only, value),
            (Self::AllOf(all), value) => all.iter().all(|check| check.accepts(value)),
            (Self::AnyOf(any), value) => any.iter().any(|check| check.accepts(value)),
            (Self::OneOf(one), value) => one.iter().filter(|check| check.accepts(value)).take(2).count() == 1,
            (Self::Not(check), value) => !check.accepts(value),
            (Self::If { condition, then, otherwise }, value) => {
                if condition.accepts(value) {
                    then.accepts(value)
                } else {
                    otherwise.accepts(value)
                }
            }
            (Self::Refers(target), value) => target.accepts(value),
            (Self::UnevaluatedProperties(reaches, check), Value::Object(object)) => {
                unevaluated(reaches, value, object).all(|(_, value)| check.accepts(value))
            }
            (rule, Value::Number(number)) => rule.accepts_number(number),
            (rule, Value::String(text)) => rule.accepts_text(text),
            (rule, Value::Array(items)) => rule.accepts_items(items),
            (rule, Value::Object(object)) => rule.accepts_object(object),
            (_, Value::Null | Value::Bool(_)) => true,
        }
    }

    fn accepts_number(&self, number: &Number) -> bool {
        match self {
            Self::Minimum(limit) => at_least(number, limit),
            Self::Maximum(limit) => at_most(number, limit),
            Self::ExclusiveMinimum(limit) => below(limit, number),
            Self::ExclusiveMaximum(limit) => below(number, limit),
            Self::MultipleOf(of) => is_multiple(number, of),
            _ => true,
        }
    }

    fn accepts_text(&self, text: &str) -> bool {
        match self {
            // A character is one byte at least and four at most.
            Self::MinLength(least) => {
                text.len() >= *least && (text.len() / 4 >= *least || text.chars().count() >= *least)
            }
            Self::MaxLength(most) => {
                text.len() <= *most || (text.len() / 4 <= *most && text.chars().count() <= *most)
            }
            Self::Pattern(_, regex) => regex.is_match(text),
            Self::Format(_, holds) => holds(text),
            _ => true,
        }
    }

    fn accepts_items(&self, items: &[Value]) -> bool {
        match self {
            Self::MinItems(least) => items.len() >= *least,
            Self::MaxItems(most) => items.len() <= *most,
            Self::UniqueItems => all_differ(items),
            Self::Items { first, rest } => {
                items.iter().zip(first).all(|(item, check)| check.accepts(item))
                    && items.iter().skip(first.len()).all(|item| rest.accepts(item))
            }
            Self::Contains { check, min, max } => {
                (*min..=*max).contains(&items.iter().filter(|item| check.accepts(item)).count())
            }
            _ => true,
        }
    }

    fn accepts_object(&self, object: &Map<String, Value>) -> bool {
        match self {
            Self::Required(names) => names.iter().all(|name| object.contains_key(name)),
            Self::DependentRequired(all) => all.iter().all(|(name, needs)| {
                !object.contains_key(name) || needs.iter().all(|need| object.contains_key(need))
            }),
            Self::MinProperties(least) => object.len() >= *least,
            Self::MaxProperties(most) => object.len() <= *most,
            Self::PropertyNames(check) => {
                object.keys().all(|name| check.accepts(&Value::String(name.clone())))
            }
            Self::Members(members) => object.iter().all(|(name, value)| members.accepts(name, value)),
            _ => true,
        }
    }
}

impl Members {
    /// The check of a named property.
    pub(super) fn named(&self, name: &str) -> Option<&Check> {
        let at = self.named.binary_search_by(|(known, _)| known.as_str().cmp(name)).ok()?;
        Some(&self.named[at].1)
    }

    pub(super) fn matching(&self, name: &str) -> impl Iterator<Item = &Check> {
        self.patterns.iter().filter(move |(pattern, _)| pattern.is_match(name)).map(|(_, check)| check)
    }

    fn accepts(&self, name: &str, value: &Value) -> bool {
        let named = self.named(name);
        let mut matching = self.matching(name).peekable();
        let free = named.is_none() && matching.peek().is_none();
        named.is_none_or(|check| check.accepts(value))
            && matching.all(|check| check.accepts(value))
            && (!free || self.rest.accepts(value))
    }
}

impl Rest {
    pub(super) fn accepts(&self, value: &Value) -> bool {
        match self {
            Self::Open => true,
            Self::Closed => false,
            Self::Fits(check) => check.accepts(value),
        }
    }
}

/// The members of `object`, which is `whole`, that no fitting part of the schema speaks of.
pub(super) fn unevaluated<'a>(
    reaches: &[Reach],
    whole: &Value,
    object: &'a Map<String, Value>,
) -> impl Iterator<Item = (&'a String, &'a Value)> {
    let fitting: Vec<&Reach> = reaches.iter().filter(|reach| reach.check.accepts(whole)).collect();
    let spoken = |name: &str| {
        fitting.iter().any(|reach| {
            reach.all || reach.names.contains(name) || reach.patterns.iter().any(|one| one.is_match(name))
        })
    };
    object.iter().filter(|(name, _)| !spoken(name)).collect::<Vec<_>>().into_iter()
}
