//! Checks that a committed lock is the contract that a server generates.

use std::{fs, io, path::Path};

use serde_json::Value;

use super::{
    change::Change,
    diff::{ContractDiff, compare},
    lock::Lock,
};
use crate::message::Message;

/// The reason why a committed lock is not the contract.
pub(crate) enum LockCheck {
    /// It is another contract. The message lists the changes.
    Outdated(Message),
    /// It cannot be read, is not a lock, or is of another server.
    Unusable(Message),
}

impl LockCheck {
    pub(crate) fn message(&self) -> &Message {
        match self {
            Self::Outdated(message) | Self::Unusable(message) => message,
        }
    }
}

/// Compares the lock in `path` with a generated one.
pub(crate) fn check_locked(generated: &str, path: &Path) -> Result<(), LockCheck> {
    let place = path.display();
    let write = format!("read the changes, then run `lock --write --file {place}` and commit it");
    let committed = fs::read_to_string(path).map_err(|error| {
        let message = Message::new(format!("the lock {place} cannot be read: {error}"));
        LockCheck::Unusable(match error.kind() {
            io::ErrorKind::NotFound => {
                message.help(format!("write it with `lock --write --file {place}`, and commit it"))
            }
            _ => message,
        })
    })?;
    let json = |text: &str| serde_json::from_str::<Value>(text).ok();
    if json(&committed).is_some_and(|committed| json(generated) == Some(committed)) {
        return Ok(());
    }
    let read = |text: &str, place: &dyn std::fmt::Display| {
        Lock::read(text).map_err(|fault| LockCheck::Unusable(fault.message(&place)))
    };
    let (base, head) = (read(&committed, &place)?, read(generated, &"the generated lock")?);
    if base.name != head.name {
        let fact = format!("{place} is the lock of `{}`, and this server is `{}`", base.name, head.name);
        return Err(LockCheck::Unusable(
            Message::new(fact).help("name the lock of this server with `--file`"),
        ));
    }
    let outdated = Message::new(format!("{place} is not the contract of this server")).help(write);
    Err(LockCheck::Outdated(notes(&base, &head).into_iter().fold(outdated, Message::note)))
}

/// One line for each difference.
fn notes(base: &Lock, head: &Lock) -> Vec<String> {
    let ContractDiff { changes, versions: [before, after], .. } = compare(base, head);
    let mut notes: Vec<String> = changes.iter().map(line).collect();
    if before != after {
        notes.push(format!("it is of version {before}, and this is version {after}"));
    }
    if notes.is_empty() {
        notes.push("the same contract is written in another form".to_owned());
    }
    notes
}

fn line(change: &Change) -> String {
    format!("{} {} {}: {change}", change.class().word(), change.rule.id, change.subject())
}
