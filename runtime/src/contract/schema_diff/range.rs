//! Compares bounds: of numbers, of lengths and of counts.

use serde_json::Value;

use super::{Aspect, Keywords, SchemaDiff, Shift};

/// The keywords of one range: the lower and the upper bound.
const RANGES: [(&str, &str); 4] = [
    ("minimum", "maximum"),
    ("minLength", "maxLength"),
    ("minItems", "maxItems"),
    ("minProperties", "maxProperties"),
];

/// The end of a range: a number, and whether the number itself is outside.
#[derive(Clone, Copy, PartialEq)]
struct RangeEnd {
    at: Exact,
    is_open: bool,
}

/// A number without loss: integers of 64 bits stay exact.
#[derive(Clone, Copy, PartialEq)]
enum Exact {
    Int(i128),
    Float(f64),
}

impl Exact {
    fn of(value: &Value) -> Option<Self> {
        let integer = value.as_i64().map(i128::from).or_else(|| value.as_u64().map(i128::from));
        integer.map(Self::Int).or_else(|| value.as_f64().map(Self::Float))
    }

    #[expect(clippy::cast_precision_loss, reason = "only beside a float, which is as inexact")]
    fn is_less(self, other: Self) -> bool {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => a < b,
            (Self::Int(a), Self::Float(b)) => (a as f64) < b,
            (Self::Float(a), Self::Int(b)) => a < b as f64,
            (Self::Float(a), Self::Float(b)) => a < b,
        }
    }
}

impl SchemaDiff<'_> {
    pub(super) fn ranges(&mut self, base: &Keywords, head: &Keywords, place: &str) {
        for (lower, upper) in RANGES {
            for (keyword, is_lower) in [(lower, true), (upper, false)] {
                let (before, after) = (bound(base, keyword, is_lower), bound(head, keyword, is_lower));
                let shift = match (before, after) {
                    (None, None) => continue,
                    (Some(before), Some(after)) if before == after => continue,
                    (None, Some(_)) => Shift::Narrowed,
                    (Some(before), Some(after)) if is_tighter(after, before, is_lower) => Shift::Narrowed,
                    (Some(_), _) => Shift::Widened,
                };
                // Lengths and counts start at zero anyhow.
                if is_lower && keyword != "minimum" && is_zero(before) && is_zero(after) {
                    continue;
                }
                let (before, after) = (described(base, keyword), described(head, keyword));
                self.report(Aspect::Range, shift, &format!("{place}.{keyword}"), &before, &after);
            }
        }
    }
}

fn is_zero(bound: Option<RangeEnd>) -> bool {
    bound.is_none_or(|bound| bound.at == Exact::Int(0))
}

/// The tighter one of the inclusive and the exclusive bound.
fn bound(keywords: &Keywords, keyword: &str, is_lower: bool) -> Option<RangeEnd> {
    let closed = keywords.get(keyword).and_then(Exact::of).map(|at| RangeEnd { at, is_open: false });
    let open = exclusive(keyword).and_then(|keyword| keywords.get(keyword)).and_then(Exact::of);
    let open = open.map(|at| RangeEnd { at, is_open: true });
    match (closed, open) {
        (Some(closed), Some(open)) if is_tighter(closed, open, is_lower) => Some(closed),
        (closed, open) => open.or(closed),
    }
    .map(|bound| if is_integer(keywords) { bound.of_integers(is_lower) } else { bound })
}

fn exclusive(keyword: &str) -> Option<&'static str> {
    match keyword {
        "minimum" => Some("exclusiveMinimum"),
        "maximum" => Some("exclusiveMaximum"),
        _ => None,
    }
}

fn is_integer(keywords: &Keywords) -> bool {
    keywords.get("type").and_then(Value::as_str) == Some("integer")
}

impl RangeEnd {
    /// The same bound of integers, without an open end.
    fn of_integers(self, is_lower: bool) -> Self {
        match (self.is_open, self.at) {
            (true, Exact::Int(at)) => {
                Self { at: Exact::Int(if is_lower { at + 1 } else { at - 1 }), is_open: false }
            }
            _ => self,
        }
    }
}

fn is_tighter(one: RangeEnd, other: RangeEnd, is_lower: bool) -> bool {
    if one.at == other.at {
        return one.is_open && !other.is_open;
    }
    if is_lower { other.at.is_less(one.at) } else { one.at.is_less(other.at) }
}

/// The bound as it was written.
fn described(keywords: &Keywords, keyword: &str) -> Value {
    let written = keywords.get(keyword).or_else(|| keywords.get(exclusive(keyword)?));
    written.cloned().unwrap_or_else(|| "unbounded".into())
}
