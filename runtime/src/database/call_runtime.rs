//! Remembers the runtime of calls, and opens connections that it drives.

use std::sync::{Mutex, PoisonError};

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{
    address::DatabaseAddress,
    connection::{DatabaseConnection, DatabaseTime},
    error::DatabaseError,
};

/// The runtime of calls, once there is one.
#[derive(Default)]
pub(super) struct CallRuntime(Mutex<Option<Handle>>);

impl CallRuntime {
    /// Takes the current runtime, unless one was taken before or it has a single thread. Returns whether it did.
    pub(super) fn take_current(&self) -> bool {
        let mut of_calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let current = Handle::try_current().ok();
        let current = current.filter(|runtime| {
            runtime.runtime_flavor() == RuntimeFlavor::MultiThread && runtime.metrics().num_workers() > 1
        });
        if of_calls.is_some() || current.is_none() {
            return false;
        }
        *of_calls = current;
        true
    }

    fn get(&self) -> Option<Handle> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Opens connections to one database.
pub(super) struct Connector<'a> {
    /// The runtime of the store's own thread.
    pub(super) own: &'a Handle,
    /// The runtime of calls, if it drives the connections.
    pub(super) of_calls: Option<&'a CallRuntime>,
    pub(super) address: &'a DatabaseAddress,
    pub(super) tls: &'a MakeRustlsConnect,
}

impl Connector<'_> {
    /// Opens a connection, with the time of the database. The runtime of calls drives it if it is known and has not ended,
    /// and otherwise the store's own.
    pub(super) async fn connect(&self) -> Result<(DatabaseConnection, DatabaseTime), DatabaseError> {
        if let Some(of_calls) = self.of_calls
            && let Some(runtime) = of_calls.get()
        {
            match self.connect_on(&runtime).await {
                Some(opened) => return opened,
                None => of_calls.forget(),
            }
        }
        self.connect_on(self.own).await.unwrap_or_else(|| Err(DatabaseError::closed()))
    }

    /// `None` if the runtime has ended.
    async fn connect_on(
        &self,
        runtime: &Handle,
    ) -> Option<Result<(DatabaseConnection, DatabaseTime), DatabaseError>> {
        let (address, tls) = (self.address.clone(), self.tls.clone());
        runtime.spawn(async move { DatabaseConnection::open(&address, &tls).await }).await.ok()
    }
}
