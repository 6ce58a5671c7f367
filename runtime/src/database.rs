//! Keeps a server connected to the PostgreSQL database that its replicas share.
//!
//! Statements that are transactions of their own share a connection: many are in flight on it at once. The runtime of calls
//! drives it, so that no call waits for another thread. Transactions of several statements have a second connection on a
//! thread of the store, or the first for themselves where the database takes no other.

mod address;
mod call_runtime;
mod client_error;
mod connection;
mod error;
#[cfg(any(feature = "cli", test))]
mod migration;
mod nonces;
mod rates;
mod schema;
mod slot;
mod state_key;
mod statement;
mod tasks;
#[cfg(test)]
pub(crate) mod tests;
mod timeouts;
mod tls;

use std::{
    sync::{
        Arc, Mutex as BlockingMutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use futures::future::BoxFuture;
use tokio::{
    runtime::{Builder, Handle},
    sync::Mutex,
    time::{Instant, timeout_at},
};
use tokio_postgres::{Error, types::ToSql};
use tokio_postgres_rustls::MakeRustlsConnect;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

#[cfg(any(feature = "cli", test))]
pub(crate) use self::migration::migrate;
#[cfg(feature = "cli")]
pub(crate) use self::migration::migration_sql;
pub(crate) use self::{
    address::DatabaseAddress,
    connection::DatabaseConnection,
    error::DatabaseError,
    rates::RateCell,
    tasks::{Runner, SharedTask, TASK_LEASE, TaskChange, TaskRequests},
    timeouts::STATEMENT_TIMEOUT,
};
use self::{
    call_runtime::{CallRuntime, Connector},
    connection::DatabaseTime,
    slot::ConnectionSlot,
};
use crate::{message::Message, start_runtime::start_runtime, stderr};

/// The time after which a second connection is tried again, if the database took only one.
const SECOND_CONNECTION_INTERVAL: Duration = Duration::from_secs(10);

/// A database that is shared by the replicas of a deployment.
pub(crate) struct Database {
    address: DatabaseAddress,
    /// The id of the deployment, which is in every row.
    pub(crate) deployment: i32,
    tls: MakeRustlsConnect,
    /// The runtime of the store's own thread.
    runtime: Handle,
    /// The runtime of calls, which drives the connection for statements.
    call_runtime: CallRuntime,
    /// The time of the database, as it was last told.
    time: BlockingMutex<DatabaseTime>,
    statements: Mutex<ConnectionSlot>,
    transactions: Mutex<ConnectionSlot>,
    /// Whether the last statement, or the last transaction, failed.
    has_failed: [AtomicBool; 2],
    /// The calls that were counted against rates.
    rates_taken: AtomicU64,
    /// Cancelled when the server ends, before `stop`.
    closing: CancellationToken,
    /// The tasks on the thread of the store.
    background: TaskTracker,
    stop: CancellationToken,
    /// Disconnected when the thread has ended.
    ended: BlockingMutex<mpsc::Receiver<()>>,
}

/// A value for a statement.
pub(crate) type Parameter<'a> = &'a (dyn ToSql + Sync);

/// The work that a connection is used for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    Statements,
    Transactions,
}

impl Use {
    /// The work that fails with it, in a line for the operator.
    fn calls(self) -> &'static str {
        match self {
            Self::Statements => "calls that need the database are refused",
            Self::Transactions => "calls with an idempotency key are refused",
        }
    }
}

impl Database {
    /// Connects, checks the tables, and finds the deployment.
    pub(crate) fn open(mut address: DatabaseAddress, deployment: &str) -> Result<Arc<Self>, Message> {
        address.name_connections(deployment);
        let tls = tls::connector()?;
        let (opened, result) = mpsc::channel();
        let (disconnects, ended) = mpsc::channel();
        let (stop, deployment) = (CancellationToken::new(), deployment.to_owned());
        let run = move || {
            let _disconnects = disconnects;
            let runtime = match start_runtime(&mut Builder::new_current_thread()) {
                Ok(runtime) => runtime,
                Err(error) => {
                    let message = Message::failure("the thread of the store cannot be started", &error);
                    return drop(opened.send(Err(message)));
                }
            };
            let first = runtime.block_on(first_connection(&address, &tls, &deployment));
            let (connection, time, deployment) = match first {
                Ok(first) => first,
                Err(error) => return drop(opened.send(Err(error.message))),
            };
            let slot = ConnectionSlot::of(connection);
            let database = Self {
                address,
                deployment,
                tls,
                runtime: runtime.handle().clone(),
                call_runtime: CallRuntime::default(),
                time: BlockingMutex::new(time),
                statements: Mutex::new(slot),
                transactions: Mutex::default(),
                has_failed: Default::default(),
                rates_taken: AtomicU64::new(0),
                closing: CancellationToken::new(),
                background: TaskTracker::new(),
                stop: stop.clone(),
                ended: BlockingMutex::new(ended),
            };
            drop(opened.send(Ok(Arc::new(database))));
            runtime.block_on(stop.cancelled());
        };
        thread::Builder::new()
            .name("store".to_owned())
            .spawn(run)
            .map_err(|error| Message::failure("the thread of the store cannot be started", &error))?;
        result.recv().unwrap_or_else(|_| Err(Message::new("the thread of the store failed")))
    }

    /// Runs a transaction of several statements, which `work` begins and ends, on the thread of the store. `None` if
    /// the connection ended meanwhile: the transaction may have been committed.
    pub(crate) async fn transaction<T>(
        &self,
        deadline: Instant,
        work: impl AsyncFnOnce(&DatabaseConnection) -> Result<T, Error>,
    ) -> Option<Result<T, DatabaseError>> {
        let connection = match self.connect(Use::Transactions, deadline).await {
            Ok(connection) => connection,
            Err(error) => return Some(Err(error)),
        };
        let done = async {
            let _turn = connection.own_turn().await;
            let done = work(&connection).await;
            if done.is_err() && connection.client.batch_execute("ROLLBACK").await.is_err() {
                connection.break_off();
            }
            done
        };
        self.settle(Use::Transactions, &connection, timeout_at(deadline, done).await)
    }

    /// Judges the end of a statement; `None` if its connection was lost.
    fn settle<T, Elapsed>(
        &self,
        usage: Use,
        connection: &DatabaseConnection,
        done: Result<Result<T, Error>, Elapsed>,
    ) -> Option<Result<T, DatabaseError>> {
        Some(match done {
            Ok(Ok(value)) => {
                self.report(usage, None);
                Ok(value)
            }
            Ok(Err(error)) if connection.is_lost(&error) => return None,
            Ok(Err(error)) => Err(self.failed(usage, DatabaseError::of(&error, &self.address))),
            Err(_) => {
                // What follows on this connection would wait behind the statement.
                connection.break_off();
                Err(self.failed(usage, DatabaseError::timeout(&self.address)))
            }
        })
    }

    async fn connect(&self, usage: Use, deadline: Instant) -> Result<Arc<DatabaseConnection>, DatabaseError> {
        let connect = async {
            match self.open_slot(usage).await {
                Err(error) if error.is_connection_limit && usage == Use::Transactions => {
                    self.open_slot(Use::Statements).await
                }
                opened => opened,
            }
        };
        match timeout_at(deadline, connect).await {
            Ok(connected) => connected.map_err(|error| self.failed(usage, error)),
            Err(_) => Err(self.failed(usage, DatabaseError::timeout(&self.address))),
        }
    }

    /// Returns the connection of a slot, and opens it if it is missing.
    async fn open_slot(&self, usage: Use) -> Result<Arc<DatabaseConnection>, DatabaseError> {
        // A second connection that the database does not take is tried again later: the first serves for both.
        let (connection, time) = match usage {
            Use::Statements => {
                let connector = self.connector(Some(&self.call_runtime));
                self.statements.lock().await.open(&connector, None).await?
            }
            Use::Transactions => {
                let connector = self.connector(None);
                self.transactions.lock().await.open(&connector, Some(SECOND_CONNECTION_INTERVAL)).await?
            }
        };
        if let Some(time) = time {
            self.set_time(time);
        }
        Ok(connection)
    }

    fn connector<'a>(&'a self, of_calls: Option<&'a CallRuntime>) -> Connector<'a> {
        Connector { own: &self.runtime, of_calls, address: &self.address, tls: &self.tls }
    }

    fn failed(&self, usage: Use, error: DatabaseError) -> DatabaseError {
        self.report(usage, Some(&error));
        error
    }

    /// Tells the operator when the database begins to fail, and when it works again.
    fn report(&self, usage: Use, error: Option<&DatabaseError>) {
        let has_failed = &self.has_failed[usage as usize];
        // A plain load first: success is reported after every statement.
        if error.is_none() && !has_failed.load(Ordering::Relaxed) {
            return;
        }
        match (has_failed.swap(error.is_some(), Ordering::Relaxed), error) {
            (false, Some(error)) => {
                stderr::line(format_args!("store: {}: {}", usage.calls(), error.message));
            }
            (true, None) => stderr::line("store: the database works again"),
            _ => {}
        }
    }

    /// Whether the last transaction was committed.
    pub(crate) fn takes_transactions(&self) -> bool {
        !self.has_failed[Use::Transactions as usize].load(Ordering::Relaxed)
    }

    /// Returns the time since 1970 by the clock of the database, as far as it is known without asking: the clocks of replicas
    /// may differ by minutes.
    pub(crate) fn since_1970(&self) -> Duration {
        self.time.lock().unwrap_or_else(PoisonError::into_inner).now()
    }

    fn set_time(&self, time: DatabaseTime) {
        *self.time.lock().unwrap_or_else(PoisonError::into_inner) = time;
    }

    /// Checks that a statement is answered, with the time of the database.
    pub(crate) fn check(self: &Arc<Self>) -> BoxFuture<'static, Result<(), DatabaseError>> {
        let database = Arc::clone(self);
        let time = self.statement(|connection| Box::pin(async move { connection.time().await }));
        Box::pin(async move { time.await.map(|time| database.set_time(time)) })
    }

    /// Starts a task on the thread of the store. It must end when the server is [closing](Self::closing).
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.background.spawn_on(work, &self.runtime);
    }

    /// Waits until the server ends.
    pub(crate) async fn closing(&self) {
        self.closing.cancelled().await;
    }

    /// Waits for the tasks on the thread of the store, and ends it.
    pub(crate) fn close(&self) {
        self.closing.cancel();
        self.background.close();
        let (background, (ended, is_idle)) = (self.background.clone(), mpsc::channel());
        self.runtime.spawn(async move {
            background.wait().await;
            let _ = ended.send(());
        });
        let _ = is_idle.recv_timeout(STATEMENT_TIMEOUT);
        self.stop.cancel();
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        // The thread never sends anything: it disconnects.
        let _ = ended.recv_timeout(STATEMENT_TIMEOUT);
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // Not `close`: the last handle may be dropped on the thread itself.
        self.stop.cancel();
    }
}

/// Connects, and finds the id of the deployment.
async fn first_connection(
    address: &DatabaseAddress,
    tls: &MakeRustlsConnect,
    deployment: &str,
) -> Result<(DatabaseConnection, DatabaseTime, i32), DatabaseError> {
    let (connection, time) = DatabaseConnection::open(address, tls).await?;
    let parameters: [Parameter<'_>; 1] = [&deployment];
    let found = connection.client.query_opt("SELECT id FROM candor.deployments WHERE name = $1", &parameters);
    match found.await {
        Ok(Some(row)) => Ok((connection, time, row.get(0))),
        Ok(None) => Err(Message::new(format!("the store in {address} has no deployment `{deployment}`"))
            .note("each server on a database has a name there, so that two of them share nothing")
            .help(format!("correct `--deployment`, or add it: `store migrate --deployment {deployment}`"))
            .into()),
        Err(error) => Err(DatabaseError::of(&error, address)),
    }
}
