//! Builds the Landlock rules and the seccomp filter of a profile and puts them in force on the current thread.

use std::{collections::BTreeMap, fmt::Display, path::Path};

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible as _, NetPort, PathBeneath, PathFd,
    Ruleset, RulesetAttr as _, RulesetCreated, RulesetCreatedAttr as _,
};
use rustix::{
    io::Errno,
    process::{Pid, getsid},
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};

use super::{Profile, SandboxConfig, SandboxId};
use crate::message::Message;

/// The restrictions of one profile, built once for all its threads.
pub(super) struct Rules {
    landlock: Option<RulesetCreated>,
    seccomp: BpfProgram,
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
        let seccomp = filter(config, profile, sign)?;
        Ok(Self { landlock, seccomp, sign })
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
        seccompiler::apply_filter(&self.seccomp).map_err(no_seccomp)
    }
}

fn no_landlock(error: impl Display) -> Message {
    Message::new(format!("no Landlock: {error}"))
}

fn no_seccomp(error: impl Display) -> Message {
    Message::new(format!("no seccomp: {error}"))
}

/// Builds rules under which no file outside the scratch folders can be created, changed or removed, and no TCP port
/// outside the list can be reached.
fn ruleset(config: &SandboxConfig, writes: bool, ports: bool) -> Result<RulesetCreated, Message> {
    // Truncation came with the third ABI and TCP with the fourth: earlier ones would not enforce the whole word.
    let (fs, net) = (AccessFs::from_write(ABI::V3), AccessNet::from_all(ABI::V4));
    let mut ruleset = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    if writes {
        ruleset = ruleset.handle_access(fs).map_err(no_landlock)?;
    }
    if ports {
        ruleset = ruleset.handle_access(net).map_err(no_landlock)?;
    }
    let mut created = ruleset.create().map_err(no_landlock)?;
    if writes {
        // Writing to `/dev/null` changes nothing.
        created = allow(created, Path::new("/dev/null"), AccessFs::WriteFile | AccessFs::Truncate)?;
        for folder in &config.scratch {
            created = allow(created, folder, fs)?;
        }
    }
    if ports {
        for &port in &config.ports {
            created = created.add_rule(NetPort::new(port, AccessNet::ConnectTcp)).map_err(no_landlock)?;
        }
    }
    Ok(created)
}

fn allow(
    ruleset: RulesetCreated,
    path: &Path,
    access: landlock::BitFlags<AccessFs>,
) -> Result<RulesetCreated, Message> {
    let file = PathFd::new(path)
        .map_err(|error| Message::new(format!("cannot open `{}`: {error}", path.display())))?;
    ruleset.add_rule(PathBeneath::new(file, access)).map_err(no_landlock)
}

/// A number above all process ids, which end at 2²².
const FREE_PID: i32 = 1 << 30;

/// Returns a process id that cannot exist. `getsid` of it fails with `ESRCH`, and with `EACCES` on threads under the filter
/// of `sandbox_id`.
fn sign(sandbox_id: SandboxId) -> Option<Pid> {
    let sandbox_id = i32::try_from(sandbox_id.0.get()).ok()?;
    Pid::from_raw(FREE_PID.checked_add(sandbox_id)?)
}

/// Builds the filter of the system calls that Landlock does not cover.
fn filter(config: &SandboxConfig, profile: Profile, sign: Pid) -> Result<BpfProgram, Message> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    let number = u64::from(sign.as_raw_pid().cast_unsigned());
    let is_sign = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, number);
    let is_sign = is_sign.and_then(|is_sign| SeccompRule::new(vec![is_sign])).map_err(no_seccomp)?;
    rules.insert(libc::SYS_getsid, vec![is_sign]);
    if profile.no_writes && config.scratch.is_empty() {
        // Owners, modes and times of files. With a scratch folder these calls stay possible everywhere: a filter sees
        // numbers, not paths.
        rules.extend(metadata().into_iter().map(|call| (call, Vec::new())));
        // The kernel makes a ring's calls without consulting a filter.
        rules.insert(libc::SYS_io_uring_setup, Vec::new());
    }
    if profile.no_network {
        rules.insert(libc::SYS_io_uring_setup, Vec::new());
        rules.insert(libc::SYS_socket, sockets(!config.ports.is_empty()).map_err(no_seccomp)?);
    }
    let arch = std::env::consts::ARCH.try_into().map_err(no_seccomp)?;
    let refuse = SeccompAction::Errno(libc::EACCES.cast_unsigned());
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refuse, arch);
    let program = filter.and_then(TryInto::try_into).map_err(no_seccomp)?;
    Ok(program)
}

/// Matches every inet socket or, if ports are listed, every inet socket that is not plain TCP: Landlock checks the ports.
fn sockets(tcp: bool) -> Result<Vec<SeccompRule>, seccompiler::BackendError> {
    let is = |at, value| SeccompCondition::new(at, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value);
    let is_not = |at, value| SeccompCondition::new(at, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, value);
    // The type's upper bits are flags, such as `SOCK_CLOEXEC`.
    let kind = |value| SeccompCondition::new(1, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(0xF), value);
    let mut rules = Vec::new();
    for family in [libc::AF_INET, libc::AF_INET6] {
        let family = u64::from(family.cast_unsigned());
        if !tcp {
            rules.push(SeccompRule::new(vec![is(0, family)?])?);
            continue;
        }
        for other in [libc::SOCK_DGRAM, libc::SOCK_RAW, libc::SOCK_RDM, libc::SOCK_SEQPACKET] {
            rules.push(SeccompRule::new(vec![is(0, family)?, kind(u64::from(other.cast_unsigned()))?])?);
        }
        // Multipath TCP and SCTP connect past Landlock's rule for TCP.
        let plain = u64::from(libc::IPPROTO_TCP.cast_unsigned());
        rules.push(SeccompRule::new(vec![is(0, family)?, is_not(2, 0)?, is_not(2, plain)?])?);
    }
    for family in [libc::AF_PACKET, libc::AF_VSOCK] {
        rules.push(SeccompRule::new(vec![is(0, u64::from(family.cast_unsigned()))?])?);
    }
    Ok(rules)
}

/// Lists the calls that change the owner, mode, times or extended attributes of a file.
fn metadata() -> Vec<i64> {
    let mut calls = vec![
        libc::SYS_fchmod,
        libc::SYS_fchmodat,
        libc::SYS_fchown,
        libc::SYS_fchownat,
        libc::SYS_utimensat,
        libc::SYS_setxattr,
        libc::SYS_lsetxattr,
        libc::SYS_fsetxattr,
        libc::SYS_removexattr,
        libc::SYS_lremovexattr,
        libc::SYS_fremovexattr,
    ];
    #[cfg(target_arch = "x86_64")]
    calls.extend([
        libc::SYS_chmod,
        libc::SYS_chown,
        libc::SYS_lchown,
        libc::SYS_utime,
        libc::SYS_utimes,
        libc::SYS_futimesat,
    ]);
    // `fchmodat2`, since Linux 6.6; the number is the same on every architecture.
    calls.push(452);
    calls
}
