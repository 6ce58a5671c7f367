//! Runs handlers that block on threads that only threads of the same sandbox start.
//!
//! tokio starts the threads of its own pool from whichever thread asks for one, here a thread of the service, so that each
//! would have to be restricted by itself, which can fail. A thread that is started here inherits the restrictions.

use std::{
    collections::VecDeque,
    panic::{self, AssertUnwindSafe},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use tokio::{runtime::Handle, sync::oneshot};

use super::{SandboxId, threads};

/// The threads of one sandbox that may run blocking handlers at once; further ones wait.
const MAX_THREADS: usize = 512;
/// The time after which an idle thread ends, unless it is the only idle one.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

type BlockingCall = Box<dyn FnOnce() + Send>;

/// Threads for handlers that block. They end once this is dropped and their handlers are done.
pub(super) struct BlockingThreads(Arc<Pool>);

struct Pool {
    jobs: Mutex<Jobs>,
    /// A job was queued, or the pool was closed.
    changed: Condvar,
    ended: Condvar,
    thread_name: &'static str,
    /// Handlers may spawn tasks on the runtime of their sandbox.
    runtime: Handle,
    sandbox_id: Option<SandboxId>,
}

#[derive(Default)]
struct Jobs {
    waiting: VecDeque<BlockingCall>,
    threads: usize,
    idle: usize,
    /// Whether one of the threads is starting, and will be idle or take a call.
    is_starting: bool,
    closed: bool,
}

impl BlockingThreads {
    /// Makes a pool without threads: [`BlockingThreads::first_thread`] is its first.
    pub(super) fn new(thread_name: &'static str, runtime: Handle, sandbox_id: Option<SandboxId>) -> Self {
        let jobs = Mutex::new(Jobs { threads: 1, ..Jobs::default() });
        let (changed, ended) = (Condvar::new(), Condvar::new());
        Self(Arc::new(Pool { jobs, changed, ended, thread_name, runtime, sandbox_id }))
    }

    /// Returns the work of the first thread, from which all others inherit their restrictions. It ends with the pool.
    pub(super) fn first_thread(&self) -> impl FnOnce() + use<> {
        let pool = Arc::clone(&self.0);
        move || pool.run()
    }

    /// Runs `work` and returns its answer; `None` if it panicked. With `abort_on_drop`, work that has not begun does not
    /// begin once its caller stops waiting.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
        abort_on_drop: bool,
    ) -> Option<T> {
        let (sender, answer) = oneshot::channel();
        self.0.submit(Box::new(move || {
            if !(abort_on_drop && sender.is_closed()) {
                let _ = sender.send(work());
            }
        }));
        answer.await.ok()
    }

    /// Ends idle threads, and waits up to `timeout` for the busy ones.
    #[cfg(feature = "cli")]
    pub(super) fn stop(&self, timeout: Duration) {
        self.0.close();
        let start = std::time::Instant::now();
        let mut jobs = self.0.lock();
        while jobs.threads > 0 {
            let rest = timeout.saturating_sub(start.elapsed());
            if rest.is_zero() {
                return;
            }
            jobs = self.0.ended.wait_timeout(jobs, rest).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for BlockingThreads {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Pool {
    fn lock(&self) -> MutexGuard<'_, Jobs> {
        // Jobs run without the lock, so a panic cannot leave the queue inconsistent.
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn submit(&self, job: BlockingCall) {
        let mut jobs = self.lock();
        // A job that is dropped tells its caller so.
        if !jobs.closed {
            jobs.waiting.push_back(job);
            drop(jobs);
            self.changed.notify_one();
        }
    }

    fn close(&self) {
        let dropped = {
            let mut jobs = self.lock();
            jobs.closed = true;
            std::mem::take(&mut jobs.waiting)
        };
        self.changed.notify_all();
        drop(dropped);
    }

    /// Runs jobs until the pool is closed, or other threads are idle for long. Before a job occupies the last idle thread,
    /// that thread starts the next.
    fn run(self: &Arc<Self>) {
        threads::mark_own();
        SandboxId::set_current(self.sandbox_id);
        let _entered = self.runtime.enter();
        let mut jobs = self.lock();
        jobs.is_starting = false;
        loop {
            if let Some(job) = jobs.waiting.pop_front() {
                let grows = jobs.idle == 0 && !jobs.is_starting && jobs.threads < MAX_THREADS;
                jobs.threads += usize::from(grows);
                jobs.is_starting |= grows;
                drop(jobs);
                if grows {
                    self.start_thread();
                }
                // A panic is the end of this job alone; its caller learns it from the dropped channel.
                let _ = panic::catch_unwind(AssertUnwindSafe(job));
                jobs = self.lock();
                continue;
            }
            if jobs.closed {
                break;
            }
            let timed_out;
            (jobs, timed_out) = self.wait(jobs);
            // One stays: without an idle thread, the next one could not be started.
            if timed_out && jobs.waiting.is_empty() && jobs.idle > 0 {
                break;
            }
        }
        jobs.threads -= 1;
        drop(jobs);
        self.ended.notify_all();
    }

    /// Waits for a job. Returns whether none came in time; the only idle thread waits for ever.
    fn wait<'a>(&'a self, mut jobs: MutexGuard<'a, Jobs>) -> (MutexGuard<'a, Jobs>, bool) {
        jobs.idle += 1;
        let (mut jobs, timed_out) = if jobs.idle == 1 {
            (self.changed.wait(jobs).unwrap_or_else(PoisonError::into_inner), false)
        } else {
            let waited = self.changed.wait_timeout(jobs, KEEP_ALIVE).unwrap_or_else(PoisonError::into_inner);
            (waited.0, waited.1.timed_out())
        };
        jobs.idle -= 1;
        (jobs, timed_out)
    }

    /// Starts a thread, which has been counted. If the system has none left, jobs wait for the threads that there are.
    fn start_thread(self: &Arc<Self>) {
        let pool = Arc::clone(self);
        let thread = thread::Builder::new().name(self.thread_name.to_owned());
        if thread.spawn(move || pool.run()).is_err() {
            let mut jobs = self.lock();
            jobs.threads -= 1;
            jobs.is_starting = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use tokio::runtime::{Builder, Runtime};

    use super::*;

    fn threads() -> (Runtime, BlockingThreads) {
        let runtime = Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let threads = BlockingThreads::new("blocking-test", runtime.handle().clone(), None);
        thread::spawn(threads.first_thread());
        (runtime, threads)
    }

    fn wait<T>(future: impl Future<Output = T>) -> T {
        Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
    }

    #[test]
    fn blocking_handlers_that_wait_for_each_other_each_get_a_thread() {
        let (_runtime, threads) = threads();
        let barrier = Arc::new(std::sync::Barrier::new(20));
        let meet = || {
            let barrier = Arc::clone(&barrier);
            threads.run(move || _ = barrier.wait(), false)
        };
        let all = futures::future::join_all((0..20).map(|_| meet()));
        let met = wait(async { tokio::time::timeout(Duration::from_secs(20), all).await });
        assert_eq!(met.unwrap(), vec![Some(()); 20]);
    }

    #[test]
    fn blocking_handler_that_panics_fails_alone() {
        let (_runtime, threads) = threads();
        for _ in 0..3 {
            assert_eq!(wait(threads.run(|| panic!("on purpose"), false)), None::<()>);
            assert_eq!(wait(threads.run(|| 5, true)), Some(5));
        }
    }

    #[test]
    fn blocking_handlers_can_spawn_tasks_on_the_runtime_of_their_sandbox() {
        let (_runtime, threads) = threads();
        let (sender, receiver) = mpsc::channel();
        wait(threads.run(move || drop(tokio::spawn(async move { sender.send(5) })), false));
        assert_eq!(receiver.recv_timeout(Duration::from_secs(20)), Ok(5));
    }

    #[test]
    fn blocking_handler_whose_caller_left_before_it_began_does_not_begin_if_it_may_stop() {
        for abort_on_drop in [true, false] {
            let (_runtime, threads) = threads();
            // No thread is idle or can be started.
            threads.0.lock().threads = MAX_THREADS;
            let (release, released) = mpsc::channel::<()>();
            let (sender, receiver) = mpsc::channel();
            wait(async {
                let first = threads.run(move || released.recv().is_ok(), false);
                let second = threads.run(move || sender.send(()).is_ok(), abort_on_drop);
                let mut first = std::pin::pin!(first);
                tokio::select! {
                    biased;
                    _ = &mut first => unreachable!("it is not released"),
                    _ = second => unreachable!("it has no thread"),
                    () = std::future::ready(()) => {}
                }
                release.send(()).unwrap();
                assert_eq!(first.await, Some(true));
            });
            assert_eq!(receiver.recv_timeout(Duration::from_secs(20)).is_ok(), !abort_on_drop);
        }
    }

    #[test]
    fn threads_end_with_their_pool() {
        let (_runtime, threads) = threads();
        wait(threads.run(|| (), false));
        threads.stop(Duration::from_secs(20));
        assert_eq!(threads.0.lock().threads, 0);
    }
}
