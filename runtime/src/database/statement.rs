//! Runs statements that are transactions of their own, on the task of their caller.

use std::sync::Arc;

use futures::future::BoxFuture;
use tokio::time::{Instant, timeout_at};
use tokio_postgres::Error;

use super::{Database, DatabaseConnection, DatabaseError, STATEMENT_TIMEOUT, Use};

impl Database {
    /// Runs a statement that is a transaction of its own. It is run again if the connection ends, so it must not matter
    /// whether it takes effect once or twice.
    pub(crate) fn statement<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl Fn(Arc<DatabaseConnection>) -> BoxFuture<'static, Result<T, Error>> + Send + Sync + 'static,
    ) -> BoxFuture<'static, Result<T, DatabaseError>> {
        self.run_statement(work, true)
    }

    /// Runs a statement that is a transaction of its own. If the connection ends, it may have taken effect.
    pub(crate) fn statement_once<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl Fn(Arc<DatabaseConnection>) -> BoxFuture<'static, Result<T, Error>> + Send + Sync + 'static,
    ) -> BoxFuture<'static, Result<T, DatabaseError>> {
        self.run_statement(work, false)
    }

    fn run_statement<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl Fn(Arc<DatabaseConnection>) -> BoxFuture<'static, Result<T, Error>> + Send + Sync + 'static,
        again: bool,
    ) -> BoxFuture<'static, Result<T, DatabaseError>> {
        let database = Arc::clone(self);
        Box::pin(async move {
            let deadline = Instant::now() + STATEMENT_TIMEOUT;
            loop {
                if database.stop.is_cancelled() {
                    return Err(DatabaseError::closed());
                }
                let connection = match database.open_connection() {
                    Some(connection) => connection,
                    None => database.connect(Use::Statements, deadline).await?,
                };
                let done = async {
                    let _turn = connection.shared_turn().await;
                    work(Arc::clone(&connection)).await
                };
                match database.settle(Use::Statements, &connection, timeout_at(deadline, done).await) {
                    Some(done) => return done,
                    None if again => {}
                    None => return Err(DatabaseError::lost(&database.address)),
                }
            }
        })
    }

    /// Returns the connection for statements, if it is open and no caller is about to open another.
    fn open_connection(&self) -> Option<Arc<DatabaseConnection>> {
        self.statements.try_lock().ok()?.usable().cloned()
    }

    /// Lets the current runtime drive the connection for statements: a call on another thread would wait for two wake-ups
    /// more. Does nothing on a runtime of one thread, which may wait for the store while it is closed.
    pub(crate) fn drive_here(self: &Arc<Self>) {
        if self.call_runtime.take_current() {
            let database = Arc::clone(self);
            tokio::spawn(async move {
                // Without it, the connection that is open goes on.
                if let Ok((connection, time)) =
                    DatabaseConnection::open(&database.address, &database.tls).await
                {
                    database.statements.lock().await.replace(connection);
                    database.set_time(time);
                }
            });
        }
    }
}
