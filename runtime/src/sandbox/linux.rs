//! Puts the Landlock rules and the seccomp filter of a profile in force on the current thread.

mod calls;
mod policy;
mod program;
mod ruleset;
mod thread;

use std::fmt::Display;

use landlock::RulesetCreated;
use rustix::{
    io::Errno,
    process::{Pid, getsid},
};
use seccompiler::BpfProgram;

use super::{Profile, SandboxConfig, SandboxId};
use crate::message::Message;
use ruleset::{no_landlock, ruleset};

/// The restrictions of one profile, built once for all its threads.
pub(super) struct Rules {
    profile: Profile,
    landlock: Option<RulesetCreated>,
    seccomp: BpfProgram,
    /// The filter of a thread that shares its `umask` with threads outside the sandbox.
    seccomp_without_umask: BpfProgram,
    sign: Pid,
}

impl Rules {
    pub(super) fn new(
        config: &SandboxConfig,
        profile: Profile,
        sandbox_id: SandboxId,
    ) -> Result<Self, Message> {
        let ports = profile.no_network && !config.ports.is_empty();
        let landlock =
            (profile.no_writes || ports).then(|| ruleset(config, profile.no_writes, ports)).transpose()?;
        let sign = sign(sandbox_id).ok_or(Message::new("the process has started too many sandboxes"))?;
        let mut verdicts = policy::verdicts(config, profile, sign);
        let seccomp = program::assemble(&verdicts);
        policy::refuse_umask(&mut verdicts);
        let programs = seccomp.zip(program::assemble(&verdicts));
        let (seccomp, seccomp_without_umask) =
            programs.ok_or_else(|| no_seccomp("this architecture has no list of system calls"))?;
        Ok(Self { profile, landlock, seccomp, seccomp_without_umask, sign })
    }

    /// Returns whether they are in force on the current thread, which may have inherited them. Restricting a thread again
    /// costs time, and Landlock allows at most sixteen layers.
    pub(super) fn is_in_force(&self) -> bool {
        // The filter comes into force last. The second call rules out another filter that refuses every `getsid`.
        getsid(Some(self.sign)) == Err(Errno::ACCESS) && getsid(Pid::from_raw(FREE_PID)) == Err(Errno::SRCH)
    }

    /// Restricts the current thread and all threads and processes that it starts, for good.
    pub(super) fn restrict(&self) -> Result<(), Message> {
        if let Some(landlock) = &self.landlock {
            let ruleset = landlock.try_clone().map_err(no_landlock)?;
            ruleset.restrict_self().map_err(no_landlock)?;
        }
        let mut seccomp = &self.seccomp;
        if self.profile.no_writes {
            thread::drop_capabilities()
                .map_err(|error| Message::new(format!("privileges cannot be given up: {error}")))?;
            // Containers often forbid `unshare`.
            if thread::unshare_working_directory().is_err() {
                seccomp = &self.seccomp_without_umask;
            }
        }
        seccompiler::apply_filter(seccomp).map_err(no_seccomp)
    }
}

fn no_seccomp(error: impl Display) -> Message {
    Message::new(format!("no seccomp: {error}"))
}

/// A number above all process ids, which end at 2²².
const FREE_PID: i32 = 1 << 30;

/// Returns a process id that cannot exist. `getsid` of it fails with `ESRCH`, and with `EACCES` on threads under the filter
/// of `sandbox_id`.
fn sign(sandbox_id: SandboxId) -> Option<Pid> {
    let sandbox_id = i32::try_from(sandbox_id.0.get()).ok()?;
    Pid::from_raw(FREE_PID.checked_add(sandbox_id)?)
}
