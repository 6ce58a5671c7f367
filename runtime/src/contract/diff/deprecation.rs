//! Compares deprecations: callers plan by the release that they name.

use serde_json::Value;

use super::{Pair, versions::compare_versions};
use crate::contract::change::{Changes, rule};

pub(super) fn compare(pair: &Pair<'_>, changes: &mut Changes) {
    let Some((before, after)) = pair.changed("deprecated").or_else(|| listed(pair)) else { return };
    match (before, after) {
        (Value::Null, after) => {
            changes.add(&rule::DEPRECATED, "deprecated", &Value::Null, &after["remove_in"]);
        }
        (before, Value::Null) => {
            changes.add(&rule::DEPRECATION_WITHDRAWN, "deprecated", &before["remove_in"], &Value::Null);
        }
        (before, after) => {
            for part in ["since", "use_instead"] {
                if before.get(part) != after.get(part) {
                    let place = format!("deprecated.{part}");
                    changes.add(&rule::REPLACEMENT_CHANGED, &place, &before[part], &after[part]);
                }
            }
            removal(&before["remove_in"], &after["remove_in"], changes);
        }
    }
}

fn removal(before: &Value, after: &Value, changes: &mut Changes) {
    if before == after {
        return;
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let rule = match compare_versions(&text(after), &text(before)) {
        Some(std::cmp::Ordering::Less) => &rule::REMOVAL_EARLIER,
        Some(_) => &rule::REMOVAL_LATER,
        None => &rule::UNKNOWN_CHANGED,
    };
    changes.add(rule, "deprecated.remove_in", before, after);
}

/// A running server tells a deprecation, and tells nothing if there is none.
fn listed<'a>(pair: &Pair<'a>) -> Option<(&'a Value, &'a Value)> {
    let of = |side: &'a serde_json::Map<String, Value>| side.get("deprecated").unwrap_or(&Value::Null);
    let (before, after) = (of(pair.base), of(pair.head));
    (pair.is_listed.contains(&true) && before != after).then_some((before, after))
}
