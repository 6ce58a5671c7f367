//! Compares numbers and values as JSON Schema does: by value, whatever their notation.

use std::cmp::Ordering;

use serde_json::{Number, Value};

/// Returns whether a number has no fraction, as `1.0` has none.
pub(super) fn is_integer(number: &Number) -> bool {
    whole(number).is_some() || number.as_f64().is_some_and(|float| float.is_finite() && float.fract() == 0.0)
}

pub(super) fn at_least(number: &Number, limit: &Number) -> bool {
    order(number, limit) != Ordering::Less
}

pub(super) fn at_most(number: &Number, limit: &Number) -> bool {
    order(number, limit) != Ordering::Greater
}

pub(super) fn below(number: &Number, limit: &Number) -> bool {
    order(number, limit) == Ordering::Less
}

/// Returns whether `number` is a whole multiple of `of`. Decimals count as written, so 0.3 is a multiple of 0.1.
pub(super) fn is_multiple(number: &Number, of: &Number) -> bool {
    if is_integer(number) && is_integer(of) {
        return match (integer(number), integer(of)) {
            (Some(number), Some(of)) => of != 0 && number % of == 0,
            _ => float(number) % float(of) == 0.0,
        };
    }
    let ((digits, places), (of, of_places)) = (decimal(number), decimal(of));
    if digits == 0 || of == 0 {
        return digits == 0 && of != 0;
    }
    if places >= of_places {
        return (of_places..places).fold(digits % of, |rest, _| rest * 10 % of) == 0;
    }
    let shift = u32::try_from(of_places - places).unwrap_or(u32::MAX);
    // If the product does not fit, it is larger than `digits`, which is then not a multiple of it.
    10_i128.checked_pow(shift).and_then(|ten| of.checked_mul(ten)).is_some_and(|of| digits % of == 0)
}

/// The value of a whole number, if 128 bits hold it.
#[expect(clippy::cast_possible_truncation, reason = "the bounds were checked just before")]
fn integer(number: &Number) -> Option<i128> {
    let float = || number.as_f64().filter(|float| float.abs() < 1e38).map(|float| float as i128);
    whole(number).or_else(float)
}

/// A number as it is written: its digits as an integer, and the power of ten that they are multiplied by.
fn decimal(number: &Number) -> (i128, i32) {
    let text = number.to_string();
    let (digits, power) = text.split_once(['e', 'E']).unwrap_or((&text, "0"));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let digits = format!("{whole}{fraction}").parse().unwrap_or(0);
    let places = i32::try_from(fraction.len()).unwrap_or(0);
    (digits, power.parse::<i32>().unwrap_or(0) - places)
}

/// Returns whether two JSON values are equal (JSON Schema 2020-12 core, 4.2.2).
pub(super) fn equal(a: &Value, b: &Value) -> bool {
    compare(a, b) == Ordering::Equal
}

/// Returns whether no two items are equal. It sorts them, so a long list takes n log n comparisons.
pub(super) fn all_differ(items: &[Value]) -> bool {
    let mut sorted: Vec<&Value> = items.iter().collect();
    sorted.sort_unstable_by(|a, b| compare(a, b));
    sorted.windows(2).all(|pair| compare(pair[0], pair[1]) != Ordering::Equal)
}

/// A total order of all values that agrees with `equal`.
fn compare(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => order(a, b),
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Array(a), Value::Array(b)) => {
            let items = a.iter().zip(b).map(|(a, b)| compare(a, b)).find(|order| order.is_ne());
            items.unwrap_or_else(|| a.len().cmp(&b.len()))
        }
        // Maps sort their members by name.
        (Value::Object(a), Value::Object(b)) => {
            let members = a.iter().zip(b).map(|((a, x), (b, y))| a.cmp(b).then_with(|| compare(x, y)));
            members.into_iter().find(|order| order.is_ne()).unwrap_or_else(|| a.len().cmp(&b.len()))
        }
        (a, b) => kind(a).cmp(&kind(b)),
    }
}

fn kind(value: &Value) -> u8 {
    match value {
        Value::Null => 0,
        Value::Bool(_) => 1,
        Value::Number(_) => 2,
        Value::String(_) => 3,
        Value::Array(_) => 4,
        Value::Object(_) => 5,
    }
}

fn order(a: &Number, b: &Number) -> Ordering {
    if let (Some(a), Some(b)) = (a.as_i64(), b.as_i64()) {
        return a.cmp(&b);
    }
    match (whole(a), whole(b)) {
        (Some(a), Some(b)) => a.cmp(&b),
        (Some(a), None) => order_mixed(a, float(b)),
        (None, Some(b)) => order_mixed(b, float(a)).reverse(),
        // Adding zero turns -0.0 into 0.0, which equals it.
        (None, None) => (float(a) + 0.0).total_cmp(&(float(b) + 0.0)),
    }
}

/// Compares an integer with a float, without rounding either.
#[expect(clippy::cast_possible_truncation, reason = "the bounds were checked just before")]
fn order_mixed(whole: i128, float: f64) -> Ordering {
    // The integers of serde_json end at 2^64.
    if float.abs() >= 1e30 {
        return if float > 0.0 { Ordering::Less } else { Ordering::Greater };
    }
    whole.cmp(&(float.trunc() as i128)).then_with(|| 0.0_f64.total_cmp(&(float.fract() + 0.0)))
}

fn whole(number: &Number) -> Option<i128> {
    number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from))
}

fn float(number: &Number) -> f64 {
    number.as_f64().unwrap_or(f64::NAN)
}
