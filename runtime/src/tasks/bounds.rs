//! Limits the number of tasks and the bytes of their results, per caller and in total.

use std::{collections::HashMap, time::Duration};

use super::{End, Stage, TaskEntry};
use crate::tool::caller::{Caller, Identity};

/// The tasks of one caller, including ended ones that are still kept.
pub(super) const MAX_TASKS_PER_CALLER: usize = 64;
/// The tasks of all callers.
pub(super) const MAX_TASKS: usize = 512;
/// The bytes of the results of one caller.
pub(crate) const MAX_KEPT_RESULT_BYTES_PER_CALLER: usize = 32 << 20;
/// The bytes of all results.
pub(crate) const MAX_KEPT_RESULT_BYTES: usize = 256 << 20;

/// The limit of tasks that is reached, with the time until one of its tasks is forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TaskLimit {
    pub(crate) of: TasksOf,
    pub(crate) max: usize,
    pub(crate) wait: Duration,
}

/// The tasks that a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TasksOf {
    Caller,
    Server,
}

/// Checks that the caller and the server may have one more task.
pub(super) fn check_number(
    tasks: &HashMap<String, TaskEntry>,
    caller: &Caller,
    now: Duration,
) -> Result<(), TaskLimit> {
    let own = || tasks.values().filter(|entry| entry.owner() == caller.identity());
    // A task that has not ended at its expiry may end at any time.
    let wait = |earliest: Option<Duration>| {
        earliest.unwrap_or_default().saturating_sub(now).max(Duration::from_secs(1))
    };
    if own().count() >= MAX_TASKS_PER_CALLER {
        let wait = wait(own().map(TaskEntry::expiry).min());
        return Err(TaskLimit { of: TasksOf::Caller, max: MAX_TASKS_PER_CALLER, wait });
    }
    if tasks.len() >= MAX_TASKS {
        let wait = wait(tasks.values().map(TaskEntry::expiry).min());
        return Err(TaskLimit { of: TasksOf::Server, max: MAX_TASKS, wait });
    }
    Ok(())
}

/// Drops results until those that are left fit the limits: first of the owner of the new result `latest`, then of the
/// caller whose results hold the most bytes. Results that were fetched go first, then the oldest.
pub(super) fn drop_results(tasks: &mut HashMap<String, TaskEntry>, latest: &str) {
    loop {
        let mut bytes: HashMap<Identity<'_>, usize> = HashMap::new();
        for entry in tasks.values() {
            *bytes.entry(entry.owner()).or_default() += entry.result_bytes();
        }
        let owner = tasks[latest].owner();
        let largest = bytes.iter().max_by_key(|(_, bytes)| **bytes).map(|(owner, _)| *owner);
        let from = if bytes[&owner] > MAX_KEPT_RESULT_BYTES_PER_CALLER {
            owner
        } else if bytes.values().sum::<usize>() > MAX_KEPT_RESULT_BYTES {
            largest.unwrap_or(owner)
        } else {
            return;
        };
        let held = tasks.iter().filter(|(_, entry)| entry.owner() == from && entry.result_bytes() > 0);
        let first = held.min_by_key(|(id, entry)| {
            let is_fetched = matches!(entry.stage, Stage::Ended { is_fetched: true, .. });
            (!is_fetched, *id == latest, entry.changed)
        });
        let Some(id) = first.map(|(id, _)| id.clone()) else { return };
        if let Some(Stage::Ended { end, .. }) = tasks.get_mut(&id).map(|entry| &mut entry.stage) {
            *end = End::Dropped;
        }
    }
}
