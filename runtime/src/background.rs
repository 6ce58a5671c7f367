//! Notices background work that ends although the server needs it: a line on stderr, and not ready any more.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

use futures::FutureExt as _;
use tokio::task::JoinHandle;

use crate::{message::Message, stderr};

/// The background work of one server. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Background {
    ended: Arc<Mutex<BTreeSet<&'static str>>>,
}

impl Background {
    /// Spawns work that must go on as long as its handle is not aborted.
    pub(crate) fn spawn(
        &self,
        name: &'static str,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> JoinHandle<()> {
        let end = EndReporter { name, background: self.clone(), has_ended: false };
        let work = async move {
            let mut end = end;
            work.await;
            end.has_ended = true;
        };
        tokio::spawn(work.boxed())
    }

    /// Returns the names of the work that has ended.
    #[cfg_attr(not(feature = "http"), expect(dead_code, reason = "only HTTP has a readiness endpoint"))]
    pub(crate) fn ended(&self) -> Vec<&'static str> {
        self.lock().iter().copied().collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<&'static str>> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reports the end of the work: its return or its panic. A task that is aborted, or whose runtime stops, is dropped without
/// either.
struct EndReporter {
    name: &'static str,
    background: Background,
    has_ended: bool,
}

impl Drop for EndReporter {
    fn drop(&mut self) {
        if (self.has_ended || thread::panicking()) && self.background.lock().insert(self.name) {
            let fact = format!("{} ended, which is a defect of the server", self.name);
            let message = Message::new(fact).help("restart the server");
            stderr::line(format_args!("error: {message}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn background_work_that_panics_or_returns_has_ended_and_aborted_work_has_not() {
        let background = Background::default();
        let pending = background.spawn("pending", std::future::pending());
        let _ = background.spawn("panics", async { panic!("on purpose") }).await;
        let _ = background.spawn("returns", async {}).await;
        pending.abort();
        assert!(pending.await.unwrap_err().is_cancelled());
        assert_eq!(background.ended(), ["panics", "returns"]);
    }
}
