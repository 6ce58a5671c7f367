//! Decides for each system call whether the tools of a profile may make it, and with which arguments.

use std::collections::BTreeMap;

use linux_raw_sys::{general as nr, ioctl as request};
use rustix::process::{Pid, getgid, getuid};

use super::{
    calls,
    program::{CallVerdict, Condition},
};
use crate::sandbox::{Profile, SandboxConfig};

pub(super) type Verdicts = BTreeMap<u32, CallVerdict>;

/// Returns the verdict of each call that is not unknown. `getsid` of `sign` is refused, by which a thread recognises the
/// filter.
pub(super) fn verdicts(config: &SandboxConfig, profile: Profile, sign: Pid) -> Verdicts {
    let mut verdicts = Verdicts::new();
    let mut set = |calls: &[&[u32]], verdict: CallVerdict| {
        verdicts.extend(calls.iter().copied().flatten().map(|number| (*number, verdict.clone())));
    };
    let refuse_if = |refused| if refused { CallVerdict::Refuse } else { CallVerdict::Allow };
    set(&[calls::ORDINARY, calls::UPROBE, CHECKED], CallVerdict::Allow);
    set(&[calls::ESCAPES], CallVerdict::Refuse);
    set(&[calls::SYSTEM, calls::ATTRIBUTES], refuse_if(profile.no_writes));
    // A program that writes a file often sets its mode and times. The filter sees no paths, and so cannot tell files in a
    // scratch folder from others.
    let modes = refuse_if(profile.no_writes && config.scratch.is_empty());
    set(&[calls::MODES], modes);
    set(&[calls::IDENTITY], CallVerdict::Allow);
    if profile.no_writes {
        read_only(&mut verdicts);
    }
    if profile.no_network {
        closed_world(&mut verdicts, !config.ports.is_empty());
    }
    let sign = sign.as_raw_pid().cast_unsigned();
    verdicts.insert(nr::__NR_getsid, CallVerdict::AllowIf(vec![vec![Condition::is_not(0, &[sign])]]));
    verdicts
}

/// Refuses `umask`, which always succeeds otherwise and so is refused only where it would change other threads.
pub(super) fn refuse_umask(verdicts: &mut Verdicts) {
    verdicts.insert(nr::__NR_umask, CallVerdict::Refuse);
}

/// The calls whose arguments some profile checks.
const CHECKED: &[u32] = &[
    nr::__NR_ioctl,
    nr::__NR_fcntl,
    nr::__NR_prlimit64,
    nr::__NR_setpriority,
    nr::__NR_ioprio_set,
    nr::__NR_syslog,
    nr::__NR_socket,
    nr::__NR_socketpair,
    nr::__NR_listen,
    nr::__NR_sendto,
    nr::__NR_sendmsg,
    nr::__NR_sendmmsg,
    nr::__NR_setsockopt,
];

/// Checks arguments for tools that must not change anything.
fn read_only(verdicts: &mut Verdicts) {
    let mut allow_if = |number, conditions: Vec<Condition>| {
        verdicts.insert(number, CallVerdict::AllowIf(vec![conditions]));
    };
    allow_if(nr::__NR_ioctl, vec![Condition::is(1, REQUESTS)]);
    allow_if(nr::__NR_fcntl, vec![Condition::is(1, FCNTL_COMMANDS)]);
    // Limits are read, and not set.
    allow_if(nr::__NR_prlimit64, Condition::is_null(2).to_vec());
    // The current thread may change its priority: `PRIO_PROCESS` and `IOPRIO_WHO_PROCESS`, of 0.
    allow_if(nr::__NR_setpriority, vec![Condition::is(0, &[0]), Condition::is(1, &[0])]);
    allow_if(nr::__NR_ioprio_set, vec![Condition::is(0, &[1]), Condition::is(1, &[0])]);
    // `SYSLOG_ACTION_READ_ALL`, `_SIZE_UNREAD`, `_SIZE_BUFFER`. Other actions consume or clear messages.
    allow_if(nr::__NR_syslog, vec![Condition::is(0, &[3, 9, 10])]);
    // Programs without privileges call these with their own ids, or with −1 for no change.
    let (user, group) = ([getuid().as_raw(), u32::MAX], [getgid().as_raw(), u32::MAX]);
    let all = |count: u32, ids: &[u32]| (0..count).map(|argument| Condition::is(argument, ids)).collect();
    for (number, count, ids) in [
        (nr::__NR_setuid, 1, &user),
        (nr::__NR_setfsuid, 1, &user),
        (nr::__NR_setreuid, 2, &user),
        (nr::__NR_setresuid, 3, &user),
        (nr::__NR_setgid, 1, &group),
        (nr::__NR_setfsgid, 1, &group),
        (nr::__NR_setregid, 2, &group),
        (nr::__NR_setresgid, 3, &group),
    ] {
        allow_if(number, all(count, ids));
    }
}

/// The requests of `ioctl` that read, or that change only the caller's descriptor, ordered by how often programs make
/// them. `FICLONE` writes to a descriptor that was opened for writing.
const REQUESTS: &[u32] = &[
    request::FIONREAD,
    request::FIONBIO,
    request::TCGETS,
    request::TIOCGWINSZ,
    request::FIOCLEX,
    request::FIONCLEX,
    request::FIOASYNC,
    request::TCGETS2,
    request::TIOCOUTQ,
    request::TIOCGPGRP,
    request::TIOCGSID,
    request::TIOCGPTN,
    request::FICLONE,
    request::FICLONERANGE,
    request::FS_IOC_GETFLAGS,
    request::FS_IOC_FSGETXATTR,
    request::FS_IOC_GETVERSION,
    request::FS_IOC_GETFSLABEL,
    request::FS_IOC_FIEMAP,
    request::FIGETBSZ,
    request::FIOQSIZE,
    request::BLKGETSIZE,
    request::BLKGETSIZE64,
    request::BLKSSZGET,
    request::BLKPBSZGET,
    request::BLKBSZGET,
    request::BLKROGET,
    request::BLKIOMIN,
    request::BLKIOOPT,
    request::NS_GET_USERNS,
    request::NS_GET_PARENT,
    request::NS_GET_NSTYPE,
    request::NS_GET_OWNER_UID,
    request::RNDGETENTCNT,
    request::SIOCATMARK,
    request::SIOCGIFCONF,
    request::SIOCGIFNAME,
    request::SIOCGIFFLAGS,
    request::SIOCGIFADDR,
    request::SIOCGIFDSTADDR,
    request::SIOCGIFBRDADDR,
    request::SIOCGIFNETMASK,
    request::SIOCGIFMETRIC,
    request::SIOCGIFMTU,
    request::SIOCGIFHWADDR,
    request::SIOCGIFINDEX,
];

/// The commands of `fcntl` that change only the caller's descriptors, and its locks. Others break leases, or have signals
/// sent to a process of the caller's choice.
const FCNTL_COMMANDS: &[u32] = &[
    nr::F_GETFL,
    nr::F_SETFL,
    nr::F_GETFD,
    nr::F_SETFD,
    nr::F_DUPFD,
    F_LINUX + 6, // `F_DUPFD_CLOEXEC`
    nr::F_GETLK,
    nr::F_SETLK,
    nr::F_SETLKW,
    nr::F_OFD_GETLK,
    nr::F_OFD_SETLK,
    nr::F_OFD_SETLKW,
    nr::F_GETOWN,
    nr::F_GETSIG,
    F_LINUX + 1,  // `F_GETLEASE`
    F_LINUX + 3,  // `F_DUPFD_QUERY`
    F_LINUX + 4,  // `F_CREATED_QUERY`
    F_LINUX + 7,  // `F_SETPIPE_SZ`
    F_LINUX + 8,  // `F_GETPIPE_SZ`
    F_LINUX + 9,  // `F_ADD_SEALS`
    F_LINUX + 10, // `F_GET_SEALS`
    F_LINUX + 11, // `F_GET_RW_HINT`
    F_LINUX + 13, // `F_GET_FILE_RW_HINT`
];

/// The first command that only Linux has.
const F_LINUX: u32 = 1024;

/// Checks arguments for tools that must not reach the network. With ports, they may open TCP connections, and Landlock
/// decides to which.
fn closed_world(verdicts: &mut Verdicts, ports: bool) {
    let family = |value: i32| Condition::is(0, &[value.cast_unsigned()]);
    let local = vec![family(libc::AF_UNIX)];
    // `getifaddrs` asks the kernel for the addresses of this machine.
    let routes = vec![family(libc::AF_NETLINK), Condition::is(2, &[libc::NETLINK_ROUTE.cast_unsigned()])];
    let mut sockets = vec![local.clone(), routes];
    if ports {
        // Multipath TCP and SCTP connect past Landlock's rule for TCP. The type's upper bits are flags.
        let inet = Condition::is(0, &[libc::AF_INET.cast_unsigned(), libc::AF_INET6.cast_unsigned()]);
        let stream = Condition::is(1, &[libc::SOCK_STREAM.cast_unsigned()]).masked(0xF);
        sockets.push(vec![inet, stream, Condition::is(2, &[0, libc::IPPROTO_TCP.cast_unsigned()])]);
    }
    verdicts.insert(nr::__NR_socket, CallVerdict::AllowIf(sockets));
    verdicts.insert(nr::__NR_socketpair, CallVerdict::AllowIf(vec![local]));
    if ports {
        tcp(verdicts);
    }
}

/// Refuses the ways to use a TCP socket of which Landlock is not asked.
fn tcp(verdicts: &mut Verdicts) {
    // A socket that listens without an address gets a free port.
    verdicts.insert(nr::__NR_listen, CallVerdict::Refuse);
    // With this flag, sending connects.
    let fast_open = |argument| {
        let plain = Condition::is(argument, &[0]).masked(libc::MSG_FASTOPEN.cast_unsigned());
        CallVerdict::AllowIf(vec![vec![plain]])
    };
    verdicts.insert(nr::__NR_sendto, fast_open(3));
    verdicts.insert(nr::__NR_sendmsg, fast_open(2));
    verdicts.insert(nr::__NR_sendmmsg, fast_open(3));
    let tcp = [libc::IPPROTO_TCP.cast_unsigned()];
    let options = [libc::TCP_FASTOPEN, libc::TCP_FASTOPEN_CONNECT, libc::TCP_REPAIR, libc::TCP_ULP];
    let options = options.map(i32::cast_unsigned);
    let alternatives = vec![vec![Condition::is_not(1, &tcp)], vec![Condition::is_not(2, &options)]];
    verdicts.insert(nr::__NR_setsockopt, CallVerdict::AllowIf(alternatives));
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTS: &[&[u32]] = &[
        calls::ORDINARY,
        calls::UPROBE,
        calls::ESCAPES,
        calls::SYSTEM,
        calls::ATTRIBUTES,
        calls::MODES,
        calls::IDENTITY,
        CHECKED,
        &[nr::__NR_getsid],
    ];

    #[test]
    fn each_call_is_in_one_list() {
        let mut numbers: Vec<u32> = LISTS.iter().copied().flatten().copied().collect();
        let count = numbers.len();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), count);
    }

    #[test]
    fn calls_without_a_list_are_those_that_linux_has_removed() {
        let listed: Vec<u32> = LISTS.iter().copied().flatten().copied().collect();
        let newest = nr::__NR_file_setattr;
        assert_eq!(listed.iter().max(), Some(&newest));
        let unlisted: Vec<u32> = (424..=newest).filter(|number| !listed.contains(number)).collect();
        assert_eq!(unlisted, [0; 0], "all calls since Linux 5.1 are reviewed");
    }
}
