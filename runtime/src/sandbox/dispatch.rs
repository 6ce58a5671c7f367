//! Sends work to the threads of another runtime and wakes them once for all the calls that arrive together.
//!
//! Waking another thread costs more than everything else that a sandboxed call adds, and a client with thirty calls in
//! flight sends them in one go.

use std::{
    mem,
    sync::{
        Arc, LazyLock, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::Poll,
    time::{Duration, Instant},
};

use futures::{FutureExt as _, future::BoxFuture};
use tokio::{
    runtime::Handle,
    sync::{Notify, oneshot},
};
use tokio_util::task::AbortOnDropHandle;

/// The time in which a runtime takes work, unless handlers block all of its threads.
const STALL_TIME: Duration = Duration::from_millis(250);

/// Submits work to another runtime. The task that drains the queue is spawned on first use.
pub(crate) struct Dispatcher {
    runtime: Handle,
    queue: Arc<Queue>,
    drain_task: OnceLock<AbortOnDropHandle<()>>,
}

#[derive(Default)]
struct Queue {
    waiting: Mutex<Vec<BoxFuture<'static, ()>>>,
    /// The time at which the first of them was queued, in milliseconds since [`FIRST_USE`]; 0 if the queue is empty.
    waiting_since: AtomicU64,
    notify: Notify,
}

/// The first use of a queue.
static FIRST_USE: LazyLock<Instant> = LazyLock::new(Instant::now);

fn now_ms() -> u64 {
    u64::try_from(FIRST_USE.elapsed().as_millis()).unwrap_or(u64::MAX).max(1)
}

impl Queue {
    fn waiting(&self) -> MutexGuard<'_, Vec<BoxFuture<'static, ()>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn drain(self: Arc<Self>) {
        loop {
            self.notify.notified().await;
            let waiting = {
                let mut waiting = self.waiting();
                self.waiting_since.store(0, Ordering::Relaxed);
                mem::take(&mut *waiting)
            };
            // A task each: another worker can take the next one while the first computes.
            for work in waiting {
                tokio::spawn(work);
            }
        }
    }
}

impl Dispatcher {
    pub(super) fn to(runtime: Handle) -> Self {
        Self { runtime, queue: Arc::default(), drain_task: OnceLock::new() }
    }

    /// Returns whether work waits for a runtime whose threads are all blocked.
    pub(super) fn is_stalled(&self) -> bool {
        let since = self.queue.waiting_since.load(Ordering::Relaxed);
        since > 0 && Duration::from_millis(now_ms().saturating_sub(since)) > STALL_TIME
    }

    /// Runs `work` on the other runtime and returns its answer; `None` if it panicked. Work whose caller stops waiting
    /// before it begins does not begin. With `abort_on_drop`, it also ends as soon as its caller stops waiting.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
        abort_on_drop: bool,
    ) -> Option<T> {
        let (mut sender, answer) = oneshot::channel();
        let work = async move {
            if sender.is_closed() {
                return;
            }
            if !abort_on_drop {
                let _ = sender.send(work.await);
                return;
            }
            tokio::select! {
                biased;
                () = sender.closed() => {}
                done = work => drop(sender.send(done)),
            }
        };
        self.submit(work.boxed()).await;
        answer.await.ok()
    }

    async fn submit(&self, work: BoxFuture<'static, ()>) {
        self.drain_task.get_or_init(|| {
            AbortOnDropHandle::new(self.runtime.spawn(Arc::clone(&self.queue).drain().boxed()))
        });
        let is_first = {
            let mut waiting = self.queue.waiting();
            waiting.push(work);
            if waiting.len() == 1 {
                self.queue.waiting_since.store(now_ms(), Ordering::Relaxed);
            }
            waiting.len() == 1
        };
        if is_first {
            // Work that arrives while this task lets others run first joins the same batch.
            let _notify = NotifyOnDrop(&self.queue);
            pass_turn().await;
        }
    }
}

/// Notifies the queue on drop, and so also when the first call of a batch is cancelled before its turn.
struct NotifyOnDrop<'a>(&'a Queue);

impl Drop for NotifyOnDrop<'_> {
    fn drop(&mut self) {
        self.0.notify.notify_one();
    }
}

/// Lets ready tasks run first. Unlike tokio's `yield_now`, it does not ask the system for events in between.
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

    const ANSWER_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(5);

    fn runtime(threads: usize) -> (Runtime, Dispatcher) {
        let runtime = Builder::new_multi_thread().worker_threads(threads).build().unwrap();
        let dispatcher = Dispatcher::to(runtime.handle().clone());
        (runtime, dispatcher)
    }

    fn caller() -> Runtime {
        Builder::new_current_thread().build().unwrap()
    }

    /// Sets its flag when it is dropped.
    struct FlagOnDrop(Arc<AtomicBool>);

    impl Drop for FlagOnDrop {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    #[test]
    fn dispatched_work_that_panics_fails_alone() {
        for threads in [1, 2] {
            let (runtime, dispatcher) = runtime(threads);
            let panics = dispatcher.run(async { panic!("on purpose") }, false);
            let waits = dispatcher.run(tokio::task::yield_now(), true);
            let answers = async { tokio::join!(panics, dispatcher.run(async { 5 }, true), waits) };
            assert_eq!(caller().block_on(answers), (None::<()>, Some(5), Some(())));
            drop(runtime);
        }
    }

    #[test]
    fn dispatched_work_that_blocks_in_place_does_not_delay_its_batch() {
        let (runtime, dispatcher) = runtime(1);
        let (sender, receiver) = std::sync::mpsc::channel();
        let blocks =
            async move { tokio::task::block_in_place(|| receiver.recv_timeout(ANSWER_TIMEOUT).is_ok()) };
        let unblocks = async move { sender.send(()).is_ok() };
        let both = async { tokio::join!(dispatcher.run(blocks, false), dispatcher.run(unblocks, false)) };
        assert_eq!(caller().block_on(both), (Some(true), Some(true)));
        drop(runtime);
    }

    #[test]
    fn dispatched_batch_whose_first_call_is_cancelled_still_runs() {
        let (runtime, dispatcher) = runtime(1);
        let mut first = Box::pin(dispatcher.run(async { 1 }, false));
        let mut second = pin!(dispatcher.run(async { 2 }, false));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(first.as_mut().poll(&mut cx).is_pending());
        assert!(second.as_mut().poll(&mut cx).is_pending());
        drop(first);
        assert_eq!(caller().block_on(second), Some(2));
        drop(runtime);
    }

    #[test]
    fn dispatched_work_stops_with_its_caller_if_it_may() {
        for abort_on_drop in [true, false] {
            let (runtime, dispatcher) = runtime(1);
            let dropped = Arc::new(AtomicBool::new(false));
            let (flag, (sender, receiver)) = (FlagOnDrop(Arc::clone(&dropped)), oneshot::channel::<()>());
            let work = async move {
                let _flag = flag;
                receiver.await.is_ok()
            };
            let mut call = Box::pin(dispatcher.run(work, abort_on_drop));
            // The runtime has one thread and runs tasks in order: after two more, the work has begun, or has noticed.
            let two_more = || async {
                dispatcher.run(async {}, false).await;
                dispatcher.run(async {}, false).await;
            };
            caller().block_on(async {
                tokio::select! {
                    biased;
                    _ = &mut call => unreachable!("it waits"),
                    () = two_more() => {}
                }
            });
            drop(call);
            caller().block_on(two_more());
            assert_eq!(dropped.load(Ordering::SeqCst), abort_on_drop);
            assert_eq!(sender.send(()).is_ok(), !abort_on_drop);
            drop(runtime);
        }
    }
    #[test]
    fn dispatched_work_whose_caller_left_before_it_began_does_not_begin() {
        let (runtime, dispatcher) = runtime(1);
        let (sender, receiver) = std::sync::mpsc::channel();
        let mut call = Box::pin(dispatcher.run(async move { sender.send(()).is_ok() }, false));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(call.as_mut().poll(&mut cx).is_pending());
        drop(call);
        caller().block_on(dispatcher.run(async {}, false));
        assert!(receiver.recv_timeout(ANSWER_TIMEOUT).is_err(), "the work was dropped");
        drop(runtime);
    }

    #[test]
    fn dispatcher_is_stalled_while_every_thread_of_its_runtime_is_blocked() {
        let (runtime, dispatcher) = runtime(1);
        let (begun_sender, begun) = std::sync::mpsc::channel();
        let (sender, receiver) = std::sync::mpsc::channel::<()>();
        runtime.spawn(async move { begun_sender.send(()).is_ok() && receiver.recv().is_ok() });
        assert_eq!(begun.recv_timeout(ANSWER_TIMEOUT), Ok(()));
        assert!(!dispatcher.is_stalled(), "nothing waits");
        let mut waits = Box::pin(dispatcher.run(async { 5 }, false));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(waits.as_mut().poll(&mut cx).is_pending());
        assert!(waits.as_mut().poll(&mut cx).is_pending());
        while !dispatcher.is_stalled() {
            std::thread::yield_now();
        }
        drop(sender);
        assert_eq!(caller().block_on(waits), Some(5));
        assert!(!dispatcher.is_stalled(), "it was taken");
        drop(runtime);
    }
}
