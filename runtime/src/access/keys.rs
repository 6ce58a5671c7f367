//! A file of API keys → the caller behind a key. The file is read again when it is told to.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use super::{
    AccessError, Denied,
    keyfile::{self, Entry, Hash},
};
use crate::{scopes::Scopes, tool::caller::Caller};

/// The keys of one file.
#[derive(Debug)]
pub(super) struct Keys {
    path: PathBuf,
    known: RwLock<Arc<Known>>,
}

#[derive(Debug, Default)]
struct Known {
    entries: Vec<Entry>,
    keys: HashMap<Hash, Key>,
}

#[derive(Debug)]
struct Key {
    caller: Arc<Caller>,
    /// Seconds since 1970.
    expires: Option<u64>,
}

impl Keys {
    pub(super) fn read(path: &Path) -> Result<Self, AccessError> {
        let known = RwLock::new(Arc::new(Known::new(read(path)?, &Scopes::default())));
        Ok(Self { path: path.to_owned(), known })
    }

    /// Reads the file again. One that cannot be read changes nothing.
    pub(super) fn reload(&self, scopes: &Scopes) -> Result<(), AccessError> {
        self.set(Known::new(read(&self.path)?, scopes));
        Ok(())
    }

    /// The same keys, with what their scopes carry.
    pub(super) fn widen(&self, scopes: &Scopes) {
        let entries = self.known().entries.clone();
        self.set(Known::new(entries, scopes));
    }

    /// Who holds this key; none where it is nobody's.
    pub(super) fn caller(&self, key: &str, now: u64) -> Option<Result<Arc<Caller>, Denied>> {
        let known = self.known();
        let key = known.keys.get(&Hash::of(key))?;
        Some(match key.expires {
            Some(expires) if now >= expires => Err(Denied::Bad("the key has expired")),
            _ => Ok(Arc::clone(&key.caller)),
        })
    }

    /// What whoever starts the server should know of the file.
    pub(super) fn warnings(&self, now: u64) -> Vec<String> {
        let file = self.path.display();
        let mut warnings = Vec::new();
        if let Some(mode) = readable_by_others(&self.path) {
            warnings.push(format!(
                "the token file `{file}` can be read by others (mode {mode:03o})\nhelp: chmod 600 {file}"
            ));
        }
        let live = |key: &&Key| key.expires.is_none_or(|expires| now < expires);
        if self.known().keys.values().find(live).is_none() {
            warnings.push(format!("no token of the file `{file}` is in force: nobody can call"));
        }
        warnings
    }

    fn known(&self) -> Arc<Known> {
        Arc::clone(&self.known.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn set(&self, known: Known) {
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(known);
    }
}

impl Known {
    fn new(entries: Vec<Entry>, scopes: &Scopes) -> Self {
        let key = |entry: &Entry| {
            let held = scopes.held(entry.scopes.iter().map(keyfile::Scope::as_str));
            let caller = Arc::new(Caller::new(None, entry.subject.as_str(), held));
            (entry.hash, Key { caller, expires: entry.expires.map(keyfile::Time::seconds) })
        };
        let keys = entries.iter().map(key).collect();
        Self { entries, keys }
    }
}

fn read(path: &Path) -> Result<Vec<Entry>, AccessError> {
    let file = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| {
        AccessError(format!(
            "the token file `{file}` cannot be read: {error}\nhelp: `token new --subject NAME --scope \"SCOPES\" --file {file}` makes one"
        ))
    })?;
    keyfile::entries(&text).map_err(|error| {
        AccessError(format!(
            "the token file `{file}` is not understood\nnote: {error}\nhelp: mend it, or take the entry out and make a key anew with `token new`"
        ))
    })
}

/// The file's mode, where group or world may read it.
#[cfg(unix)]
fn readable_by_others(path: &Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(path).ok()?.permissions().mode() & 0o777;
    (mode & 0o044 != 0).then_some(mode)
}

#[cfg(not(unix))]
fn readable_by_others(_: &Path) -> Option<u32> {
    None
}
