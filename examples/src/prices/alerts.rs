//! Alerts in an embedded store: one file, ACID, there again after a restart.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Symbol and number → above, price.
const ALERTS: TableDefinition<'static, (&str, u64), (bool, f64)> = TableDefinition::new("alerts");
/// The number of the next alert, under the one key.
const NEXT: TableDefinition<'static, (), u64> = TableDefinition::new("next");

/// An alert: tell somebody when a price passes a line.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Alert {
    /// Its number.
    pub id: u64,
    /// The company.
    pub symbol: String,
    /// The side of the line that calls.
    pub when: Side,
    /// The line, in US dollars.
    pub price: f64,
}

/// A side of a price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The price rises above the line.
    Above,
    /// The price falls below the line.
    Below,
}

/// Why the alerts cannot be reached.
#[derive(Debug)]
pub struct AlertError {
    doing: &'static str,
    file: PathBuf,
    why: String,
}

impl fmt::Display for AlertError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { doing, file, why } = self;
        write!(f, "the alerts in {} could not be {doing}: {why}", file.display())?;
        write!(f, "\nhelp: if another server holds the file, end it or set PRICES_DATA to another folder")
    }
}

impl std::error::Error for AlertError {}

/// The alerts, to read and to write.
#[derive(Debug)]
pub struct Alerts(Arc<Store>);

/// The alerts, to read.
#[derive(Debug)]
pub struct AlertList(Arc<Store>);

/// The file, opened when an alert is first asked for: a price needs none.
#[derive(Debug)]
struct Store {
    file: PathBuf,
    database: OnceLock<Database>,
    /// Held by the call that opens the file; others wait for it.
    opening: Mutex<()>,
}

/// The folder that `PRICES_DATA` names; else the user's state folder (XDG Base Directory).
pub fn default_folder() -> PathBuf {
    let from =
        |variable: &str| std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
    from("PRICES_DATA")
        .or_else(|| from("XDG_STATE_HOME").map(|state| state.join("candor-prices")))
        .or_else(|| from("HOME").map(|home| home.join(".local/state/candor-prices")))
        .unwrap_or_else(|| PathBuf::from("."))
}

impl Alerts {
    /// The alerts in `folder`, which is made with the first of them.
    pub fn in_folder(folder: impl AsRef<Path>) -> Self {
        let file = folder.as_ref().join("alerts.redb");
        Self(Arc::new(Store { file, database: OnceLock::new(), opening: Mutex::default() }))
    }

    /// The same alerts, to read.
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

    /// Removes every alert of a company; how many there were.
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
    /// Every alert, or those of one company, oldest first.
    ///
    /// # Errors
    ///
    /// The file cannot be opened or read.
    pub fn all(&self, symbol: Option<&str>) -> Result<Vec<Alert>, AlertError> {
        let read = |database: &Database| -> Result<Vec<Alert>, redb::Error> {
            let table = database.begin_read()?.open_table(ALERTS)?;
            let mut alerts = Vec::new();
            for entry in table.iter()? {
                let (key, value) = entry?;
                let ((of, id), (above, price)) = (key.value(), value.value());
                if symbol.is_none_or(|symbol| symbol == of) {
                    let when = if above { Side::Above } else { Side::Below };
                    alerts.push(Alert { id, symbol: of.to_owned(), when, price });
                }
            }
            alerts.sort_by_key(|alert| alert.id);
            Ok(alerts)
        };
        // What was never written holds nothing, and reading makes no file.
        if self.0.database.get().is_none() && !self.0.file.exists() {
            return Ok(Vec::new());
        }
        read(self.0.database()?).map_err(|error| self.0.failed("read", &error))
    }
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

    fn failed(&self, doing: &'static str, error: &redb::Error) -> AlertError {
        AlertError { doing, file: self.file.clone(), why: error.to_string() }
    }
}
