//! Keeps the last signed note of a log beside the signing key.

use std::{
    fs::File,
    io::{self, Seek as _, SeekFrom, Write as _},
    path::PathBuf,
};

use super::{
    keys,
    signing_state::{KeptNote, SLOT_BYTES, SLOTS, slot},
};
use crate::{file_system, message::Message, stderr};

/// The file beside the signing key.
pub(super) struct NoteKeeper {
    path: PathBuf,
    /// `None` until there is a first note.
    file: Option<File>,
    /// The slot for the next note.
    next: usize,
    /// Whether the last note could not be kept.
    is_failing: bool,
}

impl NoteKeeper {
    /// Continues the file that holds `kept`, if there is one.
    pub(super) fn new(path: PathBuf, kept: Option<&KeptNote>) -> Self {
        let next = kept.filter(|kept| kept.path == path).map_or(0, |kept| (kept.slot + 1) % SLOTS);
        Self { path, file: None, next, is_failing: false }
    }

    /// Keeps a note. A note that cannot be kept does not stop the log, since the one before still protects the records up to
    /// it; an operator is told.
    pub(super) fn keep(&mut self, note: &str) {
        match self.try_keep(note) {
            Ok(()) => self.is_failing = false,
            Err(error) => {
                self.file = None;
                if !std::mem::replace(&mut self.is_failing, true) {
                    stderr::line(format_args!("audit: {}", self.unkept(&error)));
                }
            }
        }
    }

    fn unkept(&self, error: &io::Error) -> Message {
        Message::failure(
            &format!("the last checkpoint cannot be kept in `{}`", self.path.display()),
            error,
        )
        .note("if the log is rewritten and its checkpoints are removed while the server is stopped, the next start cannot detect it")
        .or_help("make the folder of the signing key writable for the server, or store checkpoints elsewhere (stderr has them)")
    }

    fn try_keep(&mut self, note: &str) -> io::Result<()> {
        let slot = slot(note).ok_or_else(|| io::Error::other("the name of the key is too long"))?;
        if !self.is_in_place() {
            self.file = None;
            match file_system::overwrite(&self.path) {
                Ok(file) => self.file = Some(file),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    keys::create(&self.path, &slot)?;
                    self.file = Some(file_system::overwrite(&self.path)?);
                    self.next = 1;
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        let Some(file) = &mut self.file else { return Ok(()) };
        file.seek(SeekFrom::Start((self.next * SLOT_BYTES) as u64))?;
        file.write_all(slot.as_bytes())?;
        file.sync_data()?;
        self.next = (self.next + 1) % SLOTS;
        Ok(())
    }

    /// Whether the open file is still at its path.
    fn is_in_place(&self) -> bool {
        let open = self.file.as_ref().and_then(|file| file.metadata().ok());
        let there = std::fs::symlink_metadata(&self.path).ok();
        open.zip(there)
            .is_some_and(|(open, there)| file_system::identity(&open) == file_system::identity(&there))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::audit::{
        chain::Head,
        signed_note::Signer,
        write::{note_keeper::*, signing_state::read},
    };

    fn note(next: u64) -> String {
        let signer = Signer::new("prices".to_owned(), &[7; 32]);
        signer.sign("5f3a", &Head { next, ..Head::START }, "2026-11-21T12:00:00Z")
    }

    #[test]
    fn newest_whole_note_is_read_whichever_slot_a_crash_tears() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        assert!(read(&path).unwrap().is_none());
        let mut keeper = NoteKeeper::new(path.clone(), None);
        let newest = || read(&path).unwrap().map(|kept| kept.checkpoint.head.next);
        for next in 1..6 {
            keeper.keep(&note(next));
            assert_eq!(newest(), Some(next));
        }
        // The next start goes on with the older slot.
        let mut keeper = NoteKeeper::new(path.clone(), read(&path).unwrap().as_ref());
        keeper.keep(&note(6));
        assert_eq!(newest(), Some(6));
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut torn = whole.clone();
            torn[at] ^= 1;
            fs::write(&path, &torn).unwrap();
            assert!([Some(5), Some(6)].contains(&newest()), "byte {at}");
        }
        fs::write(&path, "nothing").unwrap();
        assert!(read(&path).is_err());
        // A file that was removed is written again.
        fs::remove_file(&path).unwrap();
        keeper.keep(&note(7));
        assert_eq!(newest(), Some(7));
    }
}
