//! Starts the writer of a log: takes its folder, reads its keys, and recovers from a crash.

use std::{
    path::Path,
    sync::{Arc, Mutex, mpsc},
};

use super::{
    checkpoints::{self, Checkpoints},
    disk::WriteError,
    folder::{self, Folder, FolderError},
    keys,
    options::LogOptions,
    queue::{AuditHandle, LogLocation, WriterQueue},
    record::RecordWriter,
    recover,
    redact::Redaction,
    writer::{self, Writer},
};
use crate::audit::signed_note::Signer;

/// Takes the folder, recovers from a crash, and starts the thread that writes. `record` is the record of the start.
pub(crate) fn start(options: &LogOptions, mut record: RecordWriter) -> Result<AuditHandle, String> {
    let folder = take(options)?;
    let signer = signer(options, &folder.path)?;
    let path = folder.path.clone();
    let last = checkpoints::last(&path)?;
    let found = recover::recover(&path, last.as_ref().map(|last| &last.checkpoint))?;
    let redaction_key = options.redaction_key();
    let redaction = match &found {
        Some(_) => keys::redaction(&redaction_key)?,
        None => keys::make_redaction(&redaction_key)?,
    };
    if let Some(found) = found.as_ref().filter(|found| found.redaction != redaction.id()) {
        let shown = redaction_key.display();
        return Err(format!("`{shown}` is another key than the log was begun with ({})", found.redaction));
    }
    let failed = |error: WriteError| format!("the audit log cannot be written: {}", writer::why(error));
    let signs = signer.map(|signer| {
        Checkpoints::open(&path, signer, options.interval, last.as_ref(), &options.disk, !options.quiet)
    });
    let signs = signs.transpose().map_err(failed)?;
    match &signs {
        Some(signs) => _ = record.text("signed_by", &signs.signer()),
        None => _ = record.flag("signed", false),
    }
    let (signed, redaction_id) = (signs.is_some(), redaction.id().to_owned());
    let writer = Writer::begin(folder, redaction_id, signs, options, found, record).map_err(failed)?;
    spawn(writer, redaction, LogLocation { folder: path, signed })
}

/// Takes the folder itself, or the next one that no other process has.
fn take(options: &LogOptions) -> Result<Folder, String> {
    let mut busy = String::new();
    for folder in options.folders() {
        match Folder::take(&folder) {
            Ok(folder) => return Ok(folder),
            Err(FolderError::Busy(why)) => busy = why,
            Err(FolderError::Unfit(why)) => return Err(format!("{why}\n{}", folder::HELP)),
        }
    }
    Err(format!("{busy}\n{}", folder::HELP))
}

/// Reads the signing key, if there is one.
fn signer(options: &LogOptions, folder: &Path) -> Result<Option<Signer>, String> {
    let path = options.signing_key();
    if options.signing_key.is_none() && !path.exists() {
        return Ok(None);
    }
    let within = |path: &Path| Some(path.canonicalize().ok()?.starts_with(folder.canonicalize().ok()?));
    if within(&path).unwrap_or(false) {
        return Err(format!(
            "the signing key `{}` stands in the log's own folder\nnote: whoever takes the log then takes the key along\nhelp: keep it elsewhere",
            path.display()
        ));
    }
    keys::signer(&path).map(Some)
}

fn spawn(writer: Writer, redaction: Redaction, location: LogLocation) -> Result<AuditHandle, String> {
    let shared = Arc::<WriterQueue>::default();
    let (hold, ended) = mpsc::channel();
    let for_writer = Arc::clone(&shared);
    std::thread::Builder::new()
        .name("audit".to_owned())
        .spawn(move || {
            let _hold = hold;
            writer.run(&for_writer);
        })
        .map_err(|error| format!("no thread to write the audit log with: {error}"))?;
    Ok(AuditHandle { shared, redaction, location, ended: Mutex::new(ended) })
}
