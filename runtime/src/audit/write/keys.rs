//! Key files: the key that redacts, the key that signs.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use super::{redact::Redaction, system};
use crate::audit::{
    hex::{hex_text, unhex},
    signed_note::Signer,
};

/// A file beside the log's folder, never in it: a copy of the log takes no key along.
pub(crate) fn beside(folder: &Path, what: &str) -> PathBuf {
    let mut name = folder.file_name().unwrap_or_default().to_owned();
    name.push(what);
    folder.with_file_name(name)
}

/// Reads the key that redacts a log.
pub(crate) fn redaction(path: &Path) -> Result<Redaction, String> {
    let text = private(path)?;
    let hex = text.trim_end().as_bytes().try_into().ok();
    let key = hex.and_then(unhex).ok_or_else(|| {
        format!("`{}` is no redaction key\nnote: it is one line of 64 hexadecimal digits", path.display())
    })?;
    Ok(Redaction::new(&key))
}

/// Makes a key that redacts a log, unless it is there.
pub(crate) fn make_redaction(path: &Path) -> Result<Redaction, String> {
    let mut key = [0; 32];
    getrandom::fill(&mut key).expect("the system gives random bytes");
    match create(path, &format!("{}\n", hex_text(&key))) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(format!("the redaction key `{}` cannot be made: {error}", path.display()))
        }
        _ => redaction(path),
    }
}

/// Reads the key that signs checkpoints.
pub(crate) fn signer(path: &Path) -> Result<Signer, String> {
    let text = private(path)?;
    Signer::parse(&text)
        .ok_or_else(|| format!("`{}` is no signing key\nhelp: `audit key new` makes one", path.display()))
}

/// Reads a file that nobody else may read.
fn private(path: &Path) -> Result<String, String> {
    let read =
        || -> io::Result<(String, fs::Metadata)> { Ok((fs::read_to_string(path)?, fs::metadata(path)?)) };
    let (text, metadata) = read().map_err(|error| format!("`{}` cannot be read: {error}", path.display()))?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;

        if metadata.mode() & 0o077 != 0 {
            return Err(format!(
                "others may read the key in `{}`\nhelp: chmod 600 {0}, or make another",
                path.display()
            ));
        }
    }
    let _ = metadata;
    Ok(text)
}

/// Makes a file that is not there yet, in one step: nobody ever reads half a key.
pub(crate) fn create(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists()) {
        system::make_folder(folder)?;
    }
    let aside = beside(path, &format!(".{:016x}", fastrand::u64(..)));
    let mut file = system::private().write(true).create_new(true).open(&aside)?;
    let made = file
        .write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        // A link, unlike a new name, never takes the place of what is there.
        .and_then(|()| fs::hard_link(&aside, path));
    fs::remove_file(&aside)?;
    made
}
