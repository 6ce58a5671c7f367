//! Reads and creates the key files of a log.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use super::redact::Redaction;
use crate::{
    audit::{
        hex::{hex_text, unhex},
        signed_note::Signer,
    },
    file_system,
    message::Message,
};

/// The most bytes of a key file.
pub(crate) const MAX_KEY_BYTES: u64 = 64 * 1024;

/// Returns a file beside the log's folder. Keys are never in the folder, so that a copy of the log contains no key.
pub(crate) fn beside(folder: &Path, suffix: &str) -> PathBuf {
    let mut name = folder.file_name().unwrap_or_default().to_owned();
    name.push(suffix);
    folder.with_file_name(name)
}

/// Reads the redaction key of a log.
pub(crate) fn redaction(path: &Path) -> Result<Redaction, Message> {
    read_secret(path, "a redaction key").map(|key| Redaction::new(&key))
}

/// Reads a key of 32 bytes from a file that only its owner can read. `expected` names the key, with its article.
pub(crate) fn read_secret(path: &Path, expected: &str) -> Result<[u8; 32], Message> {
    let text = private(path)?;
    let hex = text.trim_end().as_bytes().try_into().ok();
    hex.and_then(unhex).ok_or_else(|| {
        Message::new(format!("`{}` is not {expected}", path.display()))
            .note("expected one line of 64 lower-case hexadecimal digits")
    })
}

/// Creates a random key of 32 bytes in a file that only its owner can read. The file must not exist.
pub(crate) fn create_secret(path: &Path) -> io::Result<()> {
    let mut key = [0; 32];
    getrandom::fill(&mut key).expect("the system gives random bytes");
    create(path, &format!("{}\n", hex_text(&key)))
}

/// Reads the redaction key of a log, and creates it if it is missing.
pub(super) fn make_redaction(path: &Path) -> Result<Redaction, Message> {
    match create_secret(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(Message::failure(
            &format!("the redaction key `{}` cannot be created", path.display()),
            &error,
        )),
        _ => redaction(path),
    }
}

/// Reads the signing key.
pub(super) fn signer(path: &Path) -> Result<Signer, Message> {
    let text = private(path)?;
    Signer::parse(&text).ok_or_else(|| {
        Message::new(format!("`{}` is not a signing key", path.display()))
            .help("create one with `audit key new`")
    })
}

/// Reads a file that only its owner can read.
fn private(path: &Path) -> Result<String, Message> {
    let shown = path.display();
    // A key may be a link, as a mounted secret is.
    let read = || -> io::Result<(String, fs::Metadata)> {
        let file = file_system::open_through_links(path)?;
        let metadata = file.metadata()?;
        Ok((io::read_to_string(file.take(MAX_KEY_BYTES))?, metadata))
    };
    let (text, metadata) =
        read().map_err(|error| Message::failure(&format!("`{shown}` cannot be read"), &error))?;
    if file_system::is_readable_by_others(&metadata) {
        return Err(Message::new(format!("other users can read the key in `{shown}`"))
            .help(format!("run `chmod 600 {shown}`, or create another key")));
    }
    Ok(text)
}

/// Creates a file in one step, so that a reader never finds half a key. The file must not exist.
pub(crate) fn create(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists()) {
        file_system::make_folder(folder)?;
    }
    let aside = beside(path, &format!(".{:016x}", fastrand::u64(..)));
    let mut file = file_system::private().write(true).create_new(true).open(&aside)?;
    let made = file
        .write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        // Unlike a rename, a link never replaces a file that exists.
        .and_then(|()| fs::hard_link(&aside, path));
    fs::remove_file(&aside)?;
    made
}
