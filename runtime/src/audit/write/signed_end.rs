//! Checks that a log reaches everything that was signed before, and counts its records that nothing signed.

use std::path::Path;

use super::{
    recover::{LogEnd, changed},
    signing_state::KeptNote,
};
use crate::{
    audit::{
        chain::Head,
        signed_note::{Checkpoint, Signer},
    },
    message::Message,
};

/// The signatures of a log from before this start.
pub(super) struct Signed<'a> {
    /// The last note in the log's folder.
    pub(super) last: Option<&'a Checkpoint>,
    /// The last note beside the signing key.
    pub(super) kept: Option<&'a KeptNote>,
}

impl Signed<'_> {
    /// Returns the number of records that are signed, as far as `signer` can tell.
    ///
    /// # Errors
    ///
    /// The log does not reach a note, or reaches it with other records.
    pub(super) fn check(
        &self,
        folder: &Path,
        end: Option<&LogEnd>,
        signer: Option<&Signer>,
    ) -> Result<u64, Message> {
        let kept = match self.kept {
            Some(kept) => self.check_kept(folder, end, kept, signer)?,
            None => 0,
        };
        let last = match self.last {
            Some(last) => check_last(folder, end, last, signer)?,
            None => 0,
        };
        Ok(kept.max(last))
    }

    fn check_kept(
        &self,
        folder: &Path,
        end: Option<&LogEnd>,
        kept: &KeptNote,
        signer: Option<&Signer>,
    ) -> Result<u64, Message> {
        let signed = kept.checkpoint.head.next;
        let unreached = |why: &str| {
            let shown = folder.display();
            Message::new(format!("the audit log in `{shown}` is not the one that was signed: {why}"))
                .note(format!(
                    "{signed} records were signed, and their last checkpoint is kept in `{}`",
                    kept.path.display()
                ))
                .help(format!(
                    "keep the folder as evidence (`audit verify` says more), and record in another folder (`--audit DIR`); or {}",
                    kept.acceptance()
                ))
        };
        let Some(end) = end else { return Err(unreached("its records are missing")) };
        if kept.checkpoint.log != end.log {
            return Err(unreached("it is another log"));
        }
        if let Some(wrong) = disagreement(folder, end, &kept.checkpoint, signer)? {
            return Err(unreached(&wrong));
        }
        match self.last {
            None => Err(unreached("its checkpoints are missing")),
            Some(last) if last.head.next < signed => {
                Err(unreached(&format!("its checkpoints end after {} records", last.head.next)))
            }
            Some(_) => Ok(signed),
        }
    }
}

/// Checks the last note in the log's folder.
fn check_last(
    folder: &Path,
    end: Option<&LogEnd>,
    last: &Checkpoint,
    signer: Option<&Signer>,
) -> Result<u64, Message> {
    let Some(end) = end else { return Err(changed(folder, "there are checkpoints, but no records")) };
    if let Some(wrong) = disagreement(folder, end, last, signer)? {
        return Err(changed(folder, &wrong));
    }
    if last.log != end.log {
        return Err(changed(folder, "its checkpoints are of another log"));
    }
    match signer.and_then(|signer| signer.made(&last.signature, &last.text)) {
        Some(true) => Ok(last.head.next),
        Some(false) => Err(changed(folder, "its last checkpoint has a signature that the key did not make")),
        // Another key made the signature, or none that is known.
        None => Ok(0),
    }
}

/// Says where the records of a log differ from those that a note covers.
fn disagreement(
    folder: &Path,
    end: &LogEnd,
    note: &Checkpoint,
    signer: Option<&Signer>,
) -> Result<Option<String>, Message> {
    let (signed, records) = (note.head.next, end.head.next);
    if signed > records {
        return Ok(Some(format!("{signed} records were signed, and {records} exist")));
    }
    let removed = end.removed.as_ref().filter(|removed| removed.is_trusted(signer));
    let removed = removed.map_or(Head::START, |removed| removed.removal.head);
    if signed < removed.next {
        // The note is of records that were removed, so that nothing can be compared.
        return Ok(None);
    }
    let digest = match signed.checked_sub(1) {
        Some(_) if signed == removed.next => Some(removed.hash),
        Some(seq) => end.digest(folder, seq)?,
        None => None,
    };
    Ok((digest != Some(note.head.hash)).then(|| format!("other records were signed than its first {signed}")))
}
