//! A folder → the lines of the log in it, one after another, and later what has come since.

use std::{
    collections::VecDeque,
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use crate::audit::{blocks::MAX_LINE_BYTES, segments};

/// How much is read at once.
const READ_BYTES: usize = 128 * 1024;

/// Reads a log from its beginning.
pub(crate) struct Reader {
    path: PathBuf,
    /// The segments that were there, but for the one that is read.
    waiting: Option<VecDeque<u32>>,
    segment: u32,
    file: Option<File>,
    /// The beginning of a line whose end was not read yet.
    rest: Vec<u8>,
}

impl Reader {
    pub(crate) fn new(folder: &Path) -> Self {
        Self { path: folder.to_owned(), waiting: None, segment: 0, file: None, rest: Vec::new() }
    }

    /// Hands every line over that is there by now and was not read before.
    pub(crate) fn read(&mut self, mut each: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        loop {
            if self.file.is_none() && !self.open()? {
                return Ok(());
            }
            self.lines(&mut each)?;
            if !self.has_more()? {
                return Ok(());
            }
            self.file = None;
        }
    }

    /// Opens the next segment, where there is one.
    fn open(&mut self) -> io::Result<bool> {
        if self.waiting.is_none() {
            self.waiting = Some(segments::segments(&self.path)?.into());
        }
        let waiting = self.waiting.as_mut().and_then(VecDeque::pop_front);
        let number = waiting.unwrap_or(self.segment + 1);
        let path = segments::segment(&self.path, number);
        // A pipe would be waited for.
        if !fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_file()) {
            return Ok(false);
        }
        self.file = Some(File::open(path)?);
        self.segment = number;
        self.rest.clear();
        Ok(true)
    }

    fn has_more(&self) -> io::Result<bool> {
        let waits = self.waiting.as_ref().is_some_and(|waiting| !waiting.is_empty());
        Ok(waits || segments::segment(&self.path, self.segment + 1).try_exists()?)
    }

    fn lines(&mut self, each: &mut impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let mut piece = vec![0; READ_BYTES];
        loop {
            let read = file.read(&mut piece)?;
            if read == 0 {
                return Ok(());
            }
            self.rest.extend_from_slice(&piece[..read]);
            let mut start = 0;
            while let Some(at) = memchr::memchr(b'\n', &self.rest[start..]) {
                each(&self.rest[start..start + at])?;
                start += at + 1;
            }
            self.rest.drain(..start);
            if self.rest.len() > MAX_LINE_BYTES {
                // No record is so long; what follows is its end, and no record either.
                each(b"")?;
                self.rest.clear();
            }
        }
    }
}
