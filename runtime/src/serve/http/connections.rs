//! Counts the open connections, and picks the one that makes room for another.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use tokio_util::sync::CancellationToken;

/// The open connections of one port.
pub(super) struct Connections {
    max: usize,
    open: Mutex<ConnectionTable>,
}

#[derive(Default)]
struct ConnectionTable {
    next: u64,
    by_id: HashMap<u64, OpenConnection>,
}

struct OpenConnection {
    evicted: CancellationToken,
    /// Requests whose answers are not sent.
    in_flight: usize,
    idle_since: Instant,
}

/// One open connection; closed when it is dropped.
pub(super) struct Connection {
    connections: Arc<Connections>,
    id: u64,
    evicted: CancellationToken,
}

/// A request of a connection, until its answer is sent.
pub(super) struct RequestGuard {
    connections: Arc<Connections>,
    id: u64,
}

impl Connections {
    pub(super) fn new(max: usize) -> Self {
        Self { max, open: Mutex::default() }
    }

    /// Opens a connection. At the limit, the connection that has been idle the longest is evicted; `None` if all have
    /// requests in flight.
    pub(super) fn open(self: &Arc<Self>) -> Option<Connection> {
        let mut open = self.lock();
        if open.by_id.len() >= self.max {
            let idle = open.by_id.iter().filter(|(_, state)| state.in_flight == 0);
            let (&oldest, _) = idle.min_by_key(|(_, state)| state.idle_since)?;
            if let Some(state) = open.by_id.remove(&oldest) {
                state.evicted.cancel();
            }
        }
        let (id, evicted) = (open.next, CancellationToken::new());
        open.next += 1;
        let state = OpenConnection { evicted: evicted.clone(), in_flight: 0, idle_since: Instant::now() };
        open.by_id.insert(id, state);
        Some(Connection { connections: Arc::clone(self), id, evicted })
    }

    fn lock(&self) -> MutexGuard<'_, ConnectionTable> {
        // A panic cannot leave the map inconsistent.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connection {
    /// Marks the connection as busy until the guard is dropped.
    pub(super) fn begin_request(&self) -> RequestGuard {
        if let Some(state) = self.connections.lock().by_id.get_mut(&self.id) {
            state.in_flight += 1;
        }
        RequestGuard { connections: Arc::clone(&self.connections), id: self.id }
    }

    /// Waits until another connection needs the place of this one.
    pub(super) async fn evicted(&self) {
        self.evicted.cancelled().await;
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.connections.lock().by_id.remove(&self.id);
    }
}

impl Drop for RequestGuard {
    fn drop(&mut self) {
        if let Some(state) = self.connections.lock().by_id.get_mut(&self.id) {
            state.in_flight -= 1;
            state.idle_since = Instant::now();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connection_limit_evicts_the_longest_idle_connection_and_no_busy_one() {
        let connections = Arc::new(Connections::new(2));
        let busy = connections.open().expect("a place");
        let request = busy.begin_request();
        let idle = connections.open().expect("a place");
        let third = connections.open().expect("the place of the idle one");
        assert!(idle.evicted.is_cancelled());
        assert!(!busy.evicted.is_cancelled());
        let _second_request = third.begin_request();
        assert!(connections.open().is_none(), "both are busy");
        drop(request);
        assert!(connections.open().is_some());
        assert!(busy.evicted.is_cancelled());
    }
}
