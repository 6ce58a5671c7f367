//! Appends frames to the journals of a store: one file after another, in the store's folder.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use super::journal::{JournalId, JournalRows};
use crate::file_system::{FileIdentity, identity, private, sync_folder};

/// The name of a journal without its number.
const NAME_PREFIX: &str = "keys.journal-";

/// Returns the path of the journal of this number.
pub(super) fn path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{NAME_PREFIX}{number}"))
}

/// Returns the numbers of the journals in a folder, in their order.
pub(super) fn numbers(folder: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        numbers.extend(name.to_str().and_then(|name| name.strip_prefix(NAME_PREFIX)?.parse::<u64>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// The journal that is written. Its file is created for the first frame.
pub(super) struct Journal {
    folder: PathBuf,
    id: JournalId,
    file: Option<OpenFile>,
    /// The frames that are on the disk.
    frames: u64,
    /// The bytes of the file up to the end of these frames.
    bytes: u64,
    /// The time of the last frame of this journal or of one before.
    last_time: u64,
    /// Whether the file may hold more than these frames, after an append that failed.
    is_torn: bool,
    /// The bytes of one append, for the next one.
    buffer: Vec<u8>,
}

struct OpenFile {
    file: File,
    identity: FileIdentity,
}

impl Journal {
    /// Creates a journal without frames. `last_time` is that of the journals before.
    pub(super) fn new(folder: &Path, id: JournalId, last_time: u64) -> Self {
        Self {
            folder: folder.to_owned(),
            id,
            file: None,
            frames: 0,
            bytes: 0,
            last_time,
            is_torn: false,
            buffer: Vec::new(),
        }
    }

    /// The number of the last journal that has a frame; 0 if none has.
    pub(super) fn last_number(&self) -> u64 {
        if self.frames == 0 { self.id.number - 1 } else { self.id.number }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn last_time(&self) -> u64 {
        self.last_time
    }

    fn path(&self) -> PathBuf {
        path(&self.folder, self.id.number)
    }

    /// Whether the file is still at its path, if it was created.
    pub(super) fn is_in_place(&self) -> bool {
        self.file.as_ref().is_none_or(|open| {
            fs::symlink_metadata(self.path()).is_ok_and(|metadata| identity(&metadata) == open.identity)
        })
    }

    /// Writes a frame, and waits until it is on the disk. If that fails, the next append cuts away what was written.
    pub(super) fn append(&mut self, time: u64, rows: &JournalRows) -> io::Result<()> {
        self.repair()?;
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        if self.frames == 0 {
            buffer.extend_from_slice(&self.id.header());
        }
        self.id.write_frame(self.frames, time, rows, &mut buffer);
        let written = self.write(&buffer);
        let bytes = buffer.len() as u64;
        self.buffer = buffer;
        written?;
        self.is_torn = false;
        (self.frames, self.bytes, self.last_time) = (self.frames + 1, self.bytes + bytes, time);
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let open = match &mut self.file {
            Some(open) => open,
            None => {
                let file =
                    private().append(true).create_new(true).open(path(&self.folder, self.id.number))?;
                let identity = identity(&file.metadata()?);
                self.file.insert(OpenFile { file, identity })
            }
        };
        self.is_torn = true;
        open.file.write_all(bytes)?;
        open.file.sync_data()?;
        if self.frames == 0 {
            sync_folder(&self.folder)?;
        }
        Ok(())
    }

    /// Cuts away what an append that failed has written.
    pub(super) fn repair(&mut self) -> io::Result<()> {
        if let (Some(open), true) = (&self.file, self.is_torn) {
            open.file.set_len(self.bytes)?;
            open.file.sync_data()?;
            self.is_torn = false;
        }
        Ok(())
    }

    /// Checks that the disk takes `bytes` more bytes.
    pub(super) fn probe(&mut self, bytes: usize) -> io::Result<()> {
        if let Some(open) = &mut self.file {
            self.is_torn = true;
            open.file.write_all(&vec![0; bytes])?;
            open.file.sync_data()?;
        }
        self.repair()
    }

    /// Begins the next journal, unless this one has no frame. The one before is complete.
    pub(super) fn begin_next(&mut self) -> io::Result<()> {
        self.repair()?;
        if self.frames > 0 {
            let id = JournalId { number: self.id.number + 1, ..self.id };
            *self = Self::new(&self.folder, id, self.last_time);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::store::redb::journal_file::*;

    const ID: JournalId = JournalId { store: 1, number: 9 };

    #[test]
    fn next_append_cuts_away_what_a_failed_one_wrote() {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = Journal::new(folder.path(), ID, 4);
        assert!(numbers(folder.path()).unwrap().is_empty(), "no file without a frame");
        journal.append(5, &JournalRows::new()).unwrap();
        let read = || ID.read(&fs::read(path(folder.path(), 9)).unwrap()).unwrap();
        let open = journal.file.as_mut().unwrap();
        open.file.write_all(b"half a frame").unwrap();
        journal.is_torn = true;
        assert!(read().is_torn);
        journal.append(6, &JournalRows::new()).unwrap();
        assert_eq!((read().last_time, read().is_torn), (6, false));
        journal.probe(1000).unwrap();
        assert!(!read().is_torn && journal.is_in_place());
        journal.begin_next().unwrap();
        // A journal without frames has no file, and the next one has its number.
        journal.begin_next().unwrap();
        assert_eq!((journal.last_number(), journal.last_time()), (9, 6));
        journal.append(7, &JournalRows::new()).unwrap();
        assert_eq!(numbers(folder.path()).unwrap(), [9, 10]);
        fs::remove_file(path(folder.path(), 10)).unwrap();
        assert!(!journal.is_in_place());
    }
}
