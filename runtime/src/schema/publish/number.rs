//! Replaces `uint32` and similar formats, which are names of Rust types, by the bounds that they mean.

use serde_json::{Map, Value};

use super::types::for_each_part;

/// The largest integer up to which JavaScript, and so many clients, represent all integers exactly: 2^53 − 1.
pub(super) const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;

/// The formats of JSON Schema 2020-12 §7.3. The other formats that schemars writes are names of Rust types.
const FORMATS: [&str; 19] = [
    "date-time",
    "date",
    "time",
    "duration",
    "email",
    "idn-email",
    "hostname",
    "idn-hostname",
    "ipv4",
    "ipv6",
    "uri",
    "uri-reference",
    "iri",
    "iri-reference",
    "uuid",
    "uri-template",
    "json-pointer",
    "relative-json-pointer",
    "regex",
];

/// Replaces the formats in a schema and in its parts by all that the types mean.
pub(super) fn exact(schema: &mut Value) {
    if let Value::Object(object) = schema {
        bounds(object, false);
        for_each_part(object, |_, part| exact(part));
    }
}

/// Replaces the format of one schema by its bounds, or only by those that are `safe`: some model APIs refuse every tool of
/// a server if one bound is beyond 2^53.
pub(super) fn bounds(object: &mut Map<String, Value>, safe: bool) {
    let Some(format) = object.get("format").and_then(Value::as_str) else { return };
    let range = match format {
        "uint8" => Some((0, u64::from(u8::MAX))),
        "uint16" => Some((0, u64::from(u16::MAX))),
        "uint32" => Some((0, u64::from(u32::MAX))),
        // Beyond 64 bits serde_json holds floats, which no whole-number type reads.
        "uint" | "uint64" | "uint128" => Some((0, u64::MAX)),
        "int8" => Some((i64::from(i8::MIN), i8::MAX as u64)),
        "int16" => Some((i64::from(i16::MIN), i16::MAX as u64)),
        "int32" => Some((i64::from(i32::MIN), i32::MAX as u64)),
        "int" | "int64" => Some((i64::MIN, i64::MAX as u64)),
        "int128" => Some((i64::MIN, u64::MAX)),
        _ => None,
    };
    if !FORMATS.contains(&format) {
        object.remove("format");
    }
    let Some((min, max)) = range else { return };
    if !safe || min.unsigned_abs() <= MAX_SAFE_INTEGER {
        object.entry("minimum").or_insert_with(|| min.into());
    }
    if !safe || max <= MAX_SAFE_INTEGER {
        object.entry("maximum").or_insert_with(|| max.into());
    }
}

/// Lists the places of integers in a schema that JavaScript rounds.
pub(in crate::schema) fn unsafe_integers(schema: &Value, place: &str, places: &mut Vec<String>) {
    match schema {
        Value::Number(number) => {
            let is_unsafe = match (number.as_i64(), number.as_u64()) {
                (Some(number), _) => number.unsigned_abs() > MAX_SAFE_INTEGER,
                (None, Some(_)) => true,
                (None, None) => false,
            };
            if is_unsafe {
                places.push(place.to_owned());
            }
        }
        Value::Object(object) => {
            for (key, child) in object {
                unsafe_integers(child, &format!("{place}.{key}"), places);
            }
        }
        Value::Array(children) => {
            for (at, child) in children.iter().enumerate() {
                unsafe_integers(child, &format!("{place}[{at}]"), places);
            }
        }
        _ => {}
    }
}
