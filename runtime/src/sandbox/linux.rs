//! A profile → Landlock rules and a seccomp filter, put on the thread that asks.

use std::{collections::BTreeMap, path::Path};

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

/// Everything a thread of one profile gives up, made once.
pub(super) struct Rules {
    landlock: Option<RulesetCreated>,
    seccomp: BpfProgram,
    sign: Pid,
}

impl Rules {
    pub(super) fn new(plan: &SandboxConfig, profile: Profile, sandbox_id: SandboxId) -> Result<Self, String> {
        let ports = profile.no_network && !plan.ports.is_empty();
        let landlock =
            (profile.no_writes || ports).then(|| ruleset(plan, profile.no_writes, ports)).transpose()?;
        let sign = sign(sandbox_id).ok_or("there are no more marks")?;
        let seccomp = filter(plan, profile, sign)?;
        Ok(Self { landlock, seccomp, sign })
    }

    /// Whether they are on the current thread, who may have them from the one that started it. Each time that rules are
    /// put on costs time, and sixteen times is the most that Landlock allows.
    pub(super) fn hold(&self) -> bool {
        // The filter is the last that is put on. Another's may refuse this call whatever it asks after.
        getsid(Some(self.sign)) == Err(Errno::ACCESS) && getsid(Pid::from_raw(NOBODY)) == Err(Errno::SRCH)
    }

    /// Takes effect on the current thread and all it starts; there is no way back.
    pub(super) fn restrict(&self) -> Result<(), String> {
        if let Some(landlock) = &self.landlock {
            let ruleset = landlock.try_clone().map_err(|error| error.to_string())?;
            ruleset.restrict_self().map_err(|error| format!("no Landlock: {error}"))?;
        }
        seccompiler::apply_filter(&self.seccomp).map_err(|error| format!("no seccomp: {error}"))
    }
}

/// No file may be made, changed or removed outside the scratch folders; no TCP port reached outside the list.
fn ruleset(plan: &SandboxConfig, writes: bool, ports: bool) -> Result<RulesetCreated, String> {
    // Truncation came with the third ABI and TCP with the fourth: less than that would not keep the word.
    let (fs, net) = (AccessFs::from_write(ABI::V3), AccessNet::from_all(ABI::V4));
    let failed = |error: landlock::RulesetError| format!("no Landlock: {error}");
    let mut ruleset = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    if writes {
        ruleset = ruleset.handle_access(fs).map_err(failed)?;
    }
    if ports {
        ruleset = ruleset.handle_access(net).map_err(failed)?;
    }
    let mut created = ruleset.create().map_err(failed)?;
    if writes {
        // What writes there writes nothing.
        created = allow(created, Path::new("/dev/null"), AccessFs::WriteFile | AccessFs::Truncate)?;
        for folder in &plan.scratch {
            created = allow(created, folder, fs)?;
        }
    }
    if ports {
        for &port in &plan.ports {
            created = created.add_rule(NetPort::new(port, AccessNet::ConnectTcp)).map_err(failed)?;
        }
    }
    Ok(created)
}

fn allow(
    ruleset: RulesetCreated,
    path: &Path,
    access: landlock::BitFlags<AccessFs>,
) -> Result<RulesetCreated, String> {
    let file = PathFd::new(path).map_err(|error| format!("{} cannot be opened: {error}", path.display()))?;
    ruleset.add_rule(PathBeneath::new(file, access)).map_err(|error| format!("no Landlock: {error}"))
}

/// A number above those of processes, which end at 2²².
const NOBODY: i32 = 1 << 30;

/// The number of a process that cannot be. Whoever asks after it is told that there is none, and is refused where the
/// filter of `sandbox_id` is on the thread.
fn sign(sandbox_id: SandboxId) -> Option<Pid> {
    let sandbox_id = i32::try_from(sandbox_id.0.get()).ok()?;
    Pid::from_raw(NOBODY.checked_add(sandbox_id)?)
}

/// System calls that Landlock does not know.
fn filter(plan: &SandboxConfig, profile: Profile, sign: Pid) -> Result<BpfProgram, String> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    let number = u64::from(sign.as_raw_pid().cast_unsigned());
    let asks = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, number);
    let asks = asks.and_then(|asks| SeccompRule::new(vec![asks])).map_err(|error| error.to_string())?;
    rules.insert(libc::SYS_getsid, vec![asks]);
    if profile.no_writes && plan.scratch.is_empty() {
        // Who owns a file, who may read it and when it was touched. Where there is a scratch folder these stay
        // possible everywhere: a filter sees numbers, not paths.
        rules.extend(metadata().into_iter().map(|call| (call, Vec::new())));
        // A ring makes such calls where no filter sees them.
        rules.insert(libc::SYS_io_uring_setup, Vec::new());
    }
    if profile.no_network {
        rules.insert(libc::SYS_io_uring_setup, Vec::new());
        rules.insert(libc::SYS_socket, sockets(!plan.ports.is_empty()).map_err(|error| error.to_string())?);
    }
    let arch = std::env::consts::ARCH.try_into().map_err(|error| format!("no seccomp: {error}"))?;
    let refuse = SeccompAction::Errno(libc::EACCES.cast_unsigned());
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refuse, arch);
    let program = filter.and_then(TryInto::try_into).map_err(|error| format!("no seccomp: {error}"))?;
    Ok(program)
}

/// Every inet socket; or, where ports are listed, every one that is no plain TCP: Landlock sees to the ports.
fn sockets(tcp: bool) -> Result<Vec<SeccompRule>, seccompiler::BackendError> {
    let is = |at, value| SeccompCondition::new(at, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value);
    let unlike = |at, value| SeccompCondition::new(at, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, value);
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
        rules.push(SeccompRule::new(vec![is(0, family)?, unlike(2, 0)?, unlike(2, plain)?])?);
    }
    for family in [libc::AF_PACKET, libc::AF_VSOCK] {
        rules.push(SeccompRule::new(vec![is(0, u64::from(family.cast_unsigned()))?])?);
    }
    Ok(rules)
}

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
    // fchmodat2, since Linux 6.6, the same number everywhere.
    calls.push(452);
    calls
}
