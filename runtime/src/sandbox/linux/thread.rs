//! Takes from the current thread what it shares with other threads, and privileges over the machine.

use rustix::{
    io,
    thread::{CapabilitySet, UnshareFlags, capabilities, set_capabilities},
};

/// The privileges with which a server of root may read what it could read without a sandbox, act as its users do, and
/// write to a scratch folder.
const KEPT_CAPABILITIES: CapabilitySet = CapabilitySet::CHOWN
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::DAC_READ_SEARCH)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::FSETID)
    .union(CapabilitySet::KILL)
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::SETUID)
    .union(CapabilitySet::SETPCAP)
    .union(CapabilitySet::NET_BIND_SERVICE)
    .union(CapabilitySet::NET_RAW)
    .union(CapabilitySet::IPC_LOCK)
    .union(CapabilitySet::SYS_PTRACE)
    .union(CapabilitySet::SYSLOG)
    .union(CapabilitySet::AUDIT_READ);

/// Gives up all privileges but these: among others, to change the network's configuration, which is done by messages on a
/// socket, and so passes a filter of system calls. A program that the thread starts cannot get them back.
pub(super) fn drop_capabilities() -> io::Result<()> {
    let sets = capabilities(None)?;
    if KEPT_CAPABILITIES.contains(sets.permitted) {
        return Ok(());
    }
    let mut kept = sets;
    for set in [&mut kept.effective, &mut kept.permitted, &mut kept.inheritable] {
        *set = set.intersection(KEPT_CAPABILITIES);
    }
    set_capabilities(None, kept)
}

/// Gives the thread a working directory and a `umask` of its own, which the threads that it starts share.
pub(super) fn unshare_working_directory() -> io::Result<()> {
    #[expect(deprecated, reason = "it is sound with this flag; the danger lies in `UnshareFlags::FILES`")]
    rustix::thread::unshare(UnshareFlags::FS)
}
