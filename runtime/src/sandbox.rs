//! Runs handlers on threads that the kernel holds to the declared effects (Landlock and seccomp).
//!
//! A handler runs on a tokio runtime whose threads gave up, when they started, the rights that its declaration does
//! without. Threads and child processes that the handler starts inherit these restrictions. The sandbox does not cover file
//! descriptors opened earlier, state shared with unsandboxed tools, or local IPC.
//!
//! A thread inherits the sandbox of the thread that starts it and cannot leave it. A service that itself runs on sandboxed
//! threads ([`placement`]) must therefore not start threads of another sandbox: it sends that work through a
//! [`Dispatcher`] to the unsandboxed runtime, which starts them.

#[cfg(target_os = "linux")]
mod descriptors;
mod dispatch;
mod executor;
#[cfg(target_os = "linux")]
mod linux;
mod placement;
mod profile;
mod runtimes;
mod support;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use crate::tool::descriptor::Descriptor;
use dispatch::Dispatcher;
pub(crate) use executor::Executor;
pub(crate) use placement::{UnsandboxedHandle, best};
pub(crate) use profile::Profile;
pub(crate) use runtimes::{SandboxId, SandboxRuntime};
#[cfg(feature = "cli")]
pub(crate) use support::WordSupport;
pub(crate) use support::{Support, SupportProbe};

use profile::BOTH;
use runtimes::PrestartedRuntime;

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

/// A server's settings for its sandboxes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SandboxConfig {
    pub(crate) sandbox: Sandbox,
    /// Folders in which `read_only` tools may write.
    pub(crate) scratch: Vec<PathBuf>,
    /// TCP ports that `closed_world` tools may connect to.
    pub(crate) ports: Vec<u16>,
}

/// The sandboxed threads of a server.
pub(crate) struct Sandboxes {
    support: Support,
    /// One per profile, started on first use.
    runtimes: [OnceLock<Option<SandboxRuntime>>; 3],
    prestarted: Mutex<PrestartedRuntime>,
}

impl Sandboxes {
    pub(crate) fn new(support: Support, prestarted: PrestartedRuntime) -> Self {
        Self { support, runtimes: Default::default(), prestarted: Mutex::new(prestarted) }
    }

    /// Stops all threads, and waits up to `timeout` for those of each runtime. Tasks that are still on them are dropped.
    #[cfg(feature = "cli")]
    pub(crate) fn stop(&self, timeout: std::time::Duration) {
        for runtime in self.runtimes.iter().filter_map(|runtime| runtime.get()?.as_ref()?.take()) {
            runtime.shutdown_timeout(timeout);
        }
    }

    /// Returns what the kernel of this machine enforces.
    pub(crate) fn support(&self) -> &Support {
        &self.support
    }

    /// Chooses the threads for a call of `tool`. A service on sandboxed threads passes a handle of the unsandboxed ones.
    pub(crate) async fn executor<'a>(
        self: &'a Arc<Self>,
        tool: &Descriptor,
        unsandboxed: Option<&'a UnsandboxedHandle>,
    ) -> Executor<'a> {
        let Some(profile) = self.profile(tool) else {
            return unsandboxed.map_or(Executor::Current(None), |unsandboxed| {
                Executor::Dispatched(&unsandboxed.dispatcher, None)
            });
        };
        match (self.runtime(profile, unsandboxed).await, unsandboxed) {
            (None, _) => Executor::Unavailable,
            (Some(sandboxed), None) => Executor::Sandboxed(sandboxed),
            (Some(sandboxed), Some(_)) if sandboxed.sandbox_id.is_here() => {
                Executor::Current(Some(sandboxed.sandbox_id))
            }
            (Some(sandboxed), Some(_)) => {
                Executor::Dispatched(&sandboxed.dispatcher, Some(sandboxed.sandbox_id))
            }
        }
    }

    /// Returns the part of `tool`'s profile that this kernel enforces.
    fn profile(&self, tool: &Descriptor) -> Option<Profile> {
        Profile::of(tool).and_then(|profile| self.support.enforced_part(profile))
    }

    async fn runtime(
        self: &Arc<Self>,
        profile: Profile,
        unsandboxed: Option<&UnsandboxedHandle>,
    ) -> Option<&SandboxRuntime> {
        let runtime = &self.runtimes[profile.index()];
        if let (None, Some(unsandboxed)) = (runtime.get(), unsandboxed) {
            // A thread inherits the sandbox of the thread that starts it.
            let sandboxes = Arc::clone(self);
            let start = async move { sandboxes.start(profile, runtimes::worker_count()).is_some() };
            unsandboxed.dispatcher.run(start, false).await;
            return runtime.get()?.as_ref();
        }
        self.start(profile, runtimes::worker_count())
    }

    /// Returns the threads of `profile`, and starts them with so many workers on first use.
    fn start(&self, profile: Profile, workers: usize) -> Option<&SandboxRuntime> {
        let prestarted = || {
            let prestarted = self.prestarted.lock().unwrap_or_else(PoisonError::into_inner).take();
            prestarted.and_then(|prestarted| prestarted.recv().ok()?)
        };
        let prestarted = || (profile == BOTH).then(prestarted).flatten();
        let start = || prestarted().or_else(|| SandboxRuntime::start(&self.support.config, profile, workers));
        self.runtimes[profile.index()].get_or_init(start).as_ref()
    }
}
