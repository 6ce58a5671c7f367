//! Asks the kernel which declared words it can enforce, and describes the answer.

use std::{
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
};

#[cfg(target_os = "linux")]
use super::descriptors::files_open_for_writing as open_files;
use super::{
    HandlerRuntime, Profile, Sandbox, SandboxConfig,
    profile::BOTH,
    runtimes::{PrestartedRuntime, Restriction},
};
use crate::{message::Message, tool::descriptor::Descriptor};

/// The words that the kernel of this machine enforces, under this configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Support {
    /// `read_only`, or the reason why the kernel does not enforce it.
    pub(crate) writes: Result<(), Message>,
    /// `closed_world`, or the reason why the kernel does not enforce it.
    pub(crate) network: Result<(), Message>,
    pub(super) config: SandboxConfig,
    /// Files that were open for writing when the server was built. A `read_only` tool that gets at one can write it.
    pub(crate) open_files: Vec<PathBuf>,
}

/// A declared word, whether the kernel enforces it, and the exceptions that the configuration makes.
pub(crate) struct WordSupport<'a> {
    pub(crate) word: &'static str,
    pub(crate) enforced: &'a Result<(), Message>,
    /// Empty, or " but for …".
    pub(crate) exceptions: String,
}

/// A thread that tries on itself what the kernel enforces. If it succeeds, it goes on to start the threads of that profile.
pub(crate) struct SupportProbe {
    answer: Result<mpsc::Receiver<[Result<(), Message>; 2]>, Message>,
    prestarted: PrestartedRuntime,
    config: SandboxConfig,
}

impl SupportProbe {
    /// Starts the thread. If tools run in the sandbox of both words, the probe goes on to start their threads.
    pub(crate) fn begin(config: SandboxConfig, mut profiles: impl Iterator<Item = Profile>) -> Self {
        // Scratch folders may be made later, and the kernel's support does not depend on them.
        let probed = SandboxConfig { scratch: Vec::new(), ..config.clone() };
        let starts = config.scratch.is_empty() && profiles.any(|profile| profile == BOTH);
        let (answer_sender, answer) = mpsc::channel();
        let (runtime_sender, runtime) = mpsc::channel();
        let probe = move || match Restriction::enter(&probed, BOTH) {
            Ok(restriction) => {
                let _ = answer_sender.send([Ok(()), Ok(())]);
                if starts {
                    HandlerRuntime::start_here(Some(restriction), Some(BOTH), &runtime_sender);
                }
            }
            Err(_) => {
                let [writes, network, _] = Profile::ALL;
                let words = [writes, network].map(|word| Restriction::enter(&probed, word).map(drop));
                let _ = answer_sender.send(words);
            }
        };
        let answer = if config.sandbox == Sandbox::Off {
            Err(Message::new("the server turned it off (`Sandbox::Off`)"))
        } else {
            let thread = thread::Builder::new().name(BOTH.thread_name().to_owned()).spawn(probe);
            thread
                .map(|_| answer)
                .map_err(|error| Message::new(format!("the probe's thread did not start: {error}")))
        };
        Self { answer, prestarted: starts.then_some(runtime), config }
    }

    /// Waits for the answer.
    pub(crate) fn end(self) -> (Support, PrestartedRuntime) {
        let panicked = |_| Message::new("the probe of the kernel panicked");
        let answer = self.answer.and_then(|answer| answer.recv().map_err(panicked));
        let [writes, network] = answer.unwrap_or_else(|reason| [Err(reason.clone()), Err(reason)]);
        (Support { writes, network, config: self.config, open_files: Vec::new() }, self.prestarted)
    }
}

impl Support {
    /// Returns whether the server insists on sandboxes.
    pub(crate) fn is_required(&self) -> bool {
        self.config.sandbox == Sandbox::Required
    }

    /// Checks that the kernel enforces all that `tool` declares.
    ///
    /// # Errors
    ///
    /// The first word that the kernel does not enforce, with the reason.
    pub(crate) fn check(&self, tool: &Descriptor) -> Result<(), (&'static str, Message)> {
        let Some(profile) = Profile::of(tool) else { return Ok(()) };
        let check = |declared: bool, word, enforced: &Result<(), Message>| match enforced {
            Err(reason) if declared => Err((word, reason.clone())),
            _ => Ok(()),
        };
        check(profile.no_writes, "read_only", &self.writes)?;
        check(profile.no_network, "closed_world", &self.network)
    }

    /// Looks for files that are open for writing, if one of `tools` has a sandbox that does not cover them.
    pub(crate) fn look_for_open_files<'a>(&mut self, mut tools: impl Iterator<Item = &'a Descriptor>) {
        let no_writes = |tool| Profile::of(tool).is_some_and(|profile| profile.no_writes);
        if self.writes.is_ok() && tools.any(no_writes) {
            self.open_files = open_files();
        }
    }

    /// Returns the first scratch folder that does not exist or is not a folder; writing there would be refused.
    pub(crate) fn missing_scratch_folder(&self) -> Option<&Path> {
        let folders = self.config.scratch.iter().filter(|_| self.writes.is_ok());
        folders.map(PathBuf::as_path).find(|folder| !folder.is_dir())
    }

    /// Returns both words.
    pub(crate) fn words(&self) -> [WordSupport<'_>; 2] {
        let list = |items: Vec<String>| items.join(", ");
        let scratch = list(self.config.scratch.iter().map(|folder| folder.display().to_string()).collect());
        let ports = list(self.config.ports.iter().map(u16::to_string).collect());
        let unless_empty = |items: &str, text: String| if items.is_empty() { String::new() } else { text };
        [
            WordSupport {
                word: "read_only",
                enforced: &self.writes,
                exceptions: unless_empty(
                    &scratch,
                    format!(" but for files in {scratch} and the modes and times of all"),
                ),
            },
            WordSupport {
                word: "closed_world",
                enforced: &self.network,
                exceptions: unless_empty(&ports, format!(" but for TCP to ports {ports}")),
            },
        ]
    }

    /// Describes in one line what the kernel enforces for these tools and what it does not.
    pub(crate) fn summary<'a>(&self, tools: impl Iterator<Item = &'a Descriptor>) -> String {
        let words = self.words();
        let enforced = words.iter().filter(|word| word.enforced.is_ok());
        let enforced: Vec<&str> = enforced.map(|word| word.word).collect();
        let mut line = match enforced.as_slice() {
            [] => "the kernel enforces nothing".to_owned(),
            words => format!("the kernel enforces {}", words.join(" and ")),
        };
        for WordSupport { word, enforced, exceptions } in &words {
            match enforced {
                Ok(()) if exceptions.is_empty() => {}
                Ok(()) => line += &format!("; {word}{exceptions}"),
                Err(reason) => line += &format!("; not {word}: {reason}"),
            }
        }
        let unsandboxed: Vec<&str> =
            tools.filter(|tool| tool.unsandboxed.is_some()).map(|tool| tool.name).collect();
        if !unsandboxed.is_empty() && !enforced.is_empty() {
            line += &format!("; not for tools declared `unsandboxed`: {}", unsandboxed.join(", "));
        }
        line
    }

    /// Returns the part of `profile` that the kernel enforces.
    pub(super) fn enforced_part(&self, profile: Profile) -> Option<Profile> {
        let profile = Profile {
            no_writes: profile.no_writes && self.writes.is_ok(),
            no_network: profile.no_network && self.network.is_ok(),
        };
        (profile.no_writes || profile.no_network).then_some(profile)
    }
}

#[cfg(not(target_os = "linux"))]
fn open_files() -> Vec<PathBuf> {
    Vec::new()
}
