//! Reads a contract from a file, from a git revision, or from a running server.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    contract::{Lock, Outline, Uncompared},
    message::Message,
    text,
};

/// A contract, and its name for people.
pub(super) struct Contract {
    pub(super) lock: Lock,
    pub(super) shown: String,
}

impl Contract {
    /// The contract that this program declares.
    pub(super) fn of_program(outline: &Outline) -> Self {
        Self::at(Lock::of(outline), "this program")
    }

    fn at(lock: Lock, place: &str) -> Self {
        let shown = format!("{} {} ({place})", text::shown(&lock.name), text::shown(&lock.version));
        Self { lock, shown }
    }
}

/// The place of a contract.
pub(super) enum ContractSource {
    File(PathBuf),
    GitRevision(String),
    Url(String),
}

impl ContractSource {
    /// Tells by the name: a URL, an existing file, or else a git revision.
    pub(super) fn named(name: &str) -> Self {
        if name.starts_with("http://") || name.starts_with("https://") {
            return Self::Url(name.to_owned());
        }
        // A text with a folder or `.json` is a path, even if that file does not exist.
        let is_json = Path::new(name).extension().is_some_and(|extension| extension == "json");
        let is_path = is_json && !name.contains(':');
        if is_path || Path::new(name).is_file() {
            Self::File(name.into())
        } else {
            Self::GitRevision(name.to_owned())
        }
    }

    /// Reads the contract; a git revision has it under the path of `file`.
    pub(super) fn read(self, file: &Path) -> Result<Contract, Uncompared> {
        let text = match &self {
            Self::Url(url) => return listing(url),
            Self::File(path) => fs::read_to_string(path).map_err(|error| {
                let message =
                    Message::failure(&format!("the lock {} cannot be read", path.display()), &error);
                Uncompared {
                    id: "lock-unreadable",
                    message: message
                        .help("write it with the command `lock --write`, or name another file or revision"),
                }
            })?,
            Self::GitRevision(revision) => at_revision(revision, file)?,
        };
        self.of_text(&text)
    }

    /// Reads the text of a lock.
    fn of_text(self, text: &str) -> Result<Contract, Uncompared> {
        let place = self.shown();
        let lock = Lock::read(text)
            .map_err(|fault| Uncompared { id: fault.id(), message: fault.message(&place) })?;
        Ok(Contract::at(lock, &place))
    }

    fn shown(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::GitRevision(revision) => format!("revision {}", text::shown(revision)),
            Self::Url(url) => text::shown(url),
        }
    }
}

/// Asks git for a file as it was in a revision.
fn at_revision(revision: &str, file: &Path) -> Result<String, Uncompared> {
    let shown = text::shown(revision);
    let unreadable = |message| Uncompared { id: "lock-unreadable", message };
    if revision.is_empty() || revision.starts_with('-') {
        return Err(unreadable(
            Message::new(format!("`{shown}` is neither a file nor a git revision"))
                .help("name one, for example `--base v1.0.0` or `--base tools.lock.json`"),
        ));
    }
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let mut git = Command::new("git");
    git.arg("-C").arg(folder).args(["show", "--end-of-options"]).arg(format!("{revision}:./{name}"));
    let output = git.output().map_err(|error| {
        unreadable(
            Message::failure("git cannot be run", &error).or_help("install git, or give a file as `--base`"),
        )
    })?;
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr);
        let reason = reason.lines().next().unwrap_or_default().to_owned();
        return Err(unreadable(
            Message::new(format!("git revision `{shown}` has no lock {}", file.display()))
                .note(format!("git says: {reason}"))
                .help("name the path of the lock in that revision with `--file`"),
        ));
    }
    String::from_utf8(output.stdout)
        .map_err(|_| unreadable(Message::new(format!("the lock of git revision `{shown}` is not text"))))
}

#[cfg(feature = "http")]
fn listing(url: &str) -> Result<Contract, Uncompared> {
    let lock = super::listing::fetch(url)?;
    let shown = format!("{} {} at {}", text::shown(&lock.name), text::shown(&lock.version), text::shown(url));
    Ok(Contract { lock, shown })
}

#[cfg(not(feature = "http"))]
fn listing(url: &str) -> Result<Contract, Uncompared> {
    let message = Message::new(format!(
        "{} cannot be asked: this program was built without an HTTP client",
        text::shown(url)
    ))
    .help("turn on the feature `http` of `candor`, or give a file or a git revision");
    Err(Uncompared { id: "server-unreachable", message })
}
