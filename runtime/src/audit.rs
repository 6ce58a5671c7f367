//! Calls → a log that can be believed: what cannot be recorded does not run, and what was changed shows.

mod chain;
mod disk;
mod folder;
mod key;
mod lines;
mod open;
mod recover;
mod redact;
mod scan;
mod system;
mod text;
mod writer;

use std::{
    collections::HashSet,
    path::PathBuf,
    sync::{Arc, Mutex, mpsc},
};

pub(crate) use chain::{hex_text, sha256};
pub use disk::Disk;
pub(crate) use open::{Kind, Open};
pub(crate) use text::Body;

use chain::Head;
use disk::Trouble;
use folder::{Folder, Taken};
use open::Shared;
use writer::Writer;

/// The size of a segment, in bytes.
const SEGMENT: u64 = 16 * 1024 * 1024;

/// Where calls are recorded.
///
/// ```
/// use candor::AuditLog;
///
/// let log = AuditLog::at("/var/lib/prices/audit");
/// ```
#[derive(Clone, Debug)]
pub struct AuditLog {
    folder: PathBuf,
    segment_bytes: u64,
    disk: Disk,
}

impl AuditLog {
    /// A log in this folder, which is made where it is missing. Beside it, in `FOLDER.redaction-key`, stands the key
    /// under which text is digested.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), segment_bytes: SEGMENT, disk: Disk::default() }
    }

    /// The size from which on a new segment begins; 16 MiB by default.
    pub fn segment_bytes(mut self, bytes: u64) -> Self {
        self.segment_bytes = bytes;
        self
    }

    /// The disk under the log; for tests.
    pub fn disk(mut self, disk: Disk) -> Self {
        self.disk = disk;
        self
    }

    /// Takes the folder, recovers what a crash left, and starts to write. `start` is the record of the start.
    pub(crate) fn open(&self, start: Body) -> Result<Open, String> {
        let folder = Folder::take(&self.folder).map_err(|taken| match taken {
            Taken::Busy(why) => format!("{why}\nhelp: name another folder: `--audit DIR`"),
            Taken::Unfit(why) => why,
        })?;
        let key = key::beside(&self.folder, ".redaction-key");
        let found = recover::recover(&self.folder)?;
        let redaction = match &found {
            Some(found) if !found.log.is_empty() => key::redaction(&key)?,
            _ => key::make_redaction(&key)?,
        };
        let known = found.as_ref().filter(|found| !found.log.is_empty());
        if let Some(found) = known.filter(|found| found.redaction != redaction.id()) {
            return Err(format!(
                "`{}` is another key than the log was begun with ({})",
                key.display(),
                found.redaction
            ));
        }
        let failed = |trouble: Trouble| format!("the audit log cannot be written: {}", writer::why(trouble));
        let tail = match &found {
            None => writer::first(&self.folder, &self.disk),
            Some(found) => writer::resumed(&self.folder, found, &self.disk),
        };
        let mut writer = Writer {
            folder,
            tail: tail.map_err(failed)?,
            head: found.as_ref().map_or(Head::START, |found| found.head),
            segment: found.as_ref().map_or(1, |found| found.segment),
            log: known.map_or_else(recover::new_id, |found| found.log.clone()),
            redaction: redaction.id().to_owned(),
            segment_bytes: self.segment_bytes,
            disk: self.disk.clone(),
            at_work: HashSet::new(),
            failed: false,
        };
        let mut records = Vec::new();
        if known.is_none() {
            records.push(writer.opening());
        }
        if let Some(found) = found.filter(|found| !found.torn.is_empty()) {
            let mut body = Body::of("server");
            body.text("event", "recovered").number("set_aside", found.torn.len() as u64);
            body.text("digest", &hex_text(&sha256(&found.torn)));
            records.push(open::Entry::alone(body));
        }
        records.push(open::Entry::alone(start));
        writer.write(&records).map_err(failed)?;
        start_writer(writer, redaction)
    }
}

fn start_writer(writer: Writer, redaction: redact::Redaction) -> Result<Open, String> {
    let shared = Arc::<Shared>::default();
    let (hold, ended) = mpsc::channel();
    let for_writer = Arc::clone(&shared);
    std::thread::Builder::new()
        .name("audit".to_owned())
        .spawn(move || {
            let _hold = hold;
            writer.run(&for_writer);
        })
        .map_err(|error| format!("no thread to write the audit log with: {error}"))?;
    Ok(Open { shared, redaction, ended: Mutex::new(ended) })
}
