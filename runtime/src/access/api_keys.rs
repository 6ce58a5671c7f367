//! Looks up the caller behind an API key of a file. The file is read at the start, and again on request.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use super::{
    AccessError, Denied,
    keyfile::{self, KeyEntry, TokenHash},
};
use crate::{message::Message, scopes::Scopes, tool::caller::Caller};

/// The API keys of one file.
#[derive(Debug)]
pub(super) struct ApiKeys {
    path: PathBuf,
    table: RwLock<Arc<KeyTable>>,
}

#[derive(Debug, Default)]
struct KeyTable {
    entries: Vec<KeyEntry>,
    keys: HashMap<TokenHash, KeyHolder>,
}

#[derive(Debug)]
struct KeyHolder {
    caller: Arc<Caller>,
    /// Seconds since 1970.
    expires: Option<u64>,
}

impl ApiKeys {
    pub(super) fn read(path: &Path) -> Result<Self, AccessError> {
        let table = RwLock::new(Arc::new(KeyTable::new(read(path)?, &Scopes::default())));
        Ok(Self { path: path.to_owned(), table })
    }

    /// Reads the file again. If it cannot be read, nothing changes.
    pub(super) fn reload(&self, scopes: &Scopes) -> Result<(), AccessError> {
        self.set(KeyTable::new(read(&self.path)?, scopes));
        Ok(())
    }

    /// Gives each holder the scopes that their own imply.
    pub(super) fn apply_scopes(&self, scopes: &Scopes) {
        let entries = self.table().entries.clone();
        self.set(KeyTable::new(entries, scopes));
    }

    /// The holder of this key; `None` if the file does not have it.
    pub(super) fn caller(&self, key: &str, now: u64) -> Option<Result<Arc<Caller>, Denied>> {
        let table = self.table();
        let holder = table.keys.get(&TokenHash::of(key))?;
        Some(match holder.expires {
            Some(expires) if now >= expires => Err(Denied::Bad("the API key has expired")),
            _ => Ok(Arc::clone(&holder.caller)),
        })
    }

    /// Problems of the file that its operator should know.
    pub(super) fn warnings(&self, now: u64) -> Vec<Message> {
        let file = self.path.display();
        let mut warnings = Vec::new();
        if let Some(mode) = mode_readable_by_others(&self.path) {
            let fact =
                format!("other users of this machine can read the token file `{file}` (mode {mode:03o})");
            warnings.push(Message::new(fact).help(format!("chmod 600 {file}")));
        }
        let is_valid = |key: &&KeyHolder| key.expires.is_none_or(|expires| now < expires);
        if self.table().keys.values().find(is_valid).is_none() {
            let fact = format!("the token file `{file}` has no valid key: every call is refused");
            warnings.push(Message::new(fact).help("`token new` adds a key"));
        }
        warnings
    }

    fn table(&self) -> Arc<KeyTable> {
        Arc::clone(&self.table.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn set(&self, table: KeyTable) {
        *self.table.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(table);
    }
}

impl KeyTable {
    fn new(entries: Vec<KeyEntry>, scopes: &Scopes) -> Self {
        let holder = |entry: &KeyEntry| {
            let held = scopes.held(entry.scopes.iter().map(keyfile::Scope::as_str));
            let caller = Arc::new(Caller::new(None, entry.subject.as_str(), held));
            (entry.hash, KeyHolder { caller, expires: entry.expires.map(keyfile::KeyTime::seconds) })
        };
        let keys = entries.iter().map(holder).collect();
        Self { entries, keys }
    }
}

fn read(path: &Path) -> Result<Vec<KeyEntry>, AccessError> {
    let file = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| {
        let message = Message::new(format!("the token file `{file}` cannot be read: {error}"));
        AccessError(
            message.help(format!("`token new --subject NAME --scope \"SCOPES\" --file {file}` creates one")),
        )
    })?;
    keyfile::entries(&text).map_err(|error| {
        let message =
            Message::new(format!("the token file `{file}` cannot be parsed")).note(error.to_string());
        AccessError(
            message.help("correct that line, or delete the entry and create a new key with `token new`"),
        )
    })
}

/// The file's mode, if its group or others may read it.
#[cfg(unix)]
fn mode_readable_by_others(path: &Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(path).ok()?.permissions().mode() & 0o777;
    (mode & 0o044 != 0).then_some(mode)
}

#[cfg(not(unix))]
fn mode_readable_by_others(_: &Path) -> Option<u32> {
    None
}
