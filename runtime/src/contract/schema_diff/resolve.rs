//! Resolves references within a schema.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use super::Keywords;
use crate::contract::normal;

/// The length of a chain of references that lead to each other.
const MAX_CHAIN: usize = 32;

/// Returns the name of the definition that a part refers to.
pub(super) fn reference_name(part: &Value) -> Option<String> {
    normal::definition_name(part.get("$ref")?.as_str()?)
}

/// Returns the keywords of a part with its reference resolved; those beside a reference stand before those of its target.
/// `None` if a reference leads out of the schema.
pub(super) fn resolved<'a>(root: &'a Value, part: &'a Value) -> Option<Cow<'a, Keywords>> {
    let mut part = match part {
        Value::Object(keywords) if !keywords.contains_key("$ref") => return Some(Cow::Borrowed(keywords)),
        Value::Object(keywords) => keywords.clone(),
        Value::Bool(true) => Map::new(),
        _ => return Some(Cow::Owned(nothing())),
    };
    for _ in 0..MAX_CHAIN {
        let Some(reference) = part.remove("$ref") else { return Some(Cow::Owned(part)) };
        let name = reference.as_str().and_then(normal::definition_name)?;
        match normal::target(root, &name)? {
            Value::Object(target) => {
                for (key, value) in target {
                    part.entry(key.clone()).or_insert_with(|| value.clone());
                }
            }
            Value::Bool(true) => {}
            _ => return Some(Cow::Owned(nothing())),
        }
    }
    None
}

/// A schema that accepts no value.
fn nothing() -> Keywords {
    match json!({"enum": []}) {
        Value::Object(keywords) => keywords,
        _ => unreachable!("an object above"),
    }
}
