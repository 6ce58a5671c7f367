//! Names the file of a log's checkpoints, and tells what a crash may leave at its end.

use std::path::{Path, PathBuf};

use super::signed_note::Checkpoint;

/// The file of checkpoints in the folder of a log.
const FILE: &str = "checkpoints";
/// What stands before a checkpoint in a line of stderr.
pub(super) const LINE: &str = "audit checkpoint: ";
/// The file of checkpoints of a log.
pub(super) fn file(folder: &Path) -> PathBuf {
    folder.join(FILE)
}

/// Whether `rest`, behind the last whole note, is what a crash can have left: the beginning of a note, or nothing.
pub(super) fn is_torn(rest: &str) -> bool {
    match rest.split_once("\n\n") {
        None => !rest.contains('\u{2014}'),
        // The signature may have lost its end, and has nothing behind it.
        Some((_, signature)) => {
            let whole =
                signature.char_indices().next_back().map(|(last, _)| format!("{}\n", &signature[..last]));
            let note = whole.map(|signature| rest[..rest.len() - signature.len()].to_owned() + &signature);
            !signature.contains('\n') && note.is_none_or(|note| Checkpoint::parse(&note).is_none())
        }
    }
}
