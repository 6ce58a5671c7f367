//! Stores alerts in an embedded database: one file, with ACID transactions.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Maps symbol and id to whether the side is above, and the price.
const ALERTS: TableDefinition<'static, (&str, u64), (bool, f64)> = TableDefinition::new("alerts");
/// The id of the next alert, under the only key.
const NEXT: TableDefinition<'static, (), u64> = TableDefinition::new("next");

/// An alert, which is raised when a price crosses a limit.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Alert {
    /// The id of the alert.
    pub id: u64,
    /// The company.
    pub symbol: String,
    /// The side of the limit that raises the alert.
    pub when: Side,
    /// The limit in US dollars.
    pub price: f64,
}

/// A side of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The price rises above the limit.
    Above,
    /// The price falls below the limit.
    Below,
}

/// An error of the database.
#[derive(Debug)]
pub struct AlertError {
    /// The failed action: opened, read or written.
    action: &'static str,
    file: PathBuf,
    reason: String,
}

impl fmt::Display for AlertError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { action, file, reason } = self;
        write!(f, "the alerts in {} could not be {action}: {reason}", file.display())?;
        write!(f, "\nhelp: if another server holds the file, end it or set PRICES_DATA to another folder")
    }
}

impl std::error::Error for AlertError {}

/// A handle that reads and writes alerts.
#[derive(Debug)]
pub struct Alerts(Arc<Store>);

/// A handle that reads alerts.
#[derive(Debug)]
pub struct AlertList(Arc<Store>);

/// The database. Its file is opened at the start if it exists, and otherwise created with the first alert.
#[derive(Debug)]
struct Store {
    file: PathBuf,
    database: OnceLock<Database>,
    /// Locked by the call that opens the file, while other calls wait.
    opening: Mutex<()>,
}

/// Returns the folder of `PRICES_DATA`, or the user's state folder (XDG Base Directory).
pub fn default_folder() -> PathBuf {
    let folder_from =
        |variable: &str| std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
    folder_from("PRICES_DATA")
        .or_else(|| folder_from("XDG_STATE_HOME").map(|state| state.join("candor-prices")))
        .or_else(|| folder_from("HOME").map(|home| home.join(".local/state/candor-prices")))
        .unwrap_or_else(|| PathBuf::from("."))
}

impl Alerts {
    /// Opens the alerts in `folder`, which is created with the first alert.
    ///
    /// An existing file is opened here, because the threads of a `read_only` tool cannot open it for writing. If another
    /// process has locked it, the first tool that needs it returns the error.
    pub fn in_folder(folder: impl AsRef<Path>) -> Self {
        let file = folder.as_ref().join("alerts.redb");
        let store = Store { file, database: OnceLock::new(), opening: Mutex::default() };
        if store.file.exists() {
            // The first tool that needs the file returns the error.
            let _ = store.database();
        }
        Self(Arc::new(store))
    }

    /// Returns a handle that can only read.
    pub fn list(&self) -> AlertList {
        AlertList(Arc::clone(&self.0))
    }

    /// Adds an alert.
    ///
    /// # Errors
    ///
    /// The file cannot be opened or written.
    pub fn add(&self, symbol: &str, when: Side, price: f64) -> Result<Alert, AlertError> {
        let id = self.0.write(|alerts, next| {
            let id = next.get(())?.map_or(1, |next| next.value());
            next.insert((), id + 1)?;
            alerts.insert((symbol, id), (when == Side::Above, price))?;
            Ok(id)
        })?;
        Ok(Alert { id, symbol: symbol.to_owned(), when, price })
    }

    /// Removes every alert of a company, and returns their number.
    ///
    /// # Errors
    ///
    /// The file cannot be opened or written.
    pub fn clear(&self, symbol: &str) -> Result<u64, AlertError> {
        self.0.write(|alerts, _| {
            let mut removed = 0;
            alerts.retain_in((symbol, 0)..=(symbol, u64::MAX), |_, _| {
                removed += 1;
                false
            })?;
            Ok(removed)
        })
    }
}

impl AlertList {
    /// Returns every alert, or those of one company, oldest first.
    ///
    /// # Errors
    ///
    /// The file cannot be opened or read.
    pub fn all(&self, symbol: Option<&str>) -> Result<Vec<Alert>, AlertError> {
        let read = match self.0.database.get() {
            Some(database) => read_alerts(database, symbol),
            // Reading does not create the file.
            None if !self.0.file.exists() => return Ok(Vec::new()),
            // The threads of a `read_only` tool may open files for reading only.
            None => redb::ReadOnlyDatabase::open(&self.0.file)
                .map_err(redb::Error::from)
                .and_then(|database| read_alerts(&database, symbol)),
        };
        read.map_err(|error| self.0.failed("read", &error))
    }
}

/// Reads every alert, or those of one company, oldest first.
fn read_alerts(database: &impl ReadableDatabase, symbol: Option<&str>) -> Result<Vec<Alert>, redb::Error> {
    let table = database.begin_read()?.open_table(ALERTS)?;
    let mut alerts = Vec::new();
    for entry in table.iter()? {
        let (key, value) = entry?;
        let ((company, id), (above, price)) = (key.value(), value.value());
        if symbol.is_none_or(|symbol| symbol == company) {
            let when = if above { Side::Above } else { Side::Below };
            alerts.push(Alert { id, symbol: company.to_owned(), when, price });
        }
    }
    alerts.sort_by_key(|alert| alert.id);
    Ok(alerts)
}

type AlertTable<'t> = redb::Table<'t, (&'static str, u64), (bool, f64)>;
type NextTable<'t> = redb::Table<'t, (), u64>;

impl Store {
    fn database(&self) -> Result<&Database, AlertError> {
        if let Some(database) = self.database.get() {
            return Ok(database);
        }
        let _opening = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(database) = self.database.get() {
            return Ok(database);
        }
        let open = || -> Result<Database, redb::Error> {
            if let Some(folder) = self.file.parent() {
                std::fs::create_dir_all(folder)?;
            }
            let database = Database::create(&self.file)?;
            let write = database.begin_write()?;
            write.open_table(ALERTS)?;
            write.open_table(NEXT)?;
            write.commit()?;
            Ok(database)
        };
        let database = open().map_err(|error| self.failed("opened", &error))?;
        Ok(self.database.get_or_init(|| database))
    }

    fn write<T>(
        &self,
        change: impl FnOnce(&mut AlertTable<'_>, &mut NextTable<'_>) -> Result<T, redb::Error>,
    ) -> Result<T, AlertError> {
        let database = self.database()?;
        let write = || -> Result<T, redb::Error> {
            let transaction = database.begin_write()?;
            let value = change(&mut transaction.open_table(ALERTS)?, &mut transaction.open_table(NEXT)?)?;
            transaction.commit()?;
            Ok(value)
        };
        write().map_err(|error| self.failed("written", &error))
    }

    fn failed(&self, action: &'static str, error: &redb::Error) -> AlertError {
        AlertError { action, file: self.file.clone(), reason: error.to_string() }
    }
}
