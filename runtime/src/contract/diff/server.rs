//! Compares the parts of a contract that belong to no tool.

use std::collections::BTreeSet;

use serde_json::Value;

use super::access::set;
use crate::{
    contract::{
        change::{Change, Changes, rule},
        lock::Lock,
    },
    ordered::CollectOrdered as _,
};

/// The members of a lock that a rule compares.
const COMPARED_SETTINGS: [&str; 6] =
    ["title", "instructions", "protocol_revisions", "visibility", "basic_scopes", "scope_implies"];

pub(super) fn compare(base: &Lock, head: &Lock, all: &mut Vec<Change>) {
    let mut changes = Changes::of(None);
    let changed = |setting: &str| {
        let of = |lock: &Lock| match lock.settings.get(setting) {
            Some(value) => Some(value.clone()),
            None if lock.is_listed => None,
            None => Some(Value::Null),
        };
        of(base).zip(of(head)).filter(|(before, after)| before != after)
    };
    for (setting, rule) in [
        ("title", &rule::SERVER_TITLE_CHANGED),
        ("instructions", &rule::INSTRUCTIONS_CHANGED),
        ("visibility", &rule::VISIBILITY_CHANGED),
        ("basic_scopes", &rule::BASIC_SCOPES_CHANGED),
    ] {
        if let Some((before, after)) = changed(setting) {
            changes.add(rule, setting, &before, &after);
        }
    }
    if let Some((before, after)) = changed("protocol_revisions") {
        for revision in set(&after).difference(&set(&before)) {
            changes.add(&rule::REVISION_ADDED, "protocol_revisions", &Value::Null, &(*revision).into());
        }
        for revision in set(&before).difference(&set(&after)) {
            changes.add(&rule::REVISION_REMOVED, "protocol_revisions", &(*revision).into(), &Value::Null);
        }
    }
    if let Some((before, after)) = changed("scope_implies") {
        for pair in implications(&after).difference(&implications(&before)) {
            changes.add(&rule::SCOPE_IMPLICATION_ADDED, "scope_implies", &Value::Null, &pair.as_str().into());
        }
        for pair in implications(&before).difference(&implications(&after)) {
            changes.add(
                &rule::SCOPE_IMPLICATION_REMOVED,
                "scope_implies",
                &pair.as_str().into(),
                &Value::Null,
            );
        }
    }
    let added = head.settings.keys().filter(|key| !base.settings.contains_key(*key));
    for setting in base.settings.keys().chain(added).filter(|key| !COMPARED_SETTINGS.contains(&key.as_str()))
    {
        if let Some((before, after)) = changed(setting) {
            changes.add(&rule::UNKNOWN_CHANGED, setting, &before, &after);
        }
    }
    all.append(&mut changes.list);
}

/// Each pair of a broader and a narrower scope.
fn implications(settings: &Value) -> BTreeSet<String> {
    let pairs = settings.as_object().into_iter().flatten().flat_map(|(broader, narrower)| {
        let narrower = narrower.as_array().into_iter().flatten().filter_map(Value::as_str);
        narrower.map(move |narrower| format!("{broader} includes {narrower}"))
    });
    pairs.collect_ordered()
}
