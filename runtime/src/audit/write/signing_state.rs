//! Reads the last signed note of a log that is kept beside the signing key, out of reach of users who can write the log.
//!
//! The file has two slots, which are written in turns, so that a crash leaves at least one of them whole.

use std::{
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use super::keys::beside;
use crate::{
    audit::{chain::sha256, hex::hex_text, signed_note::Checkpoint},
    file_system,
    message::Message,
};

/// The bytes of a slot.
pub(crate) const SLOT_BYTES: usize = 4_096;
/// The number of slots.
pub(crate) const SLOTS: usize = 2;
/// The text between the name of the key's file and the digest of the log's folder.
const INFIX: &str = ".signed-";
/// The digits of the digest of the folder.
const FOLDER_DIGITS: usize = 16;

/// The last note that was kept of a log.
#[derive(Clone, Debug)]
pub(crate) struct KeptNote {
    pub(crate) checkpoint: Checkpoint,
    /// The file that it is kept in.
    pub(crate) path: PathBuf,
    /// The slot that it is in.
    pub(crate) slot: usize,
    /// Whether the log was in another folder when it was kept.
    pub(crate) is_moved: bool,
}

/// Returns the file for the log in `folder` that is signed with the key in the file `key`.
pub(crate) fn file(key: &Path, folder: &Path) -> PathBuf {
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let mut digest = hex_text(&sha256(folder.as_os_str().as_encoded_bytes()));
    digest.truncate(FOLDER_DIGITS);
    beside(key, &format!("{INFIX}{digest}"))
}

/// Reads the note kept in a file; `None` if the file does not exist.
pub(crate) fn read(path: &Path) -> Result<Option<KeptNote>, Message> {
    let file = match file_system::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened,
    };
    let mut bytes = Vec::new();
    file.and_then(|file| file.take((SLOTS * SLOT_BYTES) as u64).read_to_end(&mut bytes))
        .map_err(|error| Message::failure(&format!("`{}` cannot be read", path.display()), &error))?;
    let slots = bytes.chunks(SLOT_BYTES).enumerate();
    let kept = slots.filter_map(|(slot, bytes)| {
        Some(KeptNote { checkpoint: parse(bytes)?, path: path.to_owned(), slot, is_moved: false })
    });
    let newest = kept.max_by_key(|kept| kept.checkpoint.head.next);
    newest.map(Some).ok_or_else(|| {
        Message::new(format!("`{}` holds no signed note of an audit log", path.display()))
            .note(
                "the server keeps the last checkpoint of a log there, and no crash leaves the file like this",
            )
            .help(format!("see who changed it; then {}", forget(path)))
    })
}

/// Reads the note of a log whose folder was moved, from the files beside the key of other folders.
pub(crate) fn read_of_log(key: &Path, log: &str) -> Option<KeptNote> {
    let mut prefix = key.file_name()?.to_owned();
    prefix.push(INFIX);
    let folder = key.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let files = fs::read_dir(folder).ok()?.filter_map(Result::ok);
    let kept = files
        .filter(|file| file.file_name().as_encoded_bytes().starts_with(prefix.as_encoded_bytes()))
        .filter_map(|file| read(&file.path()).ok()?)
        .filter(|kept| kept.checkpoint.log == log);
    let newest = kept.max_by_key(|kept| kept.checkpoint.head.next)?;
    Some(KeptNote { is_moved: true, ..newest })
}

/// Says how an operator accepts a file beside the key that does not fit to the log.
fn forget(path: &Path) -> String {
    format!(
        "run `rm {}` to accept the log as it is: the next start records how much of it is not known to be signed",
        path.display()
    )
}

impl KeptNote {
    /// Says how an operator accepts a log that does not fit to this note.
    pub(crate) fn acceptance(&self) -> String {
        if self.is_moved {
            // The file is that of the log in the other folder.
            return "sign an older copy of the log with a key of its own (`audit key new --file FILE`)"
                .to_owned();
        }
        forget(&self.path)
    }
}

fn parse(slot: &[u8]) -> Option<Checkpoint> {
    let text = String::from_utf8_lossy(slot);
    let (digest, note) = text.split_once('\n')?;
    let (checkpoint, length) = Checkpoint::parse(note)?;
    (digest == hex_text(&sha256(&note.as_bytes()[..length]))).then_some(checkpoint)
}

/// Returns the content of a slot; `None` if the note is longer than a slot.
pub(crate) fn slot(note: &str) -> Option<String> {
    let slot = format!("{}\n{note}", hex_text(&sha256(note.as_bytes())));
    (slot.len() <= SLOT_BYTES).then_some(slot)
}
