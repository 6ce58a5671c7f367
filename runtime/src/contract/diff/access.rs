//! Compares the conditions of a call: scopes, confirmation, the idempotency key, a task.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Pair;
use crate::{
    contract::change::{Changes, rule},
    ordered::CollectOrdered as _,
};

pub(super) fn compare(pair: &Pair<'_>, changes: &mut Changes) {
    scopes(pair, changes);
    if let Some((before, after)) = pair.changed("confirm") {
        let rule = match (word(before), word(after)) {
            ("never", _) | (_, "always") => &rule::CONFIRMATION_ADDED,
            (_, "never") | ("always", _) => &rule::CONFIRMATION_REMOVED,
            _ => &rule::CONFIRMATION_CHANGED,
        };
        changes.add(rule, "confirm", before, after);
    }
    if let Some((before, after)) = pair.changed("idempotency_key") {
        let rule = match word(after) {
            "required" => &rule::KEY_REQUIRED,
            "optional" => &rule::KEY_OPTIONAL,
            _ => &rule::KEY_IGNORED,
        };
        changes.add(rule, "idempotency_key", before, after);
    }
    if let Some((before, after)) = pair.changed("task") {
        let rule = match word(after) {
            "required" => &rule::TASK_REQUIRED,
            "optional" => &rule::TASK_OPTIONAL,
            _ => &rule::TASK_WITHDRAWN,
        };
        changes.add(rule, "task", before, after);
    }
    names(pair, changes);
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn scopes(pair: &Pair<'_>, changes: &mut Changes) {
    let Some((base, head)) = pair.both("scopes") else { return };
    let (before, after) = (set(base), set(head));
    for scope in after.difference(&before) {
        changes.add(&rule::SCOPE_ADDED, "scopes", &Value::Null, &(*scope).into());
    }
    for scope in before.difference(&after) {
        changes.add(&rule::SCOPE_REMOVED, "scopes", &(*scope).into(), &Value::Null);
    }
}

/// Compares the further names of a tool, except for one that is its name on the other side.
fn names(pair: &Pair<'_>, changes: &mut Changes) {
    let Some((base, head)) = pair.both("aliases") else { return };
    let (before, after) = (set(base), set(head));
    let name =
        |definition: &serde_json::Map<String, Value>| definition.get("name").cloned().unwrap_or_default();
    let (old_name, new_name) = (name(pair.base), name(pair.head));
    for alias in after.difference(&before).filter(|alias| old_name != **alias) {
        changes.add(&rule::ALIAS_ADDED, "aliases", &Value::Null, &(*alias).into());
    }
    for alias in before.difference(&after).filter(|alias| new_name != **alias) {
        changes.add(&rule::ALIAS_REMOVED, "aliases", &(*alias).into(), &Value::Null);
    }
}

/// The texts of a list.
pub(super) fn set(list: &Value) -> BTreeSet<&str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).collect_ordered()
}
