//! Configures the store of idempotency keys, and opens it.

#[cfg(feature = "redb")]
use std::path::PathBuf;
use std::sync::Arc;

#[cfg(feature = "redb")]
use super::redb::RedbStore;
use super::{IdempotencyStore, StoreLimits, memory::MemoryStore};
use crate::{clock::Clock, message::Message};

/// The store of idempotency keys, in which a write that was done once is found again.
///
/// ```
/// use candor::KeyStore;
///
/// let store = KeyStore::at("/var/lib/prices/keys");
/// ```
///
/// A store belongs to one process at a time: a second one is refused. The keys themselves are not stored, only digests of
/// them; the results of calls are, in a file that only its owner can read.
#[derive(Clone, Debug)]
pub struct KeyStore {
    place: Place,
    limits: StoreLimits,
}

#[derive(Clone, Debug)]
enum Place {
    #[cfg(feature = "redb")]
    Folder(PathBuf),
    Memory {
        accepts_loss: bool,
    },
}

/// A store that is open.
pub(crate) struct OpenedStore {
    pub(crate) store: Arc<dyn IdempotencyStore>,
    /// The place, for a line to a person.
    pub(crate) place: String,
}

/// The reason why a store cannot be opened.
#[derive(Debug)]
#[cfg_attr(not(feature = "redb"), expect(dead_code, reason = "memory can always hold keys"))]
pub(crate) enum KeyStoreFault {
    /// Another process has it.
    Busy(Message),
    /// It cannot hold keys, or what it holds cannot be trusted.
    Unfit(Message),
}

impl KeyStoreFault {
    pub(crate) fn into_message(self) -> Message {
        match self {
            Self::Busy(message) | Self::Unfit(message) => message,
        }
    }
}

impl KeyStore {
    /// Creates a store in `folder`. The folder is created when the store is opened, if it is missing.
    #[cfg(feature = "redb")]
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        let folder = folder.into();
        // A relative path leads elsewhere once the working directory changes.
        let folder = std::path::absolute(&folder).unwrap_or(folder);
        Self { place: Place::Folder(folder), limits: StoreLimits::default() }
    }

    /// The store that `serve` uses for the server of this name, if no folder is named: `audit.keys` beside the default
    /// folder of the audit log. `None` if this user has no such folder.
    #[cfg(feature = "redb")]
    pub fn of_user(server: &str) -> Option<Self> {
        crate::audit::default_folder(server).map(|log| Self::at(beside_log(&log)))
    }

    /// Creates a store in memory. A restart forgets its keys, and a retry then runs again, so a server with a tool that
    /// requires a key does not start with it, unless [`KeyStore::accept_loss`] is called.
    pub fn memory() -> Self {
        Self { place: Place::Memory { accepts_loss: false }, limits: StoreLimits::default() }
    }

    /// Accepts for a store in memory that keys are lost at a restart, also those that tools require, for example in a
    /// test.
    pub fn accept_loss(mut self) -> Self {
        match &mut self.place {
            #[cfg(feature = "redb")]
            Place::Folder(_) => {}
            Place::Memory { accepts_loss } => *accepts_loss = true,
        }
        self
    }

    /// Sets the number of keys that one caller may have in use or completed in the last 24 hours; 10,000 by default.
    pub fn max_keys_per_caller(mut self, keys: u64) -> Self {
        self.limits.keys_per_caller = keys;
        self
    }

    /// Sets the number of keys of all callers, including those that are only still known; 2,000,000 by default.
    pub fn max_keys(mut self, keys: u64) -> Self {
        self.limits.keys = keys;
        self
    }

    /// Whether a restart may lose keys, and this was not accepted.
    pub(crate) fn is_forgetful(&self) -> bool {
        matches!(self.place, Place::Memory { accepts_loss: false })
    }

    /// Whether several processes share the store.
    pub(crate) fn is_shared(&self) -> bool {
        match &self.place {
            #[cfg(feature = "redb")]
            Place::Folder(_) => false,
            Place::Memory { .. } => false,
        }
    }

    /// The place, for a line to a person.
    pub(crate) fn place(&self) -> String {
        match &self.place {
            #[cfg(feature = "redb")]
            Place::Folder(folder) => folder.display().to_string(),
            Place::Memory { .. } => "in memory, until the server stops".to_owned(),
        }
    }

    #[cfg_attr(
        not(feature = "redb"),
        expect(clippy::unnecessary_wraps, reason = "memory can always hold keys")
    )]
    pub(crate) fn open(&self, clock: Clock) -> Result<OpenedStore, KeyStoreFault> {
        let store: Arc<dyn IdempotencyStore> = match &self.place {
            #[cfg(feature = "redb")]
            Place::Folder(folder) => Arc::new(RedbStore::open(folder, self.limits, clock)?),
            Place::Memory { .. } => Arc::new(MemoryStore::new(self.limits, clock)),
        };
        Ok(OpenedStore { store, place: self.place() })
    }
}

/// Returns the default folder of the keys of a server whose audit log is in `log`.
#[cfg(feature = "redb")]
pub(crate) fn beside_log(log: &std::path::Path) -> PathBuf {
    let mut name = log.file_name().unwrap_or_default().to_owned();
    name.push(".keys");
    log.with_file_name(name)
}
