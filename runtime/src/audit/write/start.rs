//! Starts the writer of a log: takes its folder, reads its keys, and recovers from a crash.

use std::{
    path::Path,
    sync::{Arc, Mutex, mpsc},
};

use super::{
    checkpoints::{self, Checkpoints},
    disk::WriteError,
    folder::{Folder, FolderError},
    keys,
    log_file::LogFile,
    note_keeper::NoteKeeper,
    options::{LogOptions, RetentionOptions},
    queue::{AuditHandle, LogLocation, WriterQueue},
    record::RecordWriter,
    recover::{self, LogEnd},
    redact::Redaction,
    retention,
    retention_job::RetentionJob,
    signed_end::Signed,
    signing_state::{self, KeptNote},
    writer::LogWriter,
};
use crate::{
    audit::{checkpoint_file, signed_note::Signer},
    message::Message,
    stderr,
};

/// The reason why a log is not opened.
#[derive(Clone, Debug)]
pub(crate) enum OpenError {
    /// Nothing can be recorded in this folder.
    Unfit(Message),
    /// The log is not the one that was written, or cannot be compared with it.
    Changed(Message),
}

impl From<Message> for OpenError {
    fn from(message: Message) -> Self {
        Self::Unfit(message)
    }
}

impl OpenError {
    pub(crate) fn into_message(self) -> Message {
        match self {
            Self::Unfit(message) | Self::Changed(message) => message,
        }
    }
}

/// Takes the folder, recovers from a crash, and starts the writer's thread. `record` is the record of the start.
pub(crate) fn start(options: &LogOptions, mut record: RecordWriter) -> Result<AuditHandle, OpenError> {
    let folder = take(options)?;
    let path = folder.path.clone();
    if let Some(warning) = folder.readable_by() {
        stderr::line(format_args!("audit: {warning}"));
    }
    let signer = signer(options, &path)?;
    let last = checkpoints::last(&path).map_err(OpenError::Changed)?;
    let end = recover::recover(&path).map_err(OpenError::Changed)?;
    let kept = signer.as_ref().map(|_| kept(options, &path, end.as_ref())).transpose();
    let kept = kept.map_err(OpenError::Changed)?.flatten();
    let signed = Signed { last: last.as_ref().map(|last| &last.checkpoint), kept: kept.as_ref() };
    let signed = signed.check(&path, end.as_ref(), signer.as_ref()).map_err(OpenError::Changed)?;
    let redaction = redaction(options, end.as_ref())?;
    let retention = retention(options, &path, end.as_ref(), signer.as_ref())?;
    let checkpoints = signer.map(|signer| {
        let keeper = NoteKeeper::new(signing_state::file(&options.signing_key(), &path), kept.as_ref());
        Checkpoints::open(&path, signer, keeper, last.as_ref(), options)
    });
    let checkpoints = checkpoints.transpose().map_err(unwritten)?;
    match &checkpoints {
        Some(checkpoints) => {
            record.text("signed_by", &checkpoints.verifier_key());
            if let Some(end) = end.as_ref().filter(|end| end.head.next > 0) {
                let unsigned = end.head.next - signed;
                record.object("before", |before| {
                    before.number("signed", signed).number("unsigned", unsigned);
                });
            }
        }
        None => _ = record.flag("signed", false),
    }
    let location = LogLocation { folder: path, signed: checkpoints.is_some() };
    let file = LogFile::open(folder, redaction.id().to_owned(), options, end.as_ref()).map_err(unwritten)?;
    let mut writer = LogWriter::begin(file, checkpoints, end.as_ref(), record).map_err(unwritten)?;
    let queue = Arc::<WriterQueue>::default();
    if location.signed && signed == 0 {
        // A log that is verified from now on has a signature.
        writer.settle(true, &queue).map_err(unwritten)?;
    }
    let mut handle = spawn(writer, queue, redaction, location)?;
    handle.retention = spawn_retention(retention, options, &handle)?;
    Ok(handle)
}

/// Decides whether this process removes old records. A removal that an earlier process has begun is completed in any case,
/// unless its record may be forged.
fn retention(
    options: &LogOptions,
    folder: &Path,
    end: Option<&LogEnd>,
    signer: Option<&Signer>,
) -> Result<Option<RetentionOptions>, Message> {
    let wanted = options.retention.clone();
    let Some(end) = end else { return Ok(wanted) };
    let is_verified = wanted.as_ref().is_some_and(|wanted| wanted.is_verified);
    let has_rest = end.removed.is_some() && !retention::rest(folder)?.is_empty();
    let why = if end.removed.as_ref().is_some_and(|note| !note.is_trusted(signer)) && !is_verified {
        "the record of an earlier removal is not signed with the key of this log"
    } else if signer.is_none() && checkpoint_file::file(folder).exists() {
        "the log was signed, and its signing key is not given"
    } else if wanted.is_some() || !has_rest {
        return Ok(wanted);
    } else {
        return Ok(Some(RetentionOptions::completing()));
    };
    if wanted.is_none() && !has_rest {
        return Ok(None);
    }
    let message = Message::new(format!("no old record is removed from `{}`: {why}", folder.display()))
        .note("a removal that is not signed with this key could not be told apart from tampering")
        .help("see `audit verify`; name the key with `--audit-key FILE`; or stop the server and run `audit prune`");
    if wanted.is_some_and(|wanted| !wanted.is_daily) {
        return Err(message);
    }
    stderr::line(format_args!("audit: {message}"));
    Ok(None)
}

fn spawn_retention(
    retention: Option<RetentionOptions>,
    options: &LogOptions,
    handle: &AuditHandle,
) -> Result<Option<RetentionJob>, Message> {
    let spawn = |retention| {
        let (folder, queue) = (handle.location.folder.clone(), Arc::clone(&handle.queue));
        retention::spawn(retention, folder, options.disk.clone(), queue)
    };
    let job = retention.map(spawn).transpose();
    job.map_err(|error| Message::failure("the thread that removes old records cannot be started", &error))
}

fn unwritten(error: WriteError) -> Message {
    let fact = "the audit log cannot be written";
    match error {
        WriteError::Failed(error) => Message::failure(fact, &error),
        error => Message::new(format!("{fact}: {error}")),
    }
}

/// Reads the last note that is kept beside the signing key. The folder may have been moved since.
fn kept(options: &LogOptions, folder: &Path, end: Option<&LogEnd>) -> Result<Option<KeptNote>, Message> {
    let key = options.signing_key();
    let kept = signing_state::read(&signing_state::file(&key, folder))?;
    Ok(kept.or_else(|| signing_state::read_of_log(&key, &end?.log)))
}

/// Takes the folder itself, or the next numbered one that no other process has.
fn take(options: &LogOptions) -> Result<Folder, Message> {
    let mut folders = options.folders();
    let mut taken = folders.next().map(|folder| Folder::take(&folder)).expect("there is a first folder");
    for folder in folders {
        match taken {
            Err(FolderError::Busy(_)) => taken = Folder::take(&folder),
            taken => return taken.map_err(FolderError::into_message),
        }
    }
    taken.map_err(FolderError::into_message)
}

/// Reads the signing key, if there is one.
fn signer(options: &LogOptions, folder: &Path) -> Result<Option<Signer>, Message> {
    let path = options.signing_key();
    if options.signing_key.is_none() && !path.exists() {
        return Ok(None);
    }
    let within = |path: &Path| Some(path.canonicalize().ok()?.starts_with(folder.canonicalize().ok()?));
    if within(&path).unwrap_or(false) {
        return Err(Message::new(format!("the signing key `{}` is in the log's own folder", path.display()))
            .note("anyone who takes the log would take the key as well")
            .help("store the key in another folder"));
    }
    keys::signer(&path).map(Some)
}

/// Reads the redaction key of the log that ends at `end`, or creates one for a log that has no record yet.
fn redaction(options: &LogOptions, end: Option<&LogEnd>) -> Result<Redaction, Message> {
    let path = options.redaction_key();
    // A start that was killed may have left a segment without a whole record.
    let Some(end) = end.filter(|end| end.head.next > 0) else { return keys::make_redaction(&path) };
    let redaction = keys::redaction(&path)?;
    if end.redaction != redaction.id() {
        return Err(Message::new(format!(
            "`{}` is not the redaction key with which the log began ({})",
            path.display(),
            end.redaction
        ))
        .note("values would have other digests than before, and equal ones could not be told")
        .help("put that key back, or begin a log in another folder: `--audit DIR`"));
    }
    Ok(redaction)
}

/// Refuses records when the writer's thread ends, so that no call waits for a writer that panicked.
struct WriterEnd<'a>(&'a WriterQueue);

impl Drop for WriterEnd<'_> {
    fn drop(&mut self) {
        self.0.close();
        if std::thread::panicking() {
            stderr::line("audit: the writer failed: nothing is recorded any more until a restart");
        }
    }
}

fn spawn(
    writer: LogWriter,
    queue: Arc<WriterQueue>,
    redaction: Redaction,
    location: LogLocation,
) -> Result<AuditHandle, Message> {
    let (disconnects, ended) = mpsc::channel();
    let for_writer = Arc::clone(&queue);
    std::thread::Builder::new()
        .name("audit".to_owned())
        .spawn(move || {
            let _disconnects = disconnects;
            let _end = WriterEnd(&for_writer);
            writer.run(&for_writer);
        })
        .map_err(|error| Message::failure("the audit log's thread cannot be started", &error))?;
    Ok(AuditHandle { queue, redaction, location, retention: None, ended: Mutex::new(ended) })
}

#[cfg(test)]
mod tests {
    use crate::audit::{RecordKind, write::start::*};

    #[test]
    fn writer_that_panics_is_not_ready_and_refuses_records() {
        let folder = tempfile::tempdir().unwrap();
        let options = LogOptions::new(folder.path().join("audit"));
        let handle = start(&options, RecordWriter::of("server")).unwrap();
        assert!(handle.is_ready());
        handle.note(RecordKind::Other, false, |_| panic!("the record of this test panics"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let begin = std::time::Instant::now();
        let committed = runtime.block_on(handle.commit(RecordKind::Other, RecordWriter::of("x")));
        let timeout = std::time::Duration::from_secs(5);
        assert!(committed.is_err() && begin.elapsed() < timeout);
        // The waiting record is dropped a moment before the queue is closed.
        while handle.is_ready() {
            assert!(begin.elapsed() < timeout, "the log is not ready");
            std::thread::yield_now();
        }
    }
}
