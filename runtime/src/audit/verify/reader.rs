//! Reads the lines of a log one after another, and later those that were written since.

use std::{
    collections::VecDeque,
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use crate::{
    audit::{lines::MAX_LOG_LINE_BYTES, segments},
    file_system,
};

/// The number of bytes read at once.
const CHUNK_BYTES: usize = 128 * 1024;

/// Reads a log from its beginning.
pub(crate) struct LogReader {
    path: PathBuf,
    /// The segments that existed at the first look and are not read yet.
    segments: Option<VecDeque<u32>>,
    segment: u32,
    file: Option<File>,
    /// The beginning of a line whose end is not read yet.
    rest: Vec<u8>,
    buffer: Vec<u8>,
}

impl LogReader {
    pub(crate) fn new(folder: &Path) -> Self {
        let (path, buffer) = (folder.to_owned(), vec![0; CHUNK_BYTES]);
        Self { path, segments: None, segment: 0, file: None, rest: Vec::new(), buffer }
    }

    /// Whether the log has a segment that was read.
    pub(crate) fn has_read(&self) -> bool {
        self.segment > 0
    }

    /// Whether the last line has no end yet: it is being written, or a crash left it.
    pub(crate) fn is_within_a_line(&self) -> bool {
        !self.rest.is_empty()
    }

    /// Calls `each` for every line that exists and was not read before.
    pub(crate) fn read(&mut self, mut each: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        while self.read_some(&mut each)? {}
        Ok(())
    }

    /// Calls `each` for some of these lines. Returns `false` if there are no more of them.
    pub(crate) fn read_some(&mut self, each: &mut impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<bool> {
        if self.file.is_none() && !self.open()? {
            return Ok(false);
        }
        if self.read_chunk(each)? {
            return Ok(true);
        }
        if !self.has_more()? {
            return Ok(false);
        }
        self.file = None;
        Ok(true)
    }

    /// Opens the next segment, if there is one.
    fn open(&mut self) -> io::Result<bool> {
        if self.segments.is_none() {
            self.segments = Some(segments::segments(&self.path)?.into());
        }
        let listed = self.segments.get_or_insert_default();
        // Retention may have removed segments since they were listed.
        let mut next = listed.pop_front();
        while let Some(number) = next
            && fs::symlink_metadata(segments::segment(&self.path, number))
                .is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
        {
            next = listed.pop_front();
        }
        let number = next.unwrap_or(self.segment + 1);
        let path = segments::segment(&self.path, number);
        // Another kind of file is for `verify` to report.
        if !fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_file()) {
            return Ok(false);
        }
        self.file = Some(file_system::open(&path)?);
        self.segment = number;
        self.rest.clear();
        Ok(true)
    }

    fn has_more(&self) -> io::Result<bool> {
        let listed = self.segments.as_ref().is_some_and(|segments| !segments.is_empty());
        Ok(listed || segments::segment(&self.path, self.segment + 1).try_exists()?)
    }

    /// Reads the next bytes of the segment. Returns `false` at its end.
    fn read_chunk(&mut self, each: &mut impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<bool> {
        let Some(file) = &mut self.file else { return Ok(false) };
        let read = file.read(&mut self.buffer)?;
        if read == 0 {
            return Ok(false);
        }
        self.rest.extend_from_slice(&self.buffer[..read]);
        let mut start = 0;
        while let Some(at) = memchr::memchr(b'\n', &self.rest[start..]) {
            each(&self.rest[start..start + at])?;
            start += at + 1;
        }
        self.rest.drain(..start);
        if self.rest.len() > MAX_LOG_LINE_BYTES {
            // Too long for a record; the rest of the line is not one either.
            each(b"")?;
            self.rest.clear();
        }
        Ok(true)
    }
}
