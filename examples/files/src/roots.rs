//! Opens paths inside the folders that the server may use.
//!
//! A check of the path's text is not enough: `..` and symbolic links lead elsewhere, and a link can be put in place after the
//! check. `cap_std` opens each path relative to an open folder, and lets the kernel refuse every step that leaves it.

use std::{
    io,
    path::{Component, Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use cap_std::{
    ambient_authority,
    fs::{Dir, OpenOptions},
};
use jiff::Timestamp;

/// A failure of a tool. The text of the cause follows that of this error.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The path leads out of the folders.
    #[error("`{0}` is outside the folders that this server may use\nhelp: `list_roots` lists them")]
    Outside(String),
    /// The system refused something.
    #[error("`{path}` cannot be {action}")]
    Failed {
        /// The path.
        path: String,
        /// The action, for example `read`.
        action: &'static str,
        /// The reason.
        source: io::Error,
    },
    /// A file cannot be read as a whole.
    #[error("`{0}` is larger than {max} MiB\nhelp: read a part of it, with `head` or `tail`", max = MAX_TEXT_BYTES >> 20)]
    TooLarge(String),
    /// The destination of a move exists.
    #[error("`{0}` exists already\nhelp: choose another destination, or move that away first")]
    Exists(String),
    /// The text of an edit is not in the file once.
    #[error(
        "edit {number} does not apply: its `old` text occurs {count} times\nhelp: quote more of the lines around it"
    )]
    Edit {
        /// The number of the edit, from 1.
        number: usize,
        /// The number of places at which the text occurs.
        count: usize,
    },
    /// The pattern of a search is malformed.
    #[error("`pattern` is not a glob pattern")]
    Pattern(#[from] glob::PatternError),
    /// A folder holds more than an answer can.
    #[error(
        "more than {0} entries are below this folder\nhelp: choose a folder further down, or a smaller `depth`"
    )]
    TooMany(usize),
}

/// The size limit of a file that is read as a whole.
pub(super) const MAX_TEXT_BYTES: u64 = 4 << 20;

/// A handle that reads inside the folders.
#[derive(Clone)]
pub struct Roots(Arc<[Root]>);

struct Root {
    path: PathBuf,
    dir: Dir,
}

/// A path inside one of the folders.
pub(super) struct Place<'a> {
    root: &'a Root,
    /// The path below the root.
    below: PathBuf,
}

impl Roots {
    /// Opens the folders, for as long as the server runs.
    ///
    /// # Errors
    ///
    /// A folder does not exist, or cannot be opened.
    pub fn open(folders: &[PathBuf]) -> Result<Self, FileError> {
        let open = |folder: &PathBuf| {
            let path = folder.canonicalize()?;
            Ok(Root { dir: Dir::open_ambient_dir(&path, ambient_authority())?, path })
        };
        let opened = folders.iter().map(|folder| {
            let path = || folder.display().to_string();
            open(folder).map_err(|source| FileError::Failed { path: path(), action: "opened", source })
        });
        Ok(Self(opened.collect::<Result<_, _>>()?))
    }

    /// Returns the folders.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.0.iter().map(|root| &*root.path)
    }

    /// Finds the folder of a path: the innermost, if one of the folders is inside of another.
    pub(super) fn place(&self, path: &str) -> Result<Place<'_>, FileError> {
        let absolute = match (Path::new(path), self.0.first()) {
            (path, Some(first)) if path.is_relative() => first.path.join(path),
            (path, _) => path.to_owned(),
        };
        let inside = self.0.iter().filter_map(|root| {
            let below = absolute.strip_prefix(&root.path).ok()?.to_owned();
            Some(Place { root, below })
        });
        inside
            .min_by_key(|place| place.below.components().count())
            .ok_or_else(|| FileError::Outside(path.to_owned()))
    }
}

impl Place<'_> {
    /// Returns the open folder that the path is below.
    pub(super) fn dir(&self) -> &Dir {
        &self.root.dir
    }

    /// Returns the path below [`Place::dir`].
    pub(super) fn below(&self) -> &Path {
        if self.below.as_os_str().is_empty() { Path::new(".") } else { &self.below }
    }

    /// Returns the whole path.
    pub(super) fn shown(&self) -> String {
        self.root.path.join(&self.below).display().to_string()
    }

    /// Returns the error of an action that failed.
    pub(super) fn failed(&self, action: &'static str, source: io::Error) -> FileError {
        // The kernel's own refusals have a number. One without is by `cap_std`, of a path that leaves the folder.
        if source.kind() == io::ErrorKind::PermissionDenied && source.raw_os_error().is_none() {
            return FileError::Outside(self.shown());
        }
        FileError::Failed { path: self.shown(), action, source }
    }
}

/// A handle that writes inside the folders.
pub struct Writer {
    roots: Roots,
    /// Held while a file is changed, so that no other change is lost.
    changing: Mutex<()>,
}

impl Writer {
    /// Returns a handle that writes inside the folders of `roots`.
    pub fn of(roots: &Roots) -> Self {
        Self { roots: roots.clone(), changing: Mutex::default() }
    }

    pub(super) fn roots(&self) -> &Roots {
        &self.roots
    }

    /// Waits until no other call changes a file.
    pub(super) fn lock(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a file so that other programs see either its earlier content or all of the new one.
    pub(super) fn replace(place: &Place<'_>, text: &str) -> Result<(), FileError> {
        let write = || -> io::Result<()> {
            let name = place.below().file_name().ok_or(io::ErrorKind::IsADirectory)?;
            let folder = match place.below().parent() {
                Some(folder) if folder.components().any(|part| part != Component::CurDir) => {
                    place.dir().open_dir(folder)?
                }
                _ => place.dir().try_clone()?,
            };
            let permissions = folder.metadata(name).ok().map(|earlier| earlier.permissions());
            // It is left behind if the process is killed, and its name must be free all the same next time.
            let temporary = format!(".files-{}.tmp", Timestamp::now().as_nanosecond());
            let written = (|| {
                let mut file =
                    folder.open_with(&temporary, OpenOptions::new().write(true).create_new(true))?;
                io::Write::write_all(&mut file, text.as_bytes())?;
                if let Some(permissions) = permissions {
                    file.set_permissions(permissions)?;
                }
                file.sync_all()?;
                folder.rename(&temporary, &folder, name)
            })();
            if written.is_err() {
                // It may not exist.
                let _ = folder.remove_file(&temporary);
            }
            written
        };
        write().map_err(|error| place.failed("written", error))
    }
}
