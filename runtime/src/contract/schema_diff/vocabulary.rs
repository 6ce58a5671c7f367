//! Lists the keywords of JSON Schema 2020-12 by the rules that compare them.

use serde_json::Value;

use super::Keywords;

/// The keywords that people and models read, and that no value depends on.
pub(super) const TEXT_KEYWORDS: [&str; 5] = ["title", "description", "default", "examples", "deprecated"];

/// The keywords that have rules of their own, or change nothing by themselves.
const COMPARED_KEYWORDS: [&str; 31] = [
    "type",
    "enum",
    "const",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "pattern",
    "format",
    "multipleOf",
    "uniqueItems",
    "not",
    "items",
    "prefixItems",
    "properties",
    "required",
    "additionalProperties",
    "patternProperties",
    "propertyNames",
    "dependentRequired",
    "allOf",
    "$schema",
    "$defs",
    "definitions",
    "$comment",
];

/// Whether a rule compares a keyword. A change of any other is undecided.
pub(super) fn is_compared(keyword: &str) -> bool {
    TEXT_KEYWORDS.contains(&keyword) || COMPARED_KEYWORDS.contains(&keyword)
}

/// Returns the variants of a choice.
pub(super) fn branches(keywords: &Keywords) -> Option<&Vec<Value>> {
    keywords.get("anyOf").or_else(|| keywords.get("oneOf")).and_then(Value::as_array)
}
