//! Starts the threads of a profile: one thread restricts itself, and all others inherit its restrictions.

use std::{
    cell::Cell,
    num::{NonZero, NonZeroU32},
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use tokio::runtime::{Builder, Runtime};

use super::{Profile, Rules, SandboxConfig, blocking::BlockingThreads, dispatch::Dispatcher, threads};
use crate::{message::Message, start_runtime::start_runtime, stderr};

/// The fewest threads for `async` handlers of one sandbox. A handler that blocks holds one of them until it is done.
const MIN_WORKERS: usize = 4;
/// The pause before a thread tries again to restrict itself.
const RESTRICT_RETRY_DELAY: Duration = Duration::from_millis(50);

/// A runtime whose start has begun on another thread.
pub(crate) type PrestartedRuntime = Option<mpsc::Receiver<Result<HandlerRuntime, Message>>>;

/// Threads for handlers: all in one sandbox, or all without one. It may be dropped on any thread.
pub(crate) struct HandlerRuntime {
    /// `None` once it is stopped.
    runtime: Mutex<Option<Runtime>>,
    pub(super) dispatcher: Dispatcher,
    pub(super) blocking: BlockingThreads,
    pub(super) sandbox_id: Option<SandboxId>,
}

impl HandlerRuntime {
    /// Starts the threads of `profile`, or threads without a sandbox, from a first thread that restricts itself.
    pub(super) fn start(config: &SandboxConfig, profile: Option<Profile>) -> Result<Self, Message> {
        let (sender, started) = mpsc::channel();
        let config = config.clone();
        let first = move || {
            let restriction = profile.map(|profile| Restriction::enter(&config, profile)).transpose();
            match restriction {
                Ok(restriction) => Self::start_here(restriction, profile, &sender),
                Err(reason) => drop(sender.send(Err(reason))),
            }
        };
        let thread = thread::Builder::new().name(thread_name(profile).to_owned());
        thread.spawn(first).map_err(|error| Message::new(error.to_string()))?;
        started.recv().unwrap_or_else(|_| Err(Message::new("their first thread panicked")))
    }

    /// Starts threads that inherit the restrictions of the current one, sends their runtime to `started`, and runs blocking
    /// handlers on the current thread until that runtime is dropped.
    pub(super) fn start_here(
        restriction: Option<Restriction>,
        profile: Option<Profile>,
        started: &mpsc::Sender<Result<Self, Message>>,
    ) {
        let sandbox_id = restriction.as_ref().map(|restriction| restriction.sandbox_id);
        let mut builder = Builder::new_multi_thread();
        builder.thread_name(thread_name(profile)).worker_threads(worker_count());
        if let Some(restriction) = restriction {
            builder.on_thread_start(move || restriction.join());
        }
        let runtime = match start_runtime(&mut builder) {
            Ok(runtime) => runtime,
            Err(error) => {
                return drop(started.send(Err(Message::failure("no runtime can be started", &error))));
            }
        };
        let handle = runtime.handle().clone();
        let blocking = BlockingThreads::new(thread_name(profile), handle.clone(), sandbox_id);
        let first_thread = blocking.first_thread();
        let runtime = Mutex::new(Some(runtime));
        let dispatcher = Dispatcher::to(handle);
        drop(started.send(Ok(Self { runtime, dispatcher, blocking, sandbox_id })));
        first_thread();
    }

    fn take(&self) -> Option<Runtime> {
        self.runtime.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Stops the threads, and waits up to `timeout` for the busy ones. Tasks that are still on them are dropped.
    #[cfg(feature = "cli")]
    pub(super) fn stop(&self, timeout: Duration) {
        if let Some(runtime) = self.take() {
            runtime.shutdown_timeout(timeout);
        }
        self.blocking.stop(timeout);
    }
}

impl Drop for HandlerRuntime {
    fn drop(&mut self) {
        // Waiting for threads is not allowed inside another runtime, and no answer depends on these.
        if let Some(runtime) = self.take() {
            runtime.shutdown_background();
        }
    }
}

fn thread_name(profile: Option<Profile>) -> &'static str {
    profile.map_or("handler", Profile::thread_name)
}

fn worker_count() -> usize {
    thread::available_parallelism().map_or(MIN_WORKERS, |cores| NonZero::get(cores).max(MIN_WORKERS))
}

/// The runtimes of one profile that may run at once, if handlers block all threads of the earlier ones.
const MAX_RUNTIMES: usize = 4;

/// The runtime of a profile, started on first use, and replaced while its handlers block all of its threads.
#[derive(Default)]
pub(super) struct LazyRuntime {
    runtimes: [OnceLock<HandlerRuntime>; MAX_RUNTIMES],
    current: AtomicUsize,
    starting: Mutex<()>,
    /// Whether the last attempt to start it failed.
    failed: AtomicBool,
}

impl LazyRuntime {
    /// Returns the runtime, and starts it if it does not run. After a failure, the next call tries again.
    pub(super) fn get_or_start(
        &self,
        profile: Option<Profile>,
        start: impl FnOnce() -> Result<HandlerRuntime, Message>,
    ) -> Option<&HandlerRuntime> {
        match self.runtimes[self.current.load(Ordering::Relaxed)].get() {
            Some(runtime) if !runtime.dispatcher.is_stalled() => Some(runtime),
            _ => self.start(profile, start),
        }
    }

    fn start(
        &self,
        profile: Option<Profile>,
        start: impl FnOnce() -> Result<HandlerRuntime, Message>,
    ) -> Option<&HandlerRuntime> {
        let _starting = self.starting.lock().unwrap_or_else(PoisonError::into_inner);
        let current = self.current.load(Ordering::Relaxed);
        let after = |runtime: usize| (current + runtime) % MAX_RUNTIMES;
        let is_stalled = |runtime: &HandlerRuntime| runtime.dispatcher.is_stalled();
        let mut usable =
            (0..MAX_RUNTIMES).map(after).filter(|&at| !self.runtimes[at].get().is_some_and(is_stalled));
        // If all are stalled, calls wait, and are answered at their deadlines.
        let Some(next) = usable.next() else { return self.runtimes[current].get() };
        let words = profile.map_or("unsandboxed", Profile::words);
        if self.runtimes[next].get().is_none() {
            match start() {
                Ok(runtime) => _ = self.runtimes[next].set(runtime),
                Err(reason) => {
                    self.report_failure(words, &reason);
                    return self.runtimes[current].get();
                }
            }
        }
        self.failed.store(false, Ordering::Relaxed);
        self.current.store(next, Ordering::Relaxed);
        if next != current {
            let message = Message::new(format!(
                "all threads for `async` handlers of {words} tools are blocked"
            ))
            .note("further calls run on other threads")
            .help("declare a handler that blocks as `fn`, or let it block in `tokio::task::spawn_blocking`");
            stderr::line(format_args!("warning: {message}"));
        }
        self.runtimes[next].get()
    }

    fn report_failure(&self, words: &str, reason: &Message) {
        if !self.failed.swap(true, Ordering::Relaxed) {
            let message = Message::new(format!("threads of {words} tools cannot be started"))
                .because(reason)
                .note("calls of these tools do not run until they can");
            stderr::line(format_args!("error: {message}"));
        }
    }

    /// Returns the runtimes that run.
    #[cfg(feature = "cli")]
    pub(super) fn running(&self) -> impl Iterator<Item = &HandlerRuntime> {
        self.runtimes.iter().filter_map(OnceLock::get)
    }

    /// Returns whether the last attempt to start it failed.
    pub(super) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }
}

/// Distinguishes the threads of one runtime from all other sandboxed threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SandboxId(pub(super) NonZeroU32);

thread_local! {
    /// The sandbox that this thread was started for, if its rules are in force.
    static CURRENT: Cell<Option<SandboxId>> = const { Cell::new(None) };
}

impl SandboxId {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        Self(NonZeroU32::new(NEXT.fetch_add(1, Ordering::Relaxed)).unwrap_or(NonZeroU32::MAX))
    }

    /// Returns whether the current thread is in this sandbox. Sandboxed work checks this before it starts.
    pub(crate) fn is_here(self) -> bool {
        CURRENT.get() == Some(self)
    }

    /// Marks the current thread as one of `sandbox_id`, whose rules it has inherited.
    pub(super) fn set_current(sandbox_id: Option<Self>) {
        CURRENT.set(sandbox_id);
    }
}

/// The restrictions that a thread has put in force on itself, for the threads that it starts.
pub(super) struct Restriction {
    rules: Rules,
    sandbox_id: SandboxId,
}

impl Restriction {
    /// Puts the rules of `profile` in force on the current thread, and so on all threads that it starts.
    pub(super) fn enter(config: &SandboxConfig, profile: Profile) -> Result<Self, Message> {
        threads::mark_own();
        let sandbox_id = SandboxId::new();
        let rules = Rules::new(config, profile, sandbox_id)?;
        rules.restrict()?;
        Ok(Self { rules, sandbox_id })
    }

    /// Lets the current thread run work of this sandbox. It has inherited the rules, unless a thread without them started
    /// it: a handler may have passed on the handle of its runtime. Then it waits until it is restricted, too.
    fn join(&self) {
        threads::mark_own();
        if !self.rules.is_in_force() {
            let mut is_reported = false;
            while let Err(reason) = self.rules.restrict() {
                if !is_reported {
                    let message = Message::new("a thread of a sandbox cannot be restricted")
                        .because(&reason)
                        .note("it runs nothing until it is");
                    stderr::line(format_args!("error: {message}"));
                }
                is_reported = true;
                thread::sleep(RESTRICT_RETRY_DELAY);
            }
        }
        SandboxId::set_current(Some(self.sandbox_id));
    }
}
