//! Checks values against a published schema (JSON Schema 2020-12), compiled once and walked without allocating.
//!
//! It stands beside the crate `jsonschema` 0.60 in `cargo bench -p candor-tests --bench schema` (medians, two shared cores):
//!
//! | | here | `jsonschema` |
//! | --- | --- | --- |
//! | compile the 14 schemas of the example's tools | 64 µs | 168 µs |
//! | compile a schema of 40 properties with nested arrays | 30 µs | 101 µs |
//! | check the arguments of an example's tool | 33 to 94 ns | 43 to 97 ns |
//! | check a value of the 40 properties | 6.7 µs | 6.7 µs |
//! | memory of 1,400 validators (the example's 14 × 100) | 6.3 MB | 13.4 MB |
//! | further crates to compile (`cargo tree -p jsonschema`) | 0 | 28 |
//!
//! It is kept for half the memory, a third of the start, and 28 crates less; a call costs the same. It must not grow
//! beyond the keywords that the publisher writes.

mod compile;
mod faults;
mod format;
mod number;
#[cfg(test)]
mod oracle;
mod pattern;
mod refer;

use std::{
    collections::BTreeSet,
    sync::{Arc, OnceLock},
};

use regex::Regex;
use serde_json::{Map, Number, Value};

pub(super) use faults::faults;
use number::{all_differ, at_least, at_most, below, equal, is_integer, is_multiple};
use refer::Target;

/// A compiled schema.
#[derive(Debug)]
pub struct Checker {
    types: Types,
    keywords: Vec<Keyword>,
}

/// The JSON types that a schema accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Types(u8);

/// A keyword and its operand. A keyword for values of one type accepts all values of the others.
#[derive(Debug)]
enum Keyword {
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
        first: Vec<Checker>,
        rest: Rest,
    },
    Contains {
        check: Checker,
        min: usize,
        max: usize,
    },
    Required(Vec<String>),
    DependentRequired(Vec<(String, Vec<String>)>),
    MinProperties(usize),
    MaxProperties(usize),
    PropertyNames(Checker),
    Members(MemberRules),
    UnevaluatedProperties(Vec<EvaluatedProperties>, Checker),
    AllOf(Vec<Checker>),
    AnyOf(Vec<Checker>),
    OneOf(Vec<Checker>),
    Not(Checker),
    If {
        condition: Checker,
        then: Checker,
        otherwise: Checker,
    },
    Ref(Target),
    /// The targets of all references, at the root. It accepts every value.
    Targets(#[expect(dead_code, reason = "they live as long as the schema")] Vec<Arc<OnceLock<Checker>>>),
}

/// `properties`, `patternProperties` and `additionalProperties`, which depend on each other.
#[derive(Debug)]
struct MemberRules {
    /// Sorted by name.
    named: Vec<(String, Checker)>,
    patterns: Vec<(Regex, Checker)>,
    rest: Rest,
}

/// The rule for the items or properties that no other keyword covers.
#[derive(Debug)]
enum Rest {
    Open,
    Closed,
    Fits(Box<Checker>),
}

/// The properties that a part of a schema evaluates if the part fits: `unevaluatedProperties` skips them.
#[derive(Debug)]
struct EvaluatedProperties {
    check: Checker,
    names: BTreeSet<String>,
    patterns: Vec<Regex>,
    all: bool,
}

impl Checker {
    /// Returns whether `value` fits the schema.
    pub fn accepts(&self, value: &Value) -> bool {
        self.types.hold(value) && self.keywords.iter().all(|keyword| keyword.accepts(value))
    }
}

impl Types {
    const NONE: Self = Self(0);
    const ANY: Self = Self(0b11_1111);
    const NULL: Self = Self(1);
    const ARRAY: Self = Self(1 << 4);
    const OBJECT: Self = Self(1 << 5);
    const NAMES: [(&'static str, u8); 7] = [
        ("null", 1),
        ("boolean", 1 << 1),
        ("number", 1 << 2),
        ("string", 1 << 3),
        ("array", 1 << 4),
        ("object", 1 << 5),
        // Not part of `ANY`: its numbers include the integers.
        ("integer", 1 << 6),
    ];

    /// Finds a type by its name.
    fn named(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(other, _)| *other == name).map(|(_, bit)| Self(*bit))
    }

    fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    fn hold(self, value: &Value) -> bool {
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

    /// `a string or null`
    fn words(self) -> String {
        if self == Self::ANY {
            return "any value".to_owned();
        }
        let named = Self::NAMES.iter().filter(|(_, bit)| self.0 & bit != 0);
        let with_article = |name| match name {
            "null" => "null".to_owned(),
            "integer" | "array" | "object" => format!("an {name}"),
            _ => format!("a {name}"),
        };
        named.map(|(name, _)| with_article(*name)).collect::<Vec<_>>().join(" or ")
    }
}

impl Keyword {
    fn accepts(&self, value: &Value) -> bool {
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
            (Self::Ref(target), value) => target.accepts(value),
            (Self::UnevaluatedProperties(reaches, check), Value::Object(object)) => {
                unevaluated(reaches, value, object).all(|(_, value)| check.accepts(value))
            }
            (keyword, Value::Number(number)) => keyword.accepts_number(number),
            (keyword, Value::String(text)) => keyword.accepts_text(text),
            (keyword, Value::Array(items)) => keyword.accepts_items(items),
            (keyword, Value::Object(object)) => keyword.accepts_object(object),
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
            // A character takes one to four bytes.
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
            Self::Members(members) => members.accept(object),
            _ => true,
        }
    }
}

impl MemberRules {
    /// Finds the schema of a named property.
    fn named(&self, name: &str) -> Option<&Checker> {
        let at = self.named.binary_search_by(|(other, _)| other.as_str().cmp(name)).ok()?;
        Some(&self.named[at].1)
    }

    fn matching(&self, name: &str) -> impl Iterator<Item = &Checker> {
        self.patterns.iter().filter(move |(pattern, _)| pattern.is_match(name)).map(|(_, checker)| checker)
    }

    fn accept(&self, object: &Map<String, Value>) -> bool {
        // Maps usually sort their names as well, so the next name is usually the next property.
        let mut next = 0;
        object.iter().all(|(name, value)| {
            let named = match self.named[next..].iter().position(|(other, _)| other >= name) {
                Some(skipped) if self.named[next + skipped].0 == *name => {
                    next += skipped + 1;
                    Some(&self.named[next - 1].1)
                }
                _ => self.named(name),
            };
            if self.patterns.is_empty() {
                return named.map_or_else(|| self.rest.accepts(value), |checker| checker.accepts(value));
            }
            let mut matching = self.matching(name).peekable();
            let uncovered = named.is_none() && matching.peek().is_none();
            named.is_none_or(|checker| checker.accepts(value))
                && matching.all(|checker| checker.accepts(value))
                && (!uncovered || self.rest.accepts(value))
        })
    }
}

impl Rest {
    fn accepts(&self, value: &Value) -> bool {
        match self {
            Self::Open => true,
            Self::Closed => false,
            Self::Fits(check) => check.accepts(value),
        }
    }
}

/// Lists the properties of `object` that no fitting part of the schema evaluates; `whole` is the same object as a value.
fn unevaluated<'a>(
    reaches: &[EvaluatedProperties],
    whole: &Value,
    object: &'a Map<String, Value>,
) -> impl Iterator<Item = (&'a String, &'a Value)> {
    let fitting: Vec<&EvaluatedProperties> =
        reaches.iter().filter(|reach| reach.check.accepts(whole)).collect();
    let is_evaluated = |name: &str| {
        fitting.iter().any(|reach| {
            reach.all || reach.names.contains(name) || reach.patterns.iter().any(|one| one.is_match(name))
        })
    };
    object.iter().filter(|(name, _)| !is_evaluated(name)).collect::<Vec<_>>().into_iter()
}
