//! Configures the store of idempotency keys, and opens it.

#[cfg(feature = "redb")]
use std::path::PathBuf;
use std::sync::Arc;

#[cfg(feature = "postgres")]
use super::postgres::PostgresStore;
#[cfg(feature = "redb")]
use super::redb::RedbStore;
use super::{IdempotencyStore, StoreLimits, memory::MemoryStore, shared::SharedDatabase};
#[cfg(feature = "postgres")]
use crate::database::{Database, DatabaseAddress};
use crate::{clock::Clock, message::Message};

/// The store of idempotency keys, in which a write that was done once is found again.
///
/// ```
/// use candor::KeyStore;
///
/// let store = KeyStore::at("/var/lib/prices/keys");
/// ```
///
/// A folder belongs to one process at a time: a second one is refused. Its files belong together: `keys.redb`, and journals with
/// the newest keys while a server runs or after a crash. A database (feature `postgres`) is shared by all
/// replicas of a server. The keys themselves are not stored, only
/// digests of them; the results of calls are, in a file that only its owner can read or in the database.
#[derive(Clone, Debug)]
pub struct KeyStore {
    place: Place,
    limits: StoreLimits,
}

#[derive(Clone, Debug)]
enum Place {
    #[cfg(feature = "redb")]
    Folder(PathBuf),
    #[cfg(feature = "postgres")]
    Postgres {
        url: StoreUrl,
        /// The server's name, if it is not set.
        deployment: Option<String>,
    },
    Memory {
        accepts_loss: bool,
    },
}

/// The address of a database, which may have a password and is not shown.
#[cfg(any(feature = "cli", feature = "postgres"))]
#[derive(Clone)]
pub(crate) struct StoreUrl(pub(crate) String);

#[cfg(any(feature = "cli", feature = "postgres"))]
impl std::fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("postgres://…")
    }
}

#[cfg(feature = "cli")]
impl std::str::FromStr for StoreUrl {
    type Err = std::convert::Infallible;

    /// Takes any text: a message of the command line about a wrong one would show its password.
    fn from_str(url: &str) -> Result<Self, Self::Err> {
        Ok(Self(url.to_owned()))
    }
}

/// A store that is open.
pub(crate) struct OpenedStore {
    pub(crate) store: Arc<dyn IdempotencyStore>,
    /// The place, for a line to a person.
    pub(crate) place: String,
}

/// The reason why a store cannot be opened.
#[derive(Debug)]
pub(crate) enum KeyStoreFault {
    /// Another process has it.
    #[cfg(feature = "redb")]
    Busy(Message),
    /// It cannot hold keys, or what it holds cannot be trusted.
    #[cfg_attr(
        not(any(feature = "postgres", feature = "redb")),
        expect(dead_code, reason = "memory can always hold keys")
    )]
    Unfit(Message),
}

impl KeyStoreFault {
    pub(crate) fn into_message(self) -> Message {
        match self {
            #[cfg(feature = "redb")]
            Self::Busy(message) => message,
            Self::Unfit(message) => message,
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

    /// Creates a store in a PostgreSQL database (version 14 or later), which all replicas of a server share:
    /// `postgres://USER:PASSWORD@HOST:PORT/DATABASE`. Its tables are created by the command `store migrate`.
    ///
    /// The clock of the database decides, so those of the replicas may differ. The connection is encrypted, and the
    /// certificate checked, unless the database is on this machine or the address says `?sslmode=disable`. PGPASSWORD is the
    /// password if the address has none.
    ///
    /// ```no_run
    /// use candor::KeyStore;
    ///
    /// let store = KeyStore::postgres("postgres://prices:secret@db.example/prices").deployment("prices-eu");
    /// ```
    #[cfg(feature = "postgres")]
    #[cfg_attr(docsrs, doc(cfg(feature = "postgres")))]
    pub fn postgres(url: impl Into<String>) -> Self {
        let place = Place::Postgres { url: StoreUrl(url.into()), deployment: None };
        Self { place, limits: StoreLimits::default() }
    }

    /// Sets the name of this server in the database, if it is not the server's own: replicas with one name share everything,
    /// and two deployments on one database share nothing. Does nothing to a store that is not in a database.
    #[cfg(feature = "postgres")]
    #[cfg_attr(docsrs, doc(cfg(feature = "postgres")))]
    pub fn deployment(mut self, name: impl Into<String>) -> Self {
        if let Place::Postgres { deployment, .. } = &mut self.place {
            *deployment = Some(name.into());
        }
        self
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
            #[cfg(feature = "postgres")]
            Place::Postgres { .. } => {}
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
            #[cfg(feature = "postgres")]
            Place::Postgres { .. } => true,
            Place::Memory { .. } => false,
        }
    }

    /// The place, for a line to a person.
    pub(crate) fn place(&self) -> String {
        match &self.place {
            #[cfg(feature = "redb")]
            Place::Folder(folder) => folder.display().to_string(),
            #[cfg(feature = "postgres")]
            Place::Postgres { url, .. } => DatabaseAddress::read(&url.0)
                .map_or_else(|_| "in a database".to_owned(), |address| address.to_string()),
            Place::Memory { .. } => "in memory, until the server stops".to_owned(),
        }
    }

    /// Connects to the database, if the store is in one. `server` is the name of the deployment, unless another is set.
    #[cfg_attr(
        not(feature = "postgres"),
        expect(clippy::unnecessary_wraps, clippy::unused_self, reason = "only a database can be shared")
    )]
    pub(crate) fn connect(
        &self,
        #[cfg_attr(not(feature = "postgres"), expect(unused_variables, reason = "as above"))] server: &str,
    ) -> Result<SharedDatabase, Message> {
        #[cfg(feature = "postgres")]
        if let Place::Postgres { url, deployment } = &self.place {
            let address = DatabaseAddress::read(&url.0)?;
            let database = Database::open(address, deployment.as_deref().unwrap_or(server))?;
            return Ok(SharedDatabase::new(database));
        }
        Ok(SharedDatabase::default())
    }

    /// Opens the store, in `shared` if it is in a database.
    #[cfg_attr(
        not(any(feature = "postgres", feature = "redb")),
        expect(clippy::unnecessary_wraps, reason = "memory can always hold keys")
    )]
    pub(crate) fn open(
        &self,
        clock: Clock,
        #[cfg_attr(
            not(feature = "postgres"),
            expect(unused_variables, reason = "only a database is shared")
        )]
        shared: &SharedDatabase,
    ) -> Result<OpenedStore, KeyStoreFault> {
        let store: Arc<dyn IdempotencyStore> = match &self.place {
            #[cfg(feature = "redb")]
            Place::Folder(folder) => Arc::new(RedbStore::open(folder, self.limits, clock)?),
            #[cfg(feature = "postgres")]
            Place::Postgres { .. } => match shared.database() {
                Some(database) => Arc::new(PostgresStore::new(Arc::clone(database), self.limits, clock)),
                None => return Err(KeyStoreFault::Unfit(Message::new("the database is not connected"))),
            },
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
