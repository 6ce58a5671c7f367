//! Declared effects → threads that cannot do otherwise: the kernel refuses what a tool said it would not do.
//!
//! A handler runs on a tokio runtime whose threads gave up at their start what its declaration does without. Threads and
//! child processes that it starts inherit that. Not covered: descriptors that were open before, state shared with tools
//! that are not sandboxed, and talk with other processes of this machine.
//!
//! Threads inherit the sandbox of whoever starts them, and for good. So a service that is itself on sandboxed threads ([`home`])
//! starts none of another sandbox: it goes through a dispatcher ([`Dispatcher`]), and they are started behind it.

mod dispatch;
mod executor;
#[cfg(target_os = "linux")]
mod linux;
mod placement;

use std::{
    cell::Cell,
    num::NonZeroU32,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    thread,
};

use tokio::runtime::{Builder, Handle, Runtime};

use crate::tool::descriptor::Descriptor;
use dispatch::Dispatcher;
pub(crate) use executor::Executor;
pub(crate) use placement::{UnsandboxedHandle, best};

/// How far the kernel is to enforce `read_only` and `closed_world`.
///
/// Over this process's stdin and stdout, a server without a handler of its own ([`Server::handler`]) whose `async` tools
/// are mostly under one sandbox reads and answers on threads with that sandbox, too. What the server's own code then does on
/// them is refused as it is to a tool: a `tracing` subscriber that opens files as it goes is to open them before, or to
/// write on a thread of its own.
///
/// [`Server::handler`]: crate::Server::handler
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sandbox {
    /// A server whose kernel cannot do it all does not start.
    Required,
    /// What the kernel can do; stderr, `doctor` and the manifest say what that is.
    #[default]
    WhereAvailable,
    /// Nothing: only the compiler enforces.
    Off,
}

/// What a server says about its sandboxes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SandboxConfig {
    pub(crate) sandbox: Sandbox,
    /// Folders in which `read_only` tools may write.
    pub(crate) scratch: Vec<PathBuf>,
    /// TCP ports that `closed_world` tools may connect to.
    pub(crate) ports: Vec<u16>,
}

/// What a tool's threads give up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Profile {
    /// Writing to the file system: `read_only`.
    pub(crate) no_writes: bool,
    /// The network: `closed_world`.
    pub(crate) no_network: bool,
}

impl Profile {
    /// What `tool` does without; `None` where that is nothing, or where it cannot be sandboxed.
    pub(crate) fn of(tool: &Descriptor) -> Option<Self> {
        let profile = Self { no_writes: tool.is_read_only(), no_network: tool.closed_world };
        (tool.unsandboxed.is_none() && (profile.no_writes || profile.no_network)).then_some(profile)
    }

    /// Its place among the three.
    fn index(self) -> usize {
        usize::from(self.no_writes) + 2 * usize::from(self.no_network) - 1
    }
}

const BOTH: Profile = Profile { no_writes: true, no_network: true };

/// What the kernel of this machine enforces, under this plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Support {
    /// `read_only`; or why not.
    pub(crate) writes: Result<(), String>,
    /// `closed_world`; or why not.
    pub(crate) network: Result<(), String>,
    plan: SandboxConfig,
}

/// A word, whether the kernel enforces it, and what it leaves open where it does.
pub(crate) type Enforcement<'a> = (&'static str, &'a Result<(), String>, String);

/// The kernel being asked what it enforces, on a thread that does nothing else but to start those of a home.
pub(crate) struct SupportProbe {
    told: Result<mpsc::Receiver<[Result<(), String>; 2]>, String>,
    home: PrestartedRuntime,
    plan: SandboxConfig,
}

/// Threads under both sandboxes, where they are being made.
type PrestartedRuntime = Option<mpsc::Receiver<Option<SandboxRuntime>>>;

impl SupportProbe {
    /// Asks; where the service will be at home under both sandboxes, its threads are made with that.
    pub(crate) fn begin(plan: SandboxConfig, home: Option<Profile>) -> Self {
        // Folders may be made later; whether they are there is no question to the kernel.
        let asked = SandboxConfig { scratch: Vec::new(), ..plan.clone() };
        let workers =
            home.filter(|home| *home == BOTH && plan.scratch.is_empty()).map(|_| placement::threads());
        let (tell, told) = mpsc::channel();
        let (make, made) = mpsc::channel();
        let ask = move || match first(&asked, BOTH) {
            Ok((rules, sandbox_id)) => {
                let _ = tell.send([Ok(()), Ok(())]);
                if let Some(workers) = workers {
                    let _ = make.send(started_here(rules, sandbox_id, BOTH, workers));
                }
            }
            Err(_) => {
                let words = [Profile { no_network: false, ..BOTH }, Profile { no_writes: false, ..BOTH }];
                let _ = tell.send(words.map(|word| first(&asked, word).map(drop)));
            }
        };
        let told = if plan.sandbox == Sandbox::Off {
            Err("the server turned it off (`Sandbox::Off`)".to_owned())
        } else {
            let thread = thread::Builder::new().name("sandbox-trial".to_owned()).spawn(ask);
            thread.map(|_| told).map_err(|error| format!("no thread to try it on: {error}"))
        };
        Self { told, home: workers.map(|_| made), plan }
    }

    /// Waits for the answer.
    pub(crate) fn end(self) -> (Support, PrestartedRuntime) {
        let panicked = |_| "the trial ended in a panic".to_owned();
        let told = self.told.and_then(|told| told.recv().map_err(panicked));
        let [writes, network] = told.unwrap_or_else(|why| [Err(why.clone()), Err(why)]);
        (Support { writes, network, plan: self.plan }, self.home)
    }
}

impl Support {
    /// Whether the server insists on sandboxes.
    pub(crate) fn is_required(&self) -> bool {
        self.plan.sandbox == Sandbox::Required
    }

    /// Whether all that `tool` declares is enforced; or the first word that is not, and why.
    pub(crate) fn keeps(&self, tool: &Descriptor) -> Result<(), (&'static str, String)> {
        let Some(profile) = Profile::of(tool) else { return Ok(()) };
        let word = |declared: bool, word, kept: &Result<(), String>| match kept {
            Err(why) if declared => Err((word, why.clone())),
            _ => Ok(()),
        };
        word(profile.no_writes, "read_only", &self.writes)?;
        word(profile.no_network, "closed_world", &self.network)
    }

    /// The first scratch folder that is none; writing there would be refused.
    pub(crate) fn no_folder(&self) -> Option<&Path> {
        let folders = self.plan.scratch.iter().filter(|_| self.writes.is_ok());
        folders.map(PathBuf::as_path).find(|folder| !folder.is_dir())
    }

    /// Both words.
    pub(crate) fn words(&self) -> [Enforcement<'_>; 2] {
        let list = |items: Vec<String>| items.join(", ");
        let scratch = list(self.plan.scratch.iter().map(|folder| folder.display().to_string()).collect());
        let ports = list(self.plan.ports.iter().map(u16::to_string).collect());
        let but = |open: &str, text: String| if open.is_empty() { String::new() } else { text };
        [
            (
                "read_only",
                &self.writes,
                but(&scratch, format!(" but for files in {scratch} and the modes, owners and times of all")),
            ),
            ("closed_world", &self.network, but(&ports, format!(" but for TCP to ports {ports}"))),
        ]
    }

    /// What the kernel enforces of these tools and what it does not, in a line for a person.
    pub(crate) fn line<'a>(&self, tools: impl Iterator<Item = &'a Descriptor>) -> String {
        let words = self.words();
        let kept = words.iter().filter(|(_, kept, _)| kept.is_ok());
        let kept: Vec<&str> = kept.map(|(word, ..)| *word).collect();
        let mut line = match kept.as_slice() {
            [] => "the kernel enforces nothing".to_owned(),
            kept => format!("the kernel enforces {}", kept.join(" and ")),
        };
        for (word, kept, but) in &words {
            match kept {
                Ok(()) if but.is_empty() => {}
                Ok(()) => line += &format!("; {word}{but}"),
                Err(why) => line += &format!("; not {word}: {why}"),
            }
        }
        let unsandboxed: Vec<&str> =
            tools.filter(|tool| tool.unsandboxed.is_some()).map(|tool| tool.name).collect();
        if !unsandboxed.is_empty() && !kept.is_empty() {
            line += &format!("; not for what is declared `unsandboxed`: {}", unsandboxed.join(", "));
        }
        line
    }

    /// What is left of `profile` on this machine.
    fn cut(&self, profile: Profile) -> Option<Profile> {
        let profile = Profile {
            no_writes: profile.no_writes && self.writes.is_ok(),
            no_network: profile.no_network && self.network.is_ok(),
        };
        (profile.no_writes || profile.no_network).then_some(profile)
    }
}

/// The sandboxed threads of a server.
pub(crate) struct Sandboxes {
    support: Support,
    /// One a profile, made when it is first needed.
    runtimes: [OnceLock<Option<SandboxRuntime>>; 3],
    early: Mutex<PrestartedRuntime>,
}

/// Threads that gave up what a declaration does without. May be dropped anywhere.
pub(crate) struct SandboxRuntime {
    /// Some until it is stopped.
    runtime: Mutex<Option<Runtime>>,
    handle: Handle,
    dispatcher: Dispatcher,
    sandbox_id: SandboxId,
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

    fn take(&self) -> Option<Runtime> {
        self.runtime.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The runtime of these threads.
    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }
}

impl Drop for SandboxRuntime {
    fn drop(&mut self) {
        // Waiting for threads is not allowed inside another runtime, and no answer waits for these.
        if let Some(runtime) = self.take() {
            runtime.shutdown_background();
        }
    }
}

impl Sandboxes {
    pub(crate) fn new(support: Support, early: PrestartedRuntime) -> Self {
        Self { support, runtimes: Default::default(), early: Mutex::new(early) }
    }

    /// Ends all threads, and waits for each runtime's so long: what tasks there hold is let go.
    #[cfg(feature = "cli")]
    pub(crate) fn stop(&self, patience: std::time::Duration) {
        for runtime in self.runtimes.iter().filter_map(|made| made.get()?.as_ref()?.take()) {
            runtime.shutdown_timeout(patience);
        }
    }

    /// What the kernel of this machine enforces.
    pub(crate) fn support(&self) -> &Support {
        &self.support
    }

    /// Where a call of `tool` runs. A service on sandboxed threads says where those without a sandbox are.
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
        match (self.made(profile, unsandboxed).await, unsandboxed) {
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

    /// What threads of `tool` give up on this machine, where they do.
    fn profile(&self, tool: &Descriptor) -> Option<Profile> {
        Profile::of(tool).and_then(|profile| self.support.cut(profile))
    }

    async fn made(
        self: &Arc<Self>,
        profile: Profile,
        unsandboxed: Option<&UnsandboxedHandle>,
    ) -> Option<&SandboxRuntime> {
        let made = &self.runtimes[profile.index()];
        if let (None, Some(unsandboxed)) = (made.get(), unsandboxed) {
            // Threads inherit the sandbox of whoever starts them.
            let sandboxes = Arc::clone(self);
            unsandboxed
                .dispatcher
                .run(async move { sandboxes.made_with(profile, workers()).is_some() }, false)
                .await;
            return made.get()?.as_ref();
        }
        self.made_with(profile, workers())
    }

    /// Makes them with so many threads, where they are not made already.
    fn made_with(&self, profile: Profile, workers: usize) -> Option<&SandboxRuntime> {
        let made = &self.runtimes[profile.index()];
        let early = || {
            let early = self.early.lock().unwrap_or_else(PoisonError::into_inner).take();
            early.and_then(|early| early.recv().ok()?)
        };
        let early = || (profile == BOTH).then(early).flatten();
        made.get_or_init(|| early().or_else(|| started(&self.support.plan, profile, workers))).as_ref()
    }
}

/// What tells the threads of one runtime from all others that are sandboxed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SandboxId(NonZeroU32);

thread_local! {
    /// What this thread gave up, where it is what it was made for.
    static GAVE_UP: Cell<Option<SandboxId>> = const { Cell::new(None) };
}

impl SandboxId {
    fn new() -> Self {
        static MADE: AtomicU32 = AtomicU32::new(1);
        Self(NonZeroU32::new(MADE.fetch_add(1, Ordering::Relaxed)).unwrap_or(NonZeroU32::MAX))
    }

    /// Whether the current thread is of those, and sandboxed. Work that is to run sandboxed asks before it starts.
    pub(crate) fn is_here(self) -> bool {
        GAVE_UP.get() == Some(self)
    }
}

/// Threads of a profile, started by a first one: rules cost their time once then.
fn started(plan: &SandboxConfig, profile: Profile, workers: usize) -> Option<SandboxRuntime> {
    let (make, made) = mpsc::channel();
    let plan = plan.clone();
    let first = move || {
        let started = first(&plan, profile).ok();
        let _ = make
            .send(started.and_then(|(rules, sandbox_id)| started_here(rules, sandbox_id, profile, workers)));
    };
    thread::Builder::new().name("sandboxed".to_owned()).spawn(first).ok()?;
    made.recv().ok()?
}

/// Puts the rules of a profile on the current thread.
#[cfg(target_os = "linux")]
fn first(plan: &SandboxConfig, profile: Profile) -> Result<(linux::Rules, SandboxId), String> {
    let sandbox_id = SandboxId::new();
    let rules = linux::Rules::new(plan, profile, sandbox_id)?;
    rules.restrict()?;
    Ok((rules, sandbox_id))
}

/// Threads that have the rules of the current one, which starts them.
#[cfg(target_os = "linux")]
fn started_here(
    rules: linux::Rules,
    sandbox_id: SandboxId,
    profile: Profile,
    workers: usize,
) -> Option<SandboxRuntime> {
    // Some may be started by a thread without a sandbox that has a handle.
    let start = move || GAVE_UP.set((rules.hold() || rules.restrict().is_ok()).then_some(sandbox_id));
    let name = match (profile.no_writes, profile.no_network) {
        (true, true) => "sandboxed-rw-net",
        (true, false) => "sandboxed-rw",
        _ => "sandboxed-net",
    };
    let mut builder = Builder::new_multi_thread();
    builder.enable_all().thread_name(name).on_thread_start(start).worker_threads(workers.max(1));
    builder.build().ok().map(|runtime| SandboxRuntime::new(runtime, sandbox_id))
}

/// Half of the threads that serve: these work for those, and not all of both at once.
fn workers() -> usize {
    let serving = Handle::try_current().map_or(1, |handle| handle.metrics().num_workers());
    serving / 2
}

#[cfg(not(target_os = "linux"))]
fn first(_: &SandboxConfig, _: Profile) -> Result<((), SandboxId), String> {
    Err("this system has no Landlock and no seccomp; only the compiler enforces here".to_owned())
}

#[cfg(not(target_os = "linux"))]
fn started_here((): (), _: SandboxId, _: Profile, _: usize) -> Option<SandboxRuntime> {
    let _ = (Builder::new_multi_thread, SandboxRuntime::new, SandboxId::new, Runtime::handle, &GAVE_UP);
    None
}
