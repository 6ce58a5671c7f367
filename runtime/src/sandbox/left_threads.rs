//! Notices threads that outlive the sandboxed call that started them. They stay in its sandbox for good, so that tools with
//! other rights that hand work to them later fail, for example the workers of a pool that starts on first use.

use std::{
    collections::HashSet,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use futures::FutureExt as _;
use tokio::runtime::Handle;

use super::threads::{self, Thread};
use crate::{message::Message, stderr};

/// The calls of a tool after which threads are always looked for. Pools start on first use.
const FIRST_CALLS: u8 = 3;
/// The time between later looks, over all tools.
const INTERVAL: Duration = Duration::from_secs(5);
/// The time in which a thread may end after its call without being noticed.
const GRACE: Duration = Duration::from_millis(500);
/// The pause between looks at a thread that may be ending.
#[cfg(any(feature = "cli", feature = "testing"))]
const END_POLL_INTERVAL: Duration = Duration::from_millis(10);
/// The bytes of a thread's name that Linux keeps.
const MAX_NAME_BYTES: usize = 15;

/// The sandboxed calls of this process that run now, and those that have begun, of all servers.
static RUNNING: AtomicUsize = AtomicUsize::new(0);
static BEGUN: AtomicUsize = AtomicUsize::new(0);

/// The threads that the calls of one server left behind.
pub(crate) struct ThreadWatch {
    begun: Instant,
    /// For each tool of the registry, the calls that were looked at.
    looks: Vec<AtomicU8>,
    /// The time of the last look, in milliseconds since `begun`.
    last_look: AtomicU64,
    /// Threads that may still end.
    pending: Mutex<Vec<LeftThread>>,
    left: Mutex<Vec<LeftThread>>,
}

/// A thread that outlives the call that started it.
#[derive(Clone, Debug)]
pub(crate) struct LeftThread {
    thread: Thread,
    /// The tool whose call started it.
    tool: &'static str,
    /// Whether no other sandboxed call of this process ran at that time.
    is_certain: bool,
}

impl ThreadWatch {
    pub(super) fn new(tools: usize) -> Arc<Self> {
        let looks = std::iter::repeat_with(AtomicU8::default).take(tools).collect();
        let (pending, left) = (Mutex::default(), Mutex::default());
        Arc::new(Self { begun: Instant::now(), looks, last_look: AtomicU64::new(0), pending, left })
    }

    /// Begins to watch a sandboxed call of the tool at `index` of the registry, called `tool`.
    pub(super) fn observe(self: &Arc<Self>, index: usize, tool: &'static str) -> CallObserver {
        let is_alone = RUNNING.fetch_add(1, Ordering::Relaxed) == 0;
        let begun = BEGUN.fetch_add(1, Ordering::Relaxed) + 1;
        let before = self.is_due(index).then(|| Before { threads: threads::sandboxed(), is_alone, begun });
        CallObserver { watch: Arc::clone(self), tool, before }
    }

    /// Returns whether this call is to be looked at: one of the first of its tool, or one after a longer time.
    fn is_due(&self, index: usize) -> bool {
        if !threads::CAN_LOOK {
            return false;
        }
        let is_first = self.looks.get(index).is_some_and(|looks| {
            looks
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| (n < FIRST_CALLS).then_some(n + 1))
                .is_ok()
        });
        let now = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let last = self.last_look.load(Ordering::Relaxed);
        let is_due = is_first || Duration::from_millis(now.saturating_sub(last)) > INTERVAL;
        if is_due {
            self.last_look.store(now, Ordering::Relaxed);
        }
        is_due
    }

    /// Reports the pending threads that have not ended.
    pub(crate) fn report(&self) {
        // Held until every thread is in one of the two lists again: one that is in neither would be overlooked.
        let mut left = lock(&self.left);
        let pending = std::mem::take(&mut *lock(&self.pending));
        if pending.is_empty() {
            return;
        }
        let alive = threads::sandboxed();
        for thread in pending.into_iter().filter_map(|thread| thread.if_alive(&alive)) {
            let is_new = !left.iter().any(|other| other.key() == thread.key());
            if is_new {
                stderr::line(format_args!("warning: {}", thread.message()));
            }
            left.push(thread);
        }
    }

    /// Reports the pending threads at the end of the server, once those that only begin or end had a moment: a thread of a
    /// sandbox is not known as one before its first and after its last step.
    #[cfg(feature = "cli")]
    pub(crate) fn report_at_end(&self) {
        let deadline = Instant::now() + GRACE;
        loop {
            let pending = lock(&self.pending).clone();
            if pending.is_empty() {
                return;
            }
            let alive = threads::sandboxed();
            let is_alive = pending.into_iter().any(|thread| thread.if_alive(&alive).is_some());
            if !is_alive || Instant::now() > deadline {
                return self.report();
            }
            std::thread::sleep(END_POLL_INTERVAL);
        }
    }

    /// Waits for a moment, and returns the threads that certainly come from this server's calls and have not ended.
    #[cfg(any(feature = "cli", feature = "testing"))]
    pub(crate) fn certain(&self) -> Vec<LeftThread> {
        let deadline = Instant::now() + GRACE;
        loop {
            let all: Vec<_> = {
                let left = lock(&self.left);
                lock(&self.pending).iter().chain(left.iter()).cloned().collect()
            };
            let certain: Vec<_> = all.into_iter().filter(|thread| thread.is_certain).collect();
            if certain.is_empty() {
                return certain;
            }
            let alive = threads::sandboxed();
            let certain: Vec<_> = certain.into_iter().filter_map(|thread| thread.if_alive(&alive)).collect();
            if certain.is_empty() || Instant::now() > deadline {
                return certain;
            }
            std::thread::sleep(END_POLL_INTERVAL);
        }
    }

    /// Returns a thread that has been reported, for the error of a tool that may have handed work to it.
    pub(crate) fn reported(&self) -> Option<LeftThread> {
        lock(&self.left).first().cloned()
    }
}

impl LeftThread {
    /// Returns the thread under its present name, unless it has ended.
    fn if_alive(mut self, alive: &HashSet<Thread>) -> Option<Self> {
        self.thread = alive.get(&self.thread)?.clone();
        Some(self)
    }

    /// The tool and the name without a number: a pool of eight threads is reported once.
    fn key(&self) -> (&'static str, &str) {
        (self.tool, self.thread.name.trim_end_matches(|c: char| c.is_ascii_digit() || "-_#".contains(c)))
    }

    /// Describes the thread, and says what to do about it.
    pub(crate) fn message(&self) -> Message {
        let others = if self.is_certain { "" } else { ", or another tool at the same time," };
        Message::new(format!("{self}, which tool `{}`{others} started, outlives the call", self.tool))
            .note("the thread stays in the sandbox of that call: work that other tools hand to it later may be refused")
            .help(
                "start it while the state is built (`Server::state_with`), or end it with the call; \
                 a tool that needs it may declare `unsandboxed = \"reason\"`",
            )
    }

    /// Says in one line that the thread may be the reason of a refusal.
    pub(crate) fn note(&self) -> String {
        format!(
            "{self}, which tool `{}` started, is still in that tool's sandbox: work on it may be refused",
            self.tool
        )
    }
}

impl fmt::Display for LeftThread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A thread without a name has the one of the thread that started it.
        if self.thread.name.starts_with("sandboxed-") {
            return f.write_str("a thread without a name");
        }
        let cut = if self.thread.name.len() >= MAX_NAME_BYTES { "…" } else { "" };
        write!(f, "thread `{}{cut}`", self.thread.name)
    }
}

/// A sandboxed call that is watched until this is dropped.
pub(crate) struct CallObserver {
    watch: Arc<ThreadWatch>,
    tool: &'static str,
    before: Option<Before>,
}

struct Before {
    threads: HashSet<Thread>,
    is_alone: bool,
    /// The number of calls that had begun, with this one.
    begun: usize,
}

impl Drop for CallObserver {
    fn drop(&mut self) {
        RUNNING.fetch_sub(1, Ordering::Relaxed);
        let Some(before) = self.before.take() else { return };
        let is_certain = before.is_alone && BEGUN.load(Ordering::Relaxed) == before.begun;
        let new = threads::sandboxed().into_iter().filter(|thread| !before.threads.contains(thread));
        let new: Vec<_> = new.map(|thread| LeftThread { thread, tool: self.tool, is_certain }).collect();
        if new.is_empty() {
            return;
        }
        lock(&self.watch.pending).extend(new);
        // Without a runtime, the end of the server reports them.
        if let Ok(runtime) = Handle::try_current() {
            let watch = Arc::clone(&self.watch);
            let report = async move {
                tokio::time::sleep(GRACE).await;
                watch.report();
            };
            runtime.spawn(report.boxed());
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
