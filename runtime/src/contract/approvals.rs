//! Reads and writes the approvals beside a lock: changes that a person accepted, each by its fingerprint, until the next
//! release.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{change::Change, diff::ContractDiff};
use crate::message::Message;

/// The version of the file's format that this version writes, and the newest that it reads.
const APPROVALS_FORMAT: u64 = 1;

/// The file beside a lock.
pub(crate) struct Approvals {
    path: PathBuf,
    list: Vec<Approval>,
}

/// One accepted change.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Approval {
    fingerprint: String,
    /// The release that the change was compared with. After the next one, the approval has expired.
    base_version: String,
    /// The tool and the place, for readers.
    subject: String,
    /// The rule, for readers.
    rule: String,
    reason: String,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct ApprovalsFile {
    approvals_format: u64,
    approvals: Vec<Approval>,
}

impl Approvals {
    /// Reads the approvals beside a lock; an empty list if the file does not exist.
    pub(crate) fn beside(lock: &Path) -> Result<Self, Message> {
        let path = path_beside(lock);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Self { path, list: Vec::new() });
            }
            Err(error) => {
                let fact = format!("the approvals in {} cannot be read", path.display());
                return Err(Message::failure(&fact, &error));
            }
        };
        let malformed = |why: String| {
            Message::new(format!("the approvals in {} cannot be read: {why}", path.display()))
                .help("correct the file, or delete it and approve the changes again with `diff --approve`")
        };
        let file: ApprovalsFile =
            serde_json::from_str(&text).map_err(|error| malformed(error.to_string()))?;
        if file.approvals_format != APPROVALS_FORMAT {
            return Err(malformed(format!(
                "its format is {}, not {APPROVALS_FORMAT}",
                file.approvals_format
            )));
        }
        Ok(Self { path, list: file.approvals })
    }

    /// Whether a change since the release `base_version` was accepted.
    pub(crate) fn covers(&self, change: &Change, base_version: &str) -> bool {
        self.list.iter().any(|approval| {
            approval.fingerprint == change.fingerprint && approval.base_version == base_version
        })
    }

    /// The number of approvals that an earlier release ended.
    pub(crate) fn expired(&self, base_version: &str) -> usize {
        self.list.iter().filter(|approval| approval.base_version != base_version).count()
    }

    /// Accepts the changes of a comparison with these fingerprints, drops the expired approvals, and writes the file.
    pub(crate) fn add(
        &mut self,
        fingerprints: &[String],
        reason: &str,
        comparison: &ContractDiff,
    ) -> Result<(), Message> {
        let base_version = &comparison.versions[0];
        self.list.retain(|approval| approval.base_version == *base_version);
        for fingerprint in fingerprints {
            let Some(change) = comparison.changes.iter().find(|change| change.fingerprint == *fingerprint)
            else {
                let shown = crate::text::shown(fingerprint);
                return Err(Message::new(format!("no change has the fingerprint `{shown}`"))
                    .help("run `diff` without `--approve`: it prints the fingerprint of each change"));
            };
            self.list.retain(|approval| approval.fingerprint != *fingerprint);
            self.list.push(Approval {
                fingerprint: fingerprint.clone(),
                base_version: base_version.clone(),
                subject: change.subject(),
                rule: change.rule.id.to_owned(),
                reason: reason.to_owned(),
            });
        }
        self.list.sort_by(|a, b| {
            (&a.subject, &a.rule, &a.fingerprint).cmp(&(&b.subject, &b.rule, &b.fingerprint))
        });
        let file = ApprovalsFile { approvals_format: APPROVALS_FORMAT, approvals: self.list.clone() };
        let mut text = serde_json::to_string_pretty(&file).expect("texts and numbers are JSON");
        text.push('\n');
        fs::write(&self.path, text).map_err(|error| {
            Message::failure(&format!("the approvals cannot be written to {}", self.path.display()), &error)
        })
    }
}

/// `tools.lock.json` has its approvals in `tools.lock.approvals.json`.
fn path_beside(lock: &Path) -> PathBuf {
    lock.with_extension("approvals.json")
}
