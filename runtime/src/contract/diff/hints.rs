//! Compares the hints: hosts approve and repeat calls because of them.

use serde_json::Value;

use super::Pair;
use crate::contract::change::{ChangeRule, Changes, rule};

/// One hint, the value that hosts rely on, and the rules for its loss and its gain.
struct HintRule {
    hint: &'static str,
    safe: bool,
    lost: &'static ChangeRule,
    gained: &'static ChangeRule,
}

static HINT_RULES: [HintRule; 4] = [
    HintRule {
        hint: "readOnlyHint",
        safe: true,
        lost: &rule::READ_ONLY_LOST,
        gained: &rule::READ_ONLY_GAINED,
    },
    HintRule {
        hint: "destructiveHint",
        safe: false,
        lost: &rule::DESTRUCTIVE_GAINED,
        gained: &rule::DESTRUCTIVE_LOST,
    },
    HintRule {
        hint: "idempotentHint",
        safe: true,
        lost: &rule::IDEMPOTENT_LOST,
        gained: &rule::IDEMPOTENT_GAINED,
    },
    HintRule {
        hint: "openWorldHint",
        safe: false,
        lost: &rule::CLOSED_WORLD_LOST,
        gained: &rule::CLOSED_WORLD_GAINED,
    },
];

pub(super) fn compare(pair: &Pair<'_>, changes: &mut Changes) {
    let Some((base, head)) = pair.both("annotations") else { return };
    if base == head
        && let Some((before, after)) = pair.changed("effect")
    {
        changes.add(&rule::UNKNOWN_CHANGED, "effect", before, after);
    }
    for HintRule { hint, safe, lost, gained } in &HINT_RULES {
        let (before, after) = (value(base, hint), value(head, hint));
        if before != after {
            let rule = if before == *safe { lost } else { gained };
            changes.add_detailed(rule, "", String::new(), &before.into(), &after.into());
        }
    }
}

/// The value of a hint, or its default (MCP, `ToolAnnotations`).
fn value(annotations: &Value, hint: &str) -> bool {
    let default = matches!(hint, "destructiveHint" | "openWorldHint");
    annotations.get(hint).and_then(Value::as_bool).unwrap_or(default)
}
