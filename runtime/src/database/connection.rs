//! Opens one connection to a database, and prepares statements on it.

use std::{
    collections::HashMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use futures::future;
use tokio::{
    sync::{RwLock, RwLockReadGuard, RwLockWriteGuard},
    task::AbortHandle,
};
use tokio_postgres::{Client, Error, Statement, error::SqlState};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{address::DatabaseAddress, error::DatabaseError, schema, timeouts::CONNECT_TIMEOUT};

/// The limits of every connection, in milliseconds. A replica that stops in the middle of a transaction must not hold up
/// the others for longer than they wait. An acknowledged change must outlive the database's process.
const SETUP: &str = "\
    SET statement_timeout = 5000; \
    SET lock_timeout = 4500; \
    SET idle_in_transaction_session_timeout = 2000; \
    SELECT pg_catalog.set_config('synchronous_commit', 'on', false) \
        WHERE pg_catalog.current_setting('synchronous_commit') = 'off'";

const TIME: &str = "SELECT floor(extract(epoch FROM pg_catalog.clock_timestamp()) * 1000)::bigint";

/// The time of the database at one moment of this process.
#[derive(Clone, Copy, Debug)]
pub(super) struct DatabaseTime {
    at: Instant,
    since_1970: Duration,
}

impl DatabaseTime {
    /// Remembers the milliseconds since 1970 that the database has just told.
    pub(super) fn new(milliseconds: i64) -> Self {
        let since_1970 = Duration::from_millis(u64::try_from(milliseconds).unwrap_or_default());
        Self { at: Instant::now(), since_1970 }
    }

    pub(super) fn now(self) -> Duration {
        self.since_1970 + self.at.elapsed()
    }
}

/// A connection. Statements of several calls are in flight on it at once.
pub(crate) struct DatabaseConnection {
    pub(crate) client: Client,
    /// The task that reads and writes the socket.
    driver: AbortHandle,
    statements: Mutex<HashMap<&'static str, Statement>>,
    /// Set after a statement without an answer: later ones would wait behind it.
    is_broken: AtomicBool,
    /// Shared by statements that are transactions of their own; a transaction of several has it alone.
    turn: RwLock<()>,
}

impl Drop for DatabaseConnection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl DatabaseConnection {
    /// Connects, and checks nothing of the database.
    pub(super) async fn open_unchecked(
        address: &DatabaseAddress,
        tls: &MakeRustlsConnect,
    ) -> Result<Self, DatabaseError> {
        let connect = async {
            let (client, driver) = address.config.connect(tls.clone()).await?;
            let driver = tokio::spawn(async move {
                // Statements get the error, and the next one finds a closed client.
                let _ = driver.await;
            });
            let driver = driver.abort_handle();
            let (statements, is_broken, turn) = (Mutex::default(), AtomicBool::new(false), RwLock::new(()));
            let connection = Self { client, driver, statements, is_broken, turn };
            connection.client.batch_execute(SETUP).await?;
            Ok(connection)
        };
        match tokio::time::timeout(CONNECT_TIMEOUT, connect).await {
            Ok(connected) => connected.map_err(|error| DatabaseError::of(&error, address)),
            Err(_) => Err(DatabaseError::timeout(address)),
        }
    }

    /// Connects to a database whose tables are those of this program.
    pub(super) async fn open(
        address: &DatabaseAddress,
        tls: &MakeRustlsConnect,
    ) -> Result<(Self, DatabaseTime), DatabaseError> {
        let connection = Self::open_unchecked(address, tls).await?;
        let check = async {
            schema::check(&connection.client, address).await?;
            let time = connection.time().await;
            time.map_err(|error| DatabaseError::of(&error, address))
        };
        match tokio::time::timeout(CONNECT_TIMEOUT, check).await {
            Ok(checked) => checked.map(|time| (connection, time)),
            Err(_) => Err(DatabaseError::timeout(address)),
        }
    }

    /// Asks the database for its time.
    pub(super) async fn time(&self) -> Result<DatabaseTime, Error> {
        let statement = self.prepared(TIME).await?;
        let row = self.client.query_one(&statement, &[]).await?;
        Ok(DatabaseTime::new(row.try_get(0)?))
    }

    pub(super) fn is_usable(&self) -> bool {
        !self.is_broken.load(Ordering::Relaxed) && !self.client.is_closed()
    }

    /// Gives the connection up.
    pub(super) fn break_off(&self) {
        self.is_broken.store(true, Ordering::Relaxed);
        self.driver.abort();
    }

    /// Whether `error` is the end of the connection, so that another one may succeed.
    pub(super) fn is_lost(&self, error: &Error) -> bool {
        let is_end = |code: &SqlState| {
            [
                SqlState::ADMIN_SHUTDOWN,
                SqlState::CRASH_SHUTDOWN,
                SqlState::CANNOT_CONNECT_NOW,
                SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
            ]
            .contains(code)
        };
        error.is_closed() || self.client.is_closed() || error.code().is_some_and(is_end)
    }

    /// Waits for a turn of a statement that is a transaction of its own.
    pub(super) async fn shared_turn(&self) -> RwLockReadGuard<'_, ()> {
        self.turn.read().await
    }

    /// Waits for a turn of a transaction of several statements.
    pub(super) async fn own_turn(&self) -> RwLockWriteGuard<'_, ()> {
        self.turn.write().await
    }

    /// Prepares a statement, once for each connection.
    pub(crate) async fn prepared(&self, sql: &'static str) -> Result<Statement, Error> {
        let known = |statement: &Mutex<HashMap<_, Statement>>| {
            statement.lock().unwrap_or_else(PoisonError::into_inner).get(sql).cloned()
        };
        if let Some(statement) = known(&self.statements) {
            return Ok(statement);
        }
        let statement = self.client.prepare(sql).await?;
        let mut statements = self.statements.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(statements.entry(sql).or_insert(statement).clone())
    }

    /// Prepares several statements at once.
    pub(crate) async fn all_prepared<const N: usize>(
        &self,
        sql: [&'static str; N],
    ) -> Result<[Statement; N], Error> {
        let statements = future::try_join_all(sql.map(|sql| self.prepared(sql))).await?;
        Ok(statements.try_into().expect("each has been prepared"))
    }
}
