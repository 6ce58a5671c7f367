//! Names the file of a log's checkpoints, and tells what a crash may leave at its end.

use std::path::{Path, PathBuf};

use super::signed_note::{Checkpoint, ORIGIN};

/// The file of checkpoints in the folder of a log.
const FILE: &str = "checkpoints";
/// The prefix of a checkpoint in a line of stderr.
pub(super) const LINE: &str = "audit checkpoint: ";

/// Returns the file of checkpoints of a log.
pub(super) fn file(folder: &Path) -> PathBuf {
    folder.join(FILE)
}

/// Whether `rest`, the text after the last whole note, is empty or the beginning of a note, as a crash may leave it.
pub(super) fn is_torn(rest: &str) -> bool {
    if !(ORIGIN.starts_with(rest) || rest.starts_with(ORIGIN)) {
        return false;
    }
    match rest.split_once("\n\n") {
        None => !rest.contains('\u{2014}'),
        // The signature may lack its end, and nothing follows it.
        Some((_, signature)) => {
            let whole =
                signature.char_indices().next_back().map(|(last, _)| format!("{}\n", &signature[..last]));
            let note = whole.map(|signature| rest[..rest.len() - signature.len()].to_owned() + &signature);
            !signature.contains('\n') && note.is_none_or(|note| Checkpoint::parse(&note).is_none())
        }
    }
}
