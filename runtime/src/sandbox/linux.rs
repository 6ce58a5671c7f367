//! Puts the Landlock rules and the seccomp filter of a profile in force on the current thread.

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64"))]
mod calls;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64"))]
mod policy;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64"))]
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
        let [seccomp, seccomp_without_umask] = filters(config, profile, sign)
            .ok_or_else(|| no_seccomp("the system calls of this architecture were not reviewed"))?;
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

/// Assembles the filter, and the one that refuses `umask`.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64"))]
#[expect(clippy::unnecessary_wraps, reason = "other architectures have no filter")]
fn filters(config: &SandboxConfig, profile: Profile, sign: Pid) -> Option<[BpfProgram; 2]> {
    let mut verdicts = policy::verdicts(config, profile, sign);
    let filter = program::assemble(&verdicts);
    policy::refuse_umask(&mut verdicts);
    Some([filter, program::assemble(&verdicts)])
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")))]
fn filters(_: &SandboxConfig, _: Profile, _: Pid) -> Option<[BpfProgram; 2]> {
    None
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

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, fs, num::NonZeroU32, panic, process::Command, thread};

    use rustix::{fs::Mode, process::umask};

    use super::*;
    use program::CallVerdict;

    const READ_ONLY: Profile = Profile { no_writes: true, no_network: false };

    fn rules(number: u32) -> Rules {
        let sandbox_id = SandboxId(NonZeroU32::new(number).unwrap());
        Rules::new(&SandboxConfig::default(), READ_ONLY, sandbox_id).unwrap()
    }

    /// Refuses `unshare`, as containers do.
    fn refuse_unshare() {
        let calls =
            (0..=linux_raw_sys::general::__NR_file_setattr).map(|number| (number, CallVerdict::Allow));
        let mut verdicts: BTreeMap<u32, CallVerdict> = calls.collect();
        verdicts.insert(linux_raw_sys::general::__NR_unshare, CallVerdict::Refuse);
        seccompiler::apply_filter(&program::assemble(&verdicts)).unwrap();
    }

    fn status(path: &str, name: &str) -> String {
        let status = fs::read_to_string(path).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().to_owned()
    }

    #[test]
    fn umask_of_other_threads_cannot_be_changed_where_it_must_be_shared() {
        let own = || status("/proc/thread-self/status", "Umask:");
        let before = own();
        for (number, shared) in [(1, false), (2, true)] {
            let set_umask = move || {
                if shared {
                    refuse_unshare();
                }
                rules(number).restrict().unwrap();
                // The function has no error to return.
                let _ = panic::catch_unwind(|| umask(Mode::from_bits_retain(0o761)));
                status("/proc/thread-self/status", "Umask:")
            };
            let inside = thread::spawn(set_umask).join().unwrap();
            assert_eq!(inside, if shared { before.clone() } else { "0761".to_owned() });
            assert_eq!(own(), before);
        }
    }

    #[test]
    fn threads_keep_no_capability_that_changes_the_machine() {
        const SYS_ADMIN: u64 = 1 << 21;
        let capabilities = |name| {
            let status = status("/proc/thread-self/status", name);
            u64::from_str_radix(&status, 16).unwrap()
        };
        // A program of root would get all privileges when it starts.
        let capabilities_of_a_child = || {
            let mut child = Command::new("grep");
            let output = child.args(["CapEff:", "/proc/self/status"]).output().unwrap();
            let line = String::from_utf8(output.stdout).unwrap();
            u64::from_str_radix(line.trim_start_matches("CapEff:").trim(), 16).unwrap()
        };
        let restricted = move || {
            rules(3).restrict().unwrap();
            [capabilities("CapPrm:"), capabilities("CapEff:"), capabilities_of_a_child()]
        };
        let before = capabilities("CapPrm:");
        let after = thread::spawn(restricted).join().unwrap();
        assert!(after.iter().all(|after| after & SYS_ADMIN == 0 && after & !before == 0));
        assert_eq!(capabilities("CapPrm:"), before, "other threads keep theirs");
    }
}
