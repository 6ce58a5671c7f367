//! Compares the schemas of a tool, and the rules between its parameters.

use serde_json::Value;

use super::{Pair, access::set};
use crate::contract::{
    change::{Change, ChangeRule, Changes, rule},
    schema_diff::{Flow, compare_schemas},
};

pub(super) fn compare(pair: &Pair<'_>, changes: &mut Changes) {
    input(pair, changes);
    output(pair, changes);
    members(pair, "lenient_parameters", [&rule::LENIENT_GAINED, &rule::LENIENT_LOST], changes);
    members(pair, "rules", [&rule::PARAMETER_RULE_ADDED, &rule::PARAMETER_RULE_REMOVED], changes);
}

/// Compares a list of texts, with a rule for each added and for each removed one.
fn members(pair: &Pair<'_>, part: &str, [added, removed]: [&'static ChangeRule; 2], changes: &mut Changes) {
    let Some((base, head)) = pair.both(part) else { return };
    let (before, after) = (set(base), set(head));
    for text in after.difference(&before) {
        changes.add(added, part, &Value::Null, &(*text).into());
    }
    for text in before.difference(&after) {
        changes.add(removed, part, &(*text).into(), &Value::Null);
    }
}

/// Compares what the server enforces, and what clients read. The second adds only what is graver, since most changes are
/// in both.
fn input(pair: &Pair<'_>, changes: &mut Changes) {
    let Some((base, head)) = pair.both("input_schema") else { return };
    let listed = compared(base, head, Flow::Input);
    let is_enforced_known = !pair.is_listed.contains(&true);
    if !is_enforced_known {
        return changes.list_all(listed);
    }
    let enforced = |side: &'_ serde_json::Map<String, Value>, listed: &Value| {
        side.get("enforced_input_schema").unwrap_or(listed).clone()
    };
    let enforced = compared(&enforced(pair.base, base), &enforced(pair.head, head), Flow::Input);
    let gravest = enforced.iter().map(Change::class).max();
    changes.list_all(enforced);
    changes.list_all(listed.into_iter().filter(|change| Some(change.class()) > gravest).collect());
}

fn output(pair: &Pair<'_>, changes: &mut Changes) {
    let (base, head) = (pair.base.get("output_schema"), pair.head.get("output_schema"));
    match (base, head) {
        (None, None) => {}
        (Some(base), None) => {
            changes.add_detailed(&rule::OUTPUT_REMOVED, "output", String::new(), base, &Value::Null);
        }
        (None, Some(head)) => {
            changes.add_detailed(&rule::OUTPUT_ADDED, "output", String::new(), &Value::Null, head);
        }
        (Some(base), Some(head)) => changes.list_all(compared(base, head, Flow::Output)),
    }
}

fn compared(base: &Value, head: &Value, flow: Flow) -> Vec<Change> {
    let place = match flow {
        Flow::Input => "input",
        Flow::Output => "output",
    };
    let mut changes = Changes::of(None);
    compare_schemas(base, head, flow, place, &mut changes);
    changes.list
}
