//! Starts the threads of a profile, each restricted before it runs any work.

use std::{
    cell::Cell,
    num::NonZeroU32,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    thread,
};

use tokio::runtime::{Builder, Handle, Runtime};

#[cfg(target_os = "linux")]
use super::linux;
use super::{Dispatcher, Profile, SandboxConfig};
use crate::message::Message;

/// A runtime whose start has begun on another thread.
pub(crate) type PrestartedRuntime = Option<mpsc::Receiver<Option<SandboxRuntime>>>;

/// A runtime whose threads gave up the rights of a profile. It may be dropped on any thread.
pub(crate) struct SandboxRuntime {
    /// `None` once it is stopped.
    runtime: Mutex<Option<Runtime>>,
    pub(super) handle: Handle,
    pub(super) dispatcher: Dispatcher,
    pub(super) sandbox_id: SandboxId,
}

impl SandboxRuntime {
    fn new(runtime: Runtime, sandbox_id: SandboxId) -> Self {
        let handle = runtime.handle().clone();
        Self {
            dispatcher: Dispatcher::to(handle.clone()),
            handle,
            runtime: Mutex::new(Some(runtime)),
            sandbox_id,
        }
    }

    /// Starts the threads of `profile` from a first thread that restricts itself, so that making the rules costs its time
    /// once.
    pub(super) fn start(config: &SandboxConfig, profile: Profile, workers: usize) -> Option<Self> {
        let (sender, started) = mpsc::channel();
        let config = config.clone();
        let first = move || {
            let restricted = restrict_current_thread(&config, profile).ok();
            let runtime = restricted.and_then(|(rules, id)| Self::start_here(rules, id, profile, workers));
            let _ = sender.send(runtime);
        };
        thread::Builder::new().name("sandboxed".to_owned()).spawn(first).ok()?;
        started.recv().ok()?
    }

    /// Starts threads that inherit the rules of the current one.
    #[cfg(target_os = "linux")]
    pub(super) fn start_here(
        rules: linux::Rules,
        sandbox_id: SandboxId,
        profile: Profile,
        workers: usize,
    ) -> Option<Self> {
        // An unsandboxed thread that holds a handle may start some of them.
        let restrict =
            move || CURRENT.set((rules.is_in_force() || rules.restrict().is_ok()).then_some(sandbox_id));
        let mut builder = Builder::new_multi_thread();
        builder
            .enable_all()
            .thread_name(profile.thread_name())
            .on_thread_start(restrict)
            .worker_threads(workers.max(1));
        builder.build().ok().map(|runtime| Self::new(runtime, sandbox_id))
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn start_here((): (), _: SandboxId, _: Profile, _: usize) -> Option<Self> {
        let _ = (Builder::new_multi_thread, Self::new, SandboxId::new, Runtime::handle, &CURRENT);
        let _ = Profile::thread_name;
        None
    }

    pub(super) fn take(&self) -> Option<Runtime> {
        self.runtime.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Returns a handle of these threads.
    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }
}

impl Drop for SandboxRuntime {
    fn drop(&mut self) {
        // Waiting for threads is not allowed inside another runtime, and no answer depends on these.
        if let Some(runtime) = self.take() {
            runtime.shutdown_background();
        }
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
}

/// Puts the rules of a profile in force on the current thread.
#[cfg(target_os = "linux")]
pub(super) fn restrict_current_thread(
    config: &SandboxConfig,
    profile: Profile,
) -> Result<(linux::Rules, SandboxId), Message> {
    let sandbox_id = SandboxId::new();
    let rules = linux::Rules::new(config, profile, sandbox_id)?;
    rules.restrict()?;
    Ok((rules, sandbox_id))
}

#[cfg(not(target_os = "linux"))]
pub(super) fn restrict_current_thread(_: &SandboxConfig, _: Profile) -> Result<((), SandboxId), Message> {
    Err(Message::new("this system has no Landlock and no seccomp; only the compiler enforces here"))
}

/// Returns half the number of serving threads: these work for those, and rarely are all of both busy at once.
pub(super) fn worker_count() -> usize {
    let serving = Handle::try_current().map_or(1, |handle| handle.metrics().num_workers());
    serving / 2
}
