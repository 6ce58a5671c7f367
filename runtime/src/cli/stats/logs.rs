//! Counts the calls in audit logs, and goes on where it stopped when they have grown.

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::{
    audit::verify::LogReader,
    cli::audit::{no_log, plain},
    message::Message,
    stats::{CallWindow, UsageReport, UsageTally},
};

/// The logs that are read, and their calls so far.
pub(super) struct Logs {
    readers: Vec<(PathBuf, LogReader)>,
    tally: UsageTally,
}

impl Logs {
    pub(super) fn new(folders: Vec<PathBuf>, window: CallWindow) -> Self {
        let readers = folders.into_iter().map(|folder| (folder.clone(), LogReader::new(&folder))).collect();
        Self { readers, tally: UsageTally::new(window) }
    }

    /// Reads the lines that were written since the last time, and sums up all.
    pub(super) fn report(&mut self) -> Result<UsageReport, Message> {
        for (log, (folder, reader)) in self.readers.iter_mut().enumerate() {
            let read = reader.read(|line| {
                self.tally.line(log, line);
                Ok(())
            });
            read.map_err(|error| cannot_read(folder, &error))?;
        }
        Ok(UsageReport::of(&self.tally))
    }

    /// Checks that at least one of the folders has a log.
    pub(super) fn check(&self) -> Result<(), Message> {
        match &self.readers[..] {
            [(folder, _), ..] if !self.readers.iter().any(|(_, reader)| reader.has_read()) => {
                Err(no_log(folder))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn is_within_a_line(&self) -> bool {
        self.readers.iter().any(|(_, reader)| reader.is_within_a_line())
    }
}

fn cannot_read(folder: &Path, error: &io::Error) -> Message {
    Message::failure(&format!("the log in `{}` cannot be read", plain(&folder.display().to_string())), error)
}
