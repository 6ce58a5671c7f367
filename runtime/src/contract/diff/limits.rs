//! Compares limits, and what the server keeps of calls.

use serde_json::Value;

use super::Pair;
use crate::contract::change::{ChangeRule, Changes, rule};

pub(super) fn compare(pair: &Pair<'_>, changes: &mut Changes) {
    for limit in ["rate", "max_in_flight", "timeout_ms", "max_output_bytes", "retry"] {
        if let Some((before, after)) = pair.changed(limit) {
            changes.add(rule_of(limit, before, after), limit, before, after);
        }
    }
    for (part, rule) in [
        ("audit", &rule::AUDIT_CHANGED),
        ("unsandboxed", &rule::UNSANDBOXED_CHANGED),
        ("public_effect", &rule::PUBLIC_EFFECT_CHANGED),
        ("secret_parameters", &rule::SECRETS_CHANGED),
        ("volatile_parameters", &rule::VOLATILE_CHANGED),
    ] {
        if let Some((before, after)) = pair.changed(part) {
            changes.add(rule, part, before, after);
        }
    }
}

fn rule_of(limit: &str, before: &Value, after: &Value) -> &'static ChangeRule {
    let number = |value: &Value| if limit == "rate" { per_hour(value) } else { value.as_u64() };
    match (number(before), number(after)) {
        (Some(before), Some(after)) if after < before => &rule::LIMIT_LOWERED,
        // Equal rates can be written in two ways.
        (Some(_), Some(_)) => &rule::LIMIT_RAISED,
        _ => &rule::LIMIT_UNDECIDED,
    }
}

/// The calls of a rate such as `60/min`, in an hour.
fn per_hour(rate: &Value) -> Option<u64> {
    let (calls, per) = rate.as_str()?.split_once('/')?;
    let periods = match per {
        "s" => 3_600,
        "min" => 60,
        "h" => 1,
        _ => return None,
    };
    calls.parse::<u64>().ok()?.checked_mul(periods)
}
