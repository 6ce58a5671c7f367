//! Compares the JSON types that a schema accepts.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Aspect, Keywords, SchemaDiff, Shift};
use crate::ordered::CollectOrdered as _;

/// Every type, with `integer` inside of `number`.
const ALL_TYPES: [&str; 7] = ["array", "boolean", "integer", "null", "number", "object", "string"];

/// Returns the types that a schema accepts. Each number includes the integers.
pub(super) fn of(keywords: &Keywords) -> BTreeSet<&str> {
    let mut types: BTreeSet<&str> = match keywords.get("type") {
        Some(Value::String(ty)) => BTreeSet::from([ty.as_str()]),
        Some(Value::Array(types)) => types.iter().filter_map(Value::as_str).collect_ordered(),
        _ => ALL_TYPES.into(),
    };
    if types.contains("number") {
        types.insert("integer");
    }
    types
}

impl SchemaDiff<'_> {
    /// Returns whether the types have values in common, so that the other keywords can be compared.
    pub(super) fn types(&mut self, base: &Keywords, head: &Keywords, place: &str) -> bool {
        let (before, after) = (of(base), of(head));
        let shift = if before == after {
            return true;
        } else if after.is_subset(&before) {
            Shift::Narrowed
        } else if before.is_subset(&after) {
            Shift::Widened
        } else {
            Shift::Replaced
        };
        let ty = |keywords: &Keywords| keywords.get("type").cloned().unwrap_or_else(|| "any".into());
        self.report(Aspect::Type, shift, place, &ty(base), &ty(head));
        !before.is_disjoint(&after)
    }
}
