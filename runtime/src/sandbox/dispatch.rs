//! Work → the threads of a runtime: what many calls bring at once wakes them once.
//!
//! A wake-up of another thread costs more than all else that a sandboxed call adds, and a client that has thirty calls under
//! way sends them in one go.

use std::{
    mem,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    task::Poll,
};

use tokio::{
    runtime::Handle,
    sync::{Notify, oneshot},
};
use tokio_util::task::AbortOnDropHandle;

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The way into a runtime. Who opens it comes with the first that knocks.
pub(crate) struct Dispatcher {
    runtime: Handle,
    inside: Arc<Queue>,
    drain_task: OnceLock<AbortOnDropHandle<()>>,
}

#[derive(Default)]
struct Queue {
    waiting: Mutex<Vec<Work>>,
    notify: Notify,
}

impl Queue {
    fn waiting(&self) -> MutexGuard<'_, Vec<Work>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn open(self: Arc<Self>) {
        loop {
            self.notify.notified().await;
            let waiting = mem::take(&mut *self.waiting());
            // Tasks of their own: one that computes for long holds up none that another thread could take.
            for work in waiting {
                tokio::spawn(work);
            }
        }
    }
}

impl Dispatcher {
    pub(super) fn to(runtime: Handle) -> Self {
        Self { runtime, inside: Arc::default(), drain_task: OnceLock::new() }
    }

    /// Runs `work` inside, and brings its answer; none where it panicked. Where it `stops`, it does so once nobody waits
    /// for the answer any more.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
        stops: bool,
    ) -> Option<T> {
        let (mut answer, hear) = oneshot::channel();
        self.enter(async move {
            if !stops {
                let _ = answer.send(work.await);
                return;
            }
            tokio::select! {
                biased;
                () = answer.closed() => {}
                done = work => drop(answer.send(done)),
            }
        })
        .await;
        hear.await.ok()
    }

    /// The same for a function that blocks, on a thread that is started inside.
    pub(super) async fn block<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
        stops: bool,
    ) -> Option<T> {
        let (answer, hear) = oneshot::channel();
        self.enter(async move {
            tokio::task::spawn_blocking(move || {
                if !(stops && answer.is_closed()) {
                    let _ = answer.send(work());
                }
            });
        })
        .await;
        hear.await.ok()
    }

    async fn enter(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.drain_task
            .get_or_init(|| AbortOnDropHandle::new(self.runtime.spawn(Arc::clone(&self.inside).open())));
        let first = {
            let mut waiting = self.inside.waiting();
            waiting.push(Box::pin(work));
            waiting.len() == 1
        };
        if first {
            // Whoever comes while this one lets others go first goes in with it.
            let _knock = NotifyOnDrop(&self.inside);
            pass_turn().await;
        }
    }
}

/// Knocks when it is dropped: also when the call that was first is given up before its turn.
struct NotifyOnDrop<'a>(&'a Queue);

impl Drop for NotifyOnDrop<'_> {
    fn drop(&mut self) {
        self.0.notify.notify_one();
    }
}

/// Lets the tasks that are ready go first. Unlike tokio's `yield_now`, it does not ask the system for events in between.
async fn pass_turn() {
    let mut passed = false;
    std::future::poll_fn(|cx| {
        if mem::replace(&mut passed, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[cfg(test)]
mod tests {
    use std::{
        pin::pin,
        sync::atomic::{AtomicBool, Ordering},
        task::{Context, Waker},
    };

    use tokio::runtime::{Builder, Runtime};

    use super::*;

    const PATIENCE: std::time::Duration = std::time::Duration::from_secs(5);

    fn inside(threads: usize) -> (Runtime, Dispatcher) {
        let runtime = Builder::new_multi_thread().worker_threads(threads).build().unwrap();
        let dispatcher = Dispatcher::to(runtime.handle().clone());
        (runtime, dispatcher)
    }

    /// Dropped work says so.
    struct Dropped(Arc<AtomicBool>);

    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    #[test]
    fn a_panic_takes_nothing_else_with_it() {
        for threads in [1, 2] {
            let (runtime, dispatcher) = inside(threads);
            let outside = Builder::new_current_thread().build().unwrap();
            let panics = dispatcher.run(async { panic!("on purpose") }, false);
            let waits = dispatcher.run(tokio::task::yield_now(), true);
            let answers = async { tokio::join!(panics, dispatcher.run(async { 5 }, true), waits) };
            assert_eq!(outside.block_on(answers), (None::<()>, Some(5), Some(())));
            drop(runtime);
        }
    }

    #[test]
    fn work_that_blocks_in_place_holds_up_none_that_came_with_it() {
        let (runtime, dispatcher) = inside(1);
        let outside = Builder::new_current_thread().build().unwrap();
        let (go, wait) = std::sync::mpsc::channel();
        let blocks = async move { tokio::task::block_in_place(|| wait.recv_timeout(PATIENCE).is_ok()) };
        let frees = async move { go.send(()).is_ok() };
        let both = async { tokio::join!(dispatcher.run(blocks, false), dispatcher.run(frees, false)) };
        assert_eq!(outside.block_on(both), (Some(true), Some(true)));
        drop(runtime);
    }

    #[test]
    fn a_call_that_is_given_up_before_its_turn_leaves_nobody_outside() {
        let (runtime, dispatcher) = inside(1);
        let outside = Builder::new_current_thread().build().unwrap();
        let mut first = Box::pin(dispatcher.run(async { 1 }, false));
        let mut second = pin!(dispatcher.run(async { 2 }, false));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(first.as_mut().poll(&mut cx).is_pending());
        assert!(second.as_mut().poll(&mut cx).is_pending());
        drop(first);
        assert_eq!(outside.block_on(second), Some(2));
        drop(runtime);
    }

    #[test]
    fn work_stops_with_its_listener_where_it_may() {
        for stops in [true, false] {
            let (runtime, dispatcher) = inside(1);
            let outside = Builder::new_current_thread().build().unwrap();
            let gone = Arc::new(AtomicBool::new(false));
            let (dropped, (go, wait)) = (Dropped(Arc::clone(&gone)), oneshot::channel::<()>());
            let work = async move {
                let _dropped = dropped;
                wait.await.is_ok()
            };
            let mut listened = Box::pin(dispatcher.run(work, stops));
            let mut cx = Context::from_waker(Waker::noop());
            assert!(listened.as_mut().poll(&mut cx).is_pending());
            drop(listened);
            // One thread inside, first come, first served: twice through the dispatcher, and the work has seen that nobody listens.
            outside.block_on(async {
                dispatcher.run(async {}, false).await;
                dispatcher.run(async {}, false).await;
            });
            assert_eq!(gone.load(Ordering::SeqCst), stops);
            assert_eq!(go.send(()).is_ok(), !stops);
            drop(runtime);
        }
    }
}
