//! Runs handlers on threads of their own, which the kernel holds to the declared effects (Landlock and seccomp).
//!
//! A handler runs on a tokio runtime whose threads gave up, when they started, the rights that its declaration does
//! without; handlers that declare nothing have such a runtime, too. The service shares no thread with them, so that a
//! handler that blocks delays no answer. Threads and child processes that a handler starts inherit its restrictions. The
//! sandbox does not cover file descriptors opened earlier, state shared with unsandboxed tools, or local IPC.

mod blocking;
#[cfg(target_os = "linux")]
mod descriptors;
mod dispatch;
mod executor;
mod left_threads;
#[cfg(target_os = "linux")]
mod linux;
mod profile;
mod runtimes;
mod support;
mod threads;
#[cfg(not(target_os = "linux"))]
mod unsupported;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{clock, tool::descriptor::Descriptor};
pub(crate) use executor::Executor;
pub(crate) use left_threads::{CallObserver, ThreadWatch};
#[cfg(target_os = "linux")]
use linux::Rules;
pub(crate) use profile::Profile;
pub(crate) use runtimes::{HandlerRuntime, SandboxId};
#[cfg(feature = "cli")]
pub(crate) use support::WordSupport;
pub(crate) use support::{Support, SupportProbe};
#[cfg(not(target_os = "linux"))]
use unsupported::NoRules as Rules;

use profile::BOTH;
use runtimes::{LazyRuntime, PrestartedRuntime};

#[doc = include_str!("sandbox/what_it_is.md")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sandbox {
    /// The server does not start if the kernel cannot enforce everything that its tools declare.
    Required,
    /// The kernel enforces what it can; stderr, `doctor` and the manifest list it.
    #[default]
    WhereAvailable,
    /// The kernel enforces nothing: only the compiler does.
    Off,
}

/// Returns all profiles, and none.
fn profiles() -> impl Iterator<Item = Option<Profile>> {
    [None].into_iter().chain(Profile::ALL.map(Some))
}

/// A server's settings for its sandboxes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SandboxConfig {
    pub(crate) sandbox: Sandbox,
    /// Folders in which `read_only` tools may write.
    pub(crate) scratch: Vec<PathBuf>,
    /// TCP ports that `closed_world` tools may connect to.
    pub(crate) ports: Vec<u16>,
}

/// The threads that run a server's handlers.
pub(crate) struct Sandboxes {
    support: Support,
    /// The threads without a sandbox, then those of each profile. Started on first use.
    runtimes: [LazyRuntime; 4],
    prestarted: Mutex<PrestartedRuntime>,
    watch: Arc<ThreadWatch>,
}

impl Sandboxes {
    /// Makes the sandboxes of a server with so many tools.
    pub(crate) fn new(support: Support, prestarted: PrestartedRuntime, tools: usize) -> Self {
        let (prestarted, watch) = (Mutex::new(prestarted), ThreadWatch::new(tools));
        Self { support, runtimes: Default::default(), prestarted, watch }
    }

    /// Returns the threads that calls have left behind.
    pub(crate) fn watch(&self) -> &Arc<ThreadWatch> {
        &self.watch
    }

    /// Watches a call of the tool at `index` of the registry, if it runs in a sandbox.
    pub(crate) fn observe(
        &self,
        executor: Executor<'_>,
        index: usize,
        tool: &'static Descriptor,
    ) -> Option<CallObserver> {
        executor.sandbox_id().map(|_| self.watch.observe(index, tool.name))
    }

    /// Stops all threads, and waits up to `timeout` for those of each runtime. Tasks that are still on them are dropped.
    #[cfg(feature = "cli")]
    pub(crate) fn stop(&self, timeout: std::time::Duration) {
        for runtime in self.runtimes.iter().flat_map(LazyRuntime::running) {
            runtime.stop(timeout);
        }
    }

    /// Returns what the kernel of this machine enforces.
    pub(crate) fn support(&self) -> &Support {
        &self.support
    }

    /// Starts the threads that calls of `tools` need, so that no later shortage of threads or descriptors can prevent it.
    /// With `unsandboxed`, also those of the user's other code.
    #[cfg(feature = "http")]
    pub(crate) fn start<'a>(&self, tools: impl Iterator<Item = &'a Descriptor>, unsandboxed: bool) {
        let mut needed: Vec<_> = tools.map(|tool| self.profile(tool)).collect();
        needed.extend(unsandboxed.then_some(None));
        for profile in profiles().filter(|profile| needed.contains(profile)) {
            self.runtime(profile);
        }
    }

    /// Returns whether all threads that calls needed could be started. Those that could not are tried again.
    pub(crate) fn is_ready(&self) -> bool {
        for profile in profiles().filter(|profile| self.lazy(*profile).has_failed()) {
            self.runtime(profile);
        }
        !self.runtimes.iter().any(LazyRuntime::has_failed)
    }

    /// Chooses the threads for a call of `tool`.
    pub(crate) fn executor(&self, tool: &Descriptor) -> Executor<'_> {
        self.executor_of(self.profile(tool))
    }

    /// Chooses the threads for the user's code that is not a tool.
    pub(crate) fn unsandboxed(&self) -> Executor<'_> {
        self.executor_of(None)
    }

    fn executor_of(&self, profile: Option<Profile>) -> Executor<'_> {
        if profile.is_none() && clock::is_paused() {
            return Executor::Paused;
        }
        self.runtime(profile).map_or(Executor::Unavailable, Executor::Threads)
    }

    /// Returns the part of `tool`'s profile that this kernel enforces.
    fn profile(&self, tool: &Descriptor) -> Option<Profile> {
        Profile::of(tool).and_then(|profile| self.support.enforced_part(profile))
    }

    /// Returns the threads of `profile`, and starts them on first use.
    fn runtime(&self, profile: Option<Profile>) -> Option<&HandlerRuntime> {
        let prestarted = || {
            let prestarted = self.prestarted.lock().unwrap_or_else(PoisonError::into_inner).take();
            prestarted.and_then(|prestarted| prestarted.recv().ok())
        };
        let start = || match (profile == Some(BOTH)).then(prestarted).flatten() {
            Some(Ok(prestarted)) => Ok(prestarted),
            _ => HandlerRuntime::start(&self.support.config, profile),
        };
        self.lazy(profile).get_or_start(profile, start)
    }

    fn lazy(&self, profile: Option<Profile>) -> &LazyRuntime {
        &self.runtimes[profile.map_or(0, Profile::index)]
    }
}
