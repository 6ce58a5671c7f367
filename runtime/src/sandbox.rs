//! Declared effects → threads that cannot do otherwise: the kernel refuses what a tool said it would not do.
//!
//! A handler runs on a tokio runtime whose threads gave up at their start what its declaration does without. Threads and
//! child processes that it starts inherit that. Not covered: descriptors that were open before, state shared with tools
//! that are not sealed, and talk with other processes of this machine.
//!
//! Threads inherit the seal of whoever starts them, and for good. So a service that is itself on sealed threads ([`home`])
//! starts none of another seal: it goes through a door ([`Door`]), and they are started behind it.

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
use dispatch::Door;
pub(crate) use executor::Place;
pub(crate) use placement::{Outside, best};

/// How far the kernel is to enforce `read_only` and `closed_world`.
///
/// Over this process's stdin and stdout, a server without a handler of its own ([`Server::handler`]) whose `async` tools
/// are mostly under one seal reads and answers on threads with that seal, too. What the server's own code then does on
/// them is refused as it is to a tool: a `tracing` subscriber that opens files as it goes is to open them before, or to
/// write on a thread of its own.
///
/// [`Server::handler`]: crate::Server::handler
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Seal {
    /// A server whose kernel cannot do it all does not start.
    Required,
    /// What the kernel can do; stderr, `doctor` and the manifest say what that is.
    #[default]
    WhereAvailable,
    /// Nothing: only the compiler enforces.
    Off,
}

/// What a server says about its seals.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) seal: Seal,
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
    /// What `tool` does without; `None` where that is nothing, or where it cannot be sealed.
    pub(crate) fn of(tool: &Descriptor) -> Option<Self> {
        let profile = Self { no_writes: tool.is_read_only(), no_network: tool.closed_world };
        (tool.unsealed.is_none() && (profile.no_writes || profile.no_network)).then_some(profile)
    }

    /// Its place among the three.
    fn place(self) -> usize {
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
    plan: Plan,
}

/// A word, whether the kernel enforces it, and what it leaves open where it does.
pub(crate) type Kept<'a> = (&'static str, &'a Result<(), String>, String);

/// The kernel being asked what it enforces, on a thread that does nothing else but to start those of a home.
pub(crate) struct Trial {
    told: Result<mpsc::Receiver<[Result<(), String>; 2]>, String>,
    home: Early,
    plan: Plan,
}

/// Threads under both seals, where they are being made.
type Early = Option<mpsc::Receiver<Option<Sealed>>>;

impl Trial {
    /// Asks; where the service will be at home under both seals, its threads are made with that.
    pub(crate) fn begin(plan: Plan, home: Option<Profile>) -> Self {
        // Folders may be made later; whether they are there is no question to the kernel.
        let asked = Plan { scratch: Vec::new(), ..plan.clone() };
        let workers =
            home.filter(|home| *home == BOTH && plan.scratch.is_empty()).map(|_| placement::threads());
        let (tell, told) = mpsc::channel();
        let (make, made) = mpsc::channel();
        let ask = move || match first(&asked, BOTH) {
            Ok((rules, mark)) => {
                let _ = tell.send([Ok(()), Ok(())]);
                if let Some(workers) = workers {
                    let _ = make.send(started_here(rules, mark, BOTH, workers));
                }
            }
            Err(_) => {
                let words = [Profile { no_network: false, ..BOTH }, Profile { no_writes: false, ..BOTH }];
                let _ = tell.send(words.map(|word| first(&asked, word).map(drop)));
            }
        };
        let told = if plan.seal == Seal::Off {
            Err("the server turned it off (`Seal::Off`)".to_owned())
        } else {
            let thread = thread::Builder::new().name("seal-trial".to_owned()).spawn(ask);
            thread.map(|_| told).map_err(|error| format!("no thread to try it on: {error}"))
        };
        Self { told, home: workers.map(|_| made), plan }
    }

    /// Waits for the answer.
    pub(crate) fn end(self) -> (Support, Early) {
        let panicked = |_| "the trial ended in a panic".to_owned();
        let told = self.told.and_then(|told| told.recv().map_err(panicked));
        let [writes, network] = told.unwrap_or_else(|why| [Err(why.clone()), Err(why)]);
        (Support { writes, network, plan: self.plan }, self.home)
    }
}

impl Support {
    /// Whether the server insists on seals.
    pub(crate) fn is_required(&self) -> bool {
        self.plan.seal == Seal::Required
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
    pub(crate) fn words(&self) -> [Kept<'_>; 2] {
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
        let unsealed: Vec<&str> =
            tools.filter(|tool| tool.unsealed.is_some()).map(|tool| tool.name).collect();
        if !unsealed.is_empty() && !kept.is_empty() {
            line += &format!("; not for what is declared `unsealed`: {}", unsealed.join(", "));
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

/// The sealed threads of a server.
pub(crate) struct Seals {
    support: Support,
    /// One a profile, made when it is first needed.
    runtimes: [OnceLock<Option<Sealed>>; 3],
    early: Mutex<Early>,
}

/// Threads that gave up what a declaration does without. May be dropped anywhere.
pub(crate) struct Sealed {
    /// Some until it is stopped.
    runtime: Mutex<Option<Runtime>>,
    handle: Handle,
    door: Door,
    mark: Mark,
}

impl Sealed {
    fn new(runtime: Runtime, mark: Mark) -> Self {
        let handle = runtime.handle().clone();
        Self { door: Door::to(handle.clone()), handle, runtime: Mutex::new(Some(runtime)), mark }
    }

    fn take(&self) -> Option<Runtime> {
        self.runtime.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The runtime of these threads.
    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }
}

impl Drop for Sealed {
    fn drop(&mut self) {
        // Waiting for threads is not allowed inside another runtime, and no answer waits for these.
        if let Some(runtime) = self.take() {
            runtime.shutdown_background();
        }
    }
}

impl Seals {
    pub(crate) fn new(support: Support, early: Early) -> Self {
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

    /// Where a call of `tool` runs. A service on sealed threads says where those without a seal are.
    pub(crate) async fn place<'a>(
        self: &'a Arc<Self>,
        tool: &Descriptor,
        outside: Option<&'a Outside>,
    ) -> Place<'a> {
        let Some(profile) = self.profile(tool) else {
            return outside.map_or(Place::Here(None), |outside| Place::Behind(&outside.door, None));
        };
        match (self.made(profile, outside).await, outside) {
            (None, _) => Place::Broken,
            (Some(sealed), None) => Place::Sealed(sealed),
            (Some(sealed), Some(_)) if sealed.mark.is_here() => Place::Here(Some(sealed.mark)),
            (Some(sealed), Some(_)) => Place::Behind(&sealed.door, Some(sealed.mark)),
        }
    }

    /// What threads of `tool` give up on this machine, where they do.
    fn profile(&self, tool: &Descriptor) -> Option<Profile> {
        Profile::of(tool).and_then(|profile| self.support.cut(profile))
    }

    async fn made(self: &Arc<Self>, profile: Profile, outside: Option<&Outside>) -> Option<&Sealed> {
        let made = &self.runtimes[profile.place()];
        if let (None, Some(outside)) = (made.get(), outside) {
            // Threads inherit the seal of whoever starts them.
            let seals = Arc::clone(self);
            outside.door.run(async move { seals.made_with(profile, workers()).is_some() }, false).await;
            return made.get()?.as_ref();
        }
        self.made_with(profile, workers())
    }

    /// Makes them with so many threads, where they are not made already.
    fn made_with(&self, profile: Profile, workers: usize) -> Option<&Sealed> {
        let made = &self.runtimes[profile.place()];
        let early = || {
            let early = self.early.lock().unwrap_or_else(PoisonError::into_inner).take();
            early.and_then(|early| early.recv().ok()?)
        };
        let early = || (profile == BOTH).then(early).flatten();
        made.get_or_init(|| early().or_else(|| started(&self.support.plan, profile, workers))).as_ref()
    }
}

/// What tells the threads of one runtime from all others that are sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark(NonZeroU32);

thread_local! {
    /// What this thread gave up, where it is what it was made for.
    static GAVE_UP: Cell<Option<Mark>> = const { Cell::new(None) };
}

impl Mark {
    fn new() -> Self {
        static MADE: AtomicU32 = AtomicU32::new(1);
        Self(NonZeroU32::new(MADE.fetch_add(1, Ordering::Relaxed)).unwrap_or(NonZeroU32::MAX))
    }

    /// Whether the current thread is of those, and sealed. Work that is to run sealed asks before it starts.
    pub(crate) fn is_here(self) -> bool {
        GAVE_UP.get() == Some(self)
    }
}

/// Threads of a profile, started by a first one: rules cost their time once then.
fn started(plan: &Plan, profile: Profile, workers: usize) -> Option<Sealed> {
    let (make, made) = mpsc::channel();
    let plan = plan.clone();
    let first = move || {
        let started = first(&plan, profile).ok();
        let _ = make.send(started.and_then(|(rules, mark)| started_here(rules, mark, profile, workers)));
    };
    thread::Builder::new().name("sealed".to_owned()).spawn(first).ok()?;
    made.recv().ok()?
}

/// Puts the rules of a profile on the current thread.
#[cfg(target_os = "linux")]
fn first(plan: &Plan, profile: Profile) -> Result<(linux::Rules, Mark), String> {
    let mark = Mark::new();
    let rules = linux::Rules::new(plan, profile, mark)?;
    rules.restrict()?;
    Ok((rules, mark))
}

/// Threads that have the rules of the current one, which starts them.
#[cfg(target_os = "linux")]
fn started_here(rules: linux::Rules, mark: Mark, profile: Profile, workers: usize) -> Option<Sealed> {
    // Some may be started by a thread without a seal that has a handle.
    let start = move || GAVE_UP.set((rules.hold() || rules.restrict().is_ok()).then_some(mark));
    let name = match (profile.no_writes, profile.no_network) {
        (true, true) => "sealed-rw-net",
        (true, false) => "sealed-rw",
        _ => "sealed-net",
    };
    let mut builder = Builder::new_multi_thread();
    builder.enable_all().thread_name(name).on_thread_start(start).worker_threads(workers.max(1));
    builder.build().ok().map(|runtime| Sealed::new(runtime, mark))
}

/// Half of the threads that serve: these work for those, and not all of both at once.
fn workers() -> usize {
    let serving = Handle::try_current().map_or(1, |handle| handle.metrics().num_workers());
    serving / 2
}

#[cfg(not(target_os = "linux"))]
fn first(_: &Plan, _: Profile) -> Result<((), Mark), String> {
    Err("this system has no Landlock and no seccomp; only the compiler enforces here".to_owned())
}

#[cfg(not(target_os = "linux"))]
fn started_here((): (), _: Mark, _: Profile, _: usize) -> Option<Sealed> {
    let _ = (Builder::new_multi_thread, Sealed::new, Mark::new, Runtime::handle, &GAVE_UP);
    None
}
