//! Declared effects → threads that cannot do otherwise: the kernel refuses what a tool said it would not do.
//!
//! A handler runs on a tokio runtime whose threads gave up at their start what its declaration does without. Threads and
//! child processes that it starts inherit that. Not covered: descriptors that were open before, state shared with tools
//! that are not sealed, and talk with other processes of this machine.

mod door;
#[cfg(target_os = "linux")]
mod linux;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    thread::{self, JoinHandle},
};

use tokio::{
    runtime::{Builder, Handle, Runtime},
    task::JoinHandle as Task,
};

use crate::descriptor::Descriptor;
use door::Door;

/// How far the kernel is to enforce `read_only` and `closed_world`.
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

/// The kernel being asked what it enforces, on a thread that does nothing else.
pub(crate) struct Trial {
    attempts: Result<JoinHandle<[Result<(), String>; 2]>, String>,
    plan: Plan,
}

impl Trial {
    pub(crate) fn begin(plan: Plan) -> Self {
        // Folders may be made later; whether they are there is no question to the kernel.
        let asked = Plan { scratch: Vec::new(), ..plan.clone() };
        let profiles =
            [Profile { no_writes: true, no_network: false }, Profile { no_writes: false, no_network: true }];
        let attempts = if plan.seal == Seal::Off {
            Err("the server turned it off (`Seal::Off`)".to_owned())
        } else {
            let thread = thread::Builder::new().name("seal-trial".to_owned());
            let thread = thread.spawn(move || attempts(&asked, profiles));
            thread.map_err(|error| format!("no thread to try it on: {error}"))
        };
        Self { attempts, plan }
    }

    /// Waits for the answer.
    pub(crate) fn end(self) -> Support {
        let panicked = |_| "the trial ended in a panic".to_owned();
        let attempts = self.attempts.and_then(|thread| thread.join().map_err(panicked));
        let [writes, network] = attempts.unwrap_or_else(|why| [Err(why.clone()), Err(why)]);
        Support { writes, network, plan: self.plan }
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
}

/// Threads that gave up what a declaration does without. May be dropped anywhere.
pub(crate) struct Sealed {
    /// Some until it is dropped.
    runtime: Option<Runtime>,
    handle: Handle,
    door: Arc<Door>,
}

impl Sealed {
    fn new(runtime: Runtime) -> Self {
        let door = Door::to(&runtime);
        Self { handle: runtime.handle().clone(), runtime: Some(runtime), door }
    }

    /// Runs a function that may wait, and brings its answer; none where it panicked. Where it `stops`, it does so once
    /// nobody waits for the answer any more.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
        stops: bool,
    ) -> Option<T> {
        self.door.run(work, stops).await
    }

    /// Runs a function that blocks, on a thread of its own.
    pub(crate) fn spawn_blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Task<T> {
        self.handle.spawn_blocking(work)
    }
}

impl Drop for Sealed {
    fn drop(&mut self) {
        // Waiting for threads is not allowed inside another runtime, and no answer waits for these.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Where a handler runs.
pub(crate) enum Place<'a> {
    /// On threads without a seal.
    Open,
    /// On threads that gave up what the declaration does without.
    Sealed(&'a Sealed),
    /// Nowhere: the threads could not be made.
    Broken,
}

impl Seals {
    pub(crate) fn new(support: Support) -> Self {
        Self { support, runtimes: Default::default() }
    }

    /// What the kernel of this machine enforces.
    pub(crate) fn support(&self) -> &Support {
        &self.support
    }

    /// Where a call of `tool` runs.
    pub(crate) fn place(&self, tool: &Descriptor) -> Place<'_> {
        let Some(profile) = Profile::of(tool).and_then(|profile| self.support.cut(profile)) else {
            return Place::Open;
        };
        let runtime = self.runtimes[profile.place()].get_or_init(|| runtime(&self.support.plan, profile));
        match runtime {
            Some(sealed) => Place::Sealed(sealed),
            None => Place::Broken,
        }
    }
}

thread_local! {
    /// Whether this thread gave up what it was made for.
    static GAVE_UP: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Whether the current thread is sealed. Work on a sealed runtime asks before it starts.
pub(crate) fn is_sealed() -> bool {
    GAVE_UP.get()
}

#[cfg(target_os = "linux")]
fn runtime(plan: &Plan, profile: Profile) -> Option<Sealed> {
    let rules = linux::Rules::new(plan, profile).ok()?;
    let start = move || GAVE_UP.set(rules.restrict().is_ok());
    let name = match (profile.no_writes, profile.no_network) {
        (true, true) => "sealed-rw-net",
        (true, false) => "sealed-rw",
        _ => "sealed-net",
    };
    let mut builder = Builder::new_multi_thread();
    builder.enable_all().thread_name(name).on_thread_start(start).worker_threads(workers());
    builder.build().ok().map(Sealed::new)
}

/// Half of the threads that serve: these work for those, and not all of both at once.
#[cfg(target_os = "linux")]
fn workers() -> usize {
    let serving = Handle::try_current().map_or(1, |handle| handle.metrics().num_workers());
    (serving / 2).max(1)
}

/// Tries each profile on this thread: what the first took away, the next does without.
#[cfg(target_os = "linux")]
fn attempts<const N: usize>(plan: &Plan, profiles: [Profile; N]) -> [Result<(), String>; N] {
    profiles.map(|profile| linux::Rules::new(plan, profile)?.restrict())
}

#[cfg(not(target_os = "linux"))]
fn runtime(_: &Plan, _: Profile) -> Option<Sealed> {
    let _ = Builder::new_multi_thread;
    None
}

#[cfg(not(target_os = "linux"))]
fn attempts<const N: usize>(_: &Plan, _: [Profile; N]) -> [Result<(), String>; N] {
    let why = "this system has no Landlock and no seccomp; only the compiler enforces here";
    std::array::from_fn(|_| Err(why.to_owned()))
}
