//! Lists tricks, each with the answer that it gets in four sandboxes.

mod files;
mod network;
mod processes;

use std::{
    net::{Ipv4Addr, TcpListener},
    os::{
        linux::net::SocketAddrExt as _,
        unix::net::{SocketAddr, UnixListener},
    },
    path::Path,
    process::{Child, Command, Stdio},
};

/// An expected answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The same as without a sandbox.
    Same,
    /// `EACCES`, and something else without a sandbox.
    Refused,
    /// `EPERM`: Landlock refuses to act on other processes, or a privilege is missing.
    NotPermitted,
    /// `ENOSYS`: the call is unknown.
    Unknown,
}

use Answer::{NotPermitted as Nope, Refused as No, Same as Yes, Unknown as What};

/// Something that a tool tries.
pub(crate) struct Trick {
    pub(crate) name: &'static str,
    /// Its answers with `read_only`, the same with a scratch folder elsewhere, with `closed_world`, and the same with a port.
    pub(crate) expected: [Answer; 4],
    /// Tries it, with a folder that holds a file of the name `file`.
    pub(crate) attempt: fn(&Place, &Path) -> Tried,
}

/// The end of an attempt, or its error number.
pub(crate) type Tried = Result<i64, i32>;

/// The targets of the tricks.
pub(crate) struct Place {
    /// A process of the same user.
    pub(crate) bystander: Child,
    /// The only port that a `closed_world` tool may connect to.
    pub(crate) listed_port: u16,
    pub(crate) other_port: u16,
    /// The name of an abstract socket outside the sandboxes.
    pub(crate) abstract_name: String,
    /// A folder with a local socket of the name `socket` outside the sandboxes.
    pub(crate) folder: tempfile::TempDir,
    _listeners: [TcpListener; 2],
    _sockets: [UnixListener; 2],
}

impl Place {
    pub(crate) fn new() -> Self {
        let listeners = [(); 2].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
        let [listed_port, other_port] =
            [&listeners[0], &listeners[1]].map(|listener| listener.local_addr().unwrap().port());
        let abstract_name = format!("candor-tricks-{listed_port}");
        let address = SocketAddr::from_abstract_name(&abstract_name).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let by_path = UnixListener::bind(folder.path().join("socket")).unwrap();
        Self {
            bystander: Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap(),
            listed_port,
            other_port,
            _sockets: [UnixListener::bind_addr(&address).unwrap(), by_path],
            folder,
            abstract_name,
            _listeners: listeners,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = self.bystander.kill();
        let _ = self.bystander.wait();
    }
}

const fn trick(name: &'static str, expected: [Answer; 4], attempt: fn(&Place, &Path) -> Tried) -> Trick {
    Trick { name, expected, attempt }
}

pub(crate) const TRICKS: &[Trick] = &[
    //                                           read_only  +scratch  closed  +port
    trick("write a file", /*                  */ [No, No, Yes, Yes], files::write),
    trick("truncate a file by its path", /*   */ [No, No, Yes, Yes], files::truncate),
    trick("create a file", /*                 */ [No, No, Yes, Yes], files::create),
    trick("create a temporary file", /*       */ [No, No, Yes, Yes], files::temporary),
    trick("remove a file", /*                 */ [No, No, Yes, Yes], files::remove),
    trick("rename a file", /*                 */ [No, No, Yes, Yes], files::rename),
    trick("link a file", /*                   */ [No, No, Yes, Yes], files::link),
    trick("link a file symbolically", /*      */ [No, No, Yes, Yes], files::symlink),
    trick("make a folder", /*                 */ [No, No, Yes, Yes], files::mkdir),
    trick("make a FIFO", /*                   */ [No, No, Yes, Yes], files::mkfifo),
    trick("write a file from a child", /*     */ [No, No, Yes, Yes], files::write_in_a_child),
    trick("write a file from a thread", /*    */ [No, No, Yes, Yes], files::write_in_a_thread),
    trick("chmod", /*                         */ [No, Yes, Yes, Yes], files::chmod),
    trick("fchmodat2", /*                     */ [No, Yes, Yes, Yes], files::fchmodat2),
    trick("utimensat", /*                     */ [No, Yes, Yes, Yes], files::utimensat),
    trick("chown", /*                         */ [No, No, Yes, Yes], files::chown),
    trick("setxattr", /*                      */ [No, No, Yes, Yes], files::setxattr),
    trick("setxattrat", /*                    */ [No, No, Yes, Yes], files::setxattrat),
    trick("removexattrat", /*                 */ [No, No, Yes, Yes], files::removexattrat),
    trick("file_setattr", /*                  */ [No, No, Yes, Yes], files::file_setattr),
    trick("ioctl FS_IOC_SETFLAGS", /*         */ [No, No, Yes, Yes], files::set_flags),
    trick("ioctl FS_IOC_FSSETXATTR", /*       */ [No, No, Yes, Yes], files::set_project),
    trick("ioctl FITHAW", /*                  */ [No, No, Yes, Yes], files::thaw),
    trick("ioctl BTRFS_IOC_SNAP_DESTROY", /*  */ [No, No, Yes, Yes], files::destroy_subvolume),
    trick("ioctl SIOCSIFFLAGS", /*            */ [No, No, No, No], network::set_interface_flags),
    trick("ioctl FS_IOC_GETFLAGS", /*         */ [Yes, Yes, Yes, Yes], files::get_flags),
    trick("ioctl FIONREAD", /*                */ [Yes, Yes, Yes, Yes], files::bytes_ready),
    trick("fcntl F_SETLEASE", /*              */ [No, No, Yes, Yes], files::set_lease),
    trick("fcntl F_SETOWN", /*                */ [No, No, Yes, Yes], files::set_owner),
    trick("open_by_handle_at", /*             */ [No, No, Yes, Yes], files::open_by_handle),
    trick("kill", /*                          */ [Nope, Nope, Yes, Yes], processes::kill),
    trick("pidfd_send_signal", /*             */ [Nope, Nope, Yes, Yes], processes::pidfd_send_signal),
    trick("pidfd_getfd", /*                   */ [No, No, No, No], processes::pidfd_getfd),
    trick("process_vm_readv", /*              */ [No, No, No, No], processes::process_vm_readv),
    trick("ptrace", /*                        */ [No, No, No, No], processes::ptrace),
    trick("/proc/PID/mem", /*                 */ [No, No, Yes, No], processes::memory_file),
    trick("prlimit64 with a limit", /*        */ [No, No, Yes, Yes], processes::set_limit),
    trick("prlimit64 without a limit", /*     */ [Yes, Yes, Yes, Yes], processes::get_limit),
    trick("setpriority of all", /*            */ [No, No, Yes, Yes], processes::set_priority),
    trick("syslog that clears", /*            */ [No, No, Yes, Yes], processes::syslog),
    trick("io_uring_setup", /*                */ [No, No, No, No], processes::io_uring),
    trick("int 0x80", /*                      */ [What, What, What, What], processes::int_80),
    trick("a 32-bit child", /*                */ [What, What, What, What], processes::child_of_32_bits),
    trick("abstract socket", /*               */ [Nope, Nope, Yes, Yes], network::abstract_socket),
    trick("configuration of the network", /*  */ [Nope, Nope, Yes, Yes], network::configure),
    trick("addresses of this machine", /*     */ [Yes, Yes, Yes, Yes], network::addresses),
    trick("socket pair", /*                   */ [Yes, Yes, Yes, Yes], network::path_socket),
    trick("socket pair", /*                   */ [Yes, Yes, Yes, Yes], network::socket_pair),
    trick("TCP to a listed port", /*          */ [Yes, Yes, No, Yes], network::connect_listed),
    trick("TCP to another port", /*           */ [Yes, Yes, No, No], network::connect_other),
    trick("TCP Fast Open by sendto", /*       */ [Yes, Yes, No, No], network::fast_open),
    trick("TCP Fast Open by sendmsg", /*      */ [Yes, Yes, No, No], network::fast_open_message),
    trick("TCP Fast Open by sendmmsg", /*     */ [Yes, Yes, No, No], network::fast_open_messages),
    trick("TCP_FASTOPEN_CONNECT", /*          */ [Yes, Yes, No, No], network::fast_open_option),
    trick("TCP_NODELAY", /*                   */ [Yes, Yes, No, Yes], network::no_delay),
    trick("bind", /*                          */ [Yes, Yes, No, No], network::bind),
    trick("listen without bind", /*           */ [Yes, Yes, No, No], network::listen),
    trick("listen on a local socket", /*      */ [Yes, Yes, Yes, No], network::listen_locally),
    trick("UDP", /*                           */ [Yes, Yes, No, No], network::udp),
    trick("IPv6", /*                          */ [Yes, Yes, No, Yes], network::ipv6),
    trick("multipath TCP", /*                 */ [Yes, Yes, No, No], network::multipath),
    trick("SCTP", /*                          */ [Yes, Yes, No, No], network::sctp),
    trick("raw IP", /*                        */ [Yes, Yes, No, No], network::raw),
    trick("AF_PACKET", /*                     */ [Yes, Yes, No, No], network::packet),
    trick("AF_VSOCK", /*                      */ [Yes, Yes, No, No], network::vsock),
    trick("AF_ALG", /*                        */ [Yes, Yes, No, No], network::alg),
    trick("AF_BLUETOOTH", /*                  */ [Yes, Yes, No, No], network::bluetooth),
    trick("AF_SMC", /*                        */ [Yes, Yes, No, No], network::smc),
    trick("a family that is not there yet", /**/ [Yes, Yes, No, No], network::future),
    trick("netlink, but for routes", /*       */ [Yes, Yes, No, No], network::generic_netlink),
];

/// Calls that change the machine or what outlives the process. With −1 as each argument they fail in any case.
pub(crate) const SYSTEM_CALLS: &[i64] = &[
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_chroot,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_fanotify_init,
    libc::SYS_fanotify_mark,
    libc::SYS_reboot,
    libc::SYS_kexec_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_perf_event_open,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_mq_open,
    libc::SYS_mq_unlink,
    libc::SYS_mq_timedsend,
    libc::SYS_msgget,
    libc::SYS_msgctl,
    libc::SYS_semget,
    libc::SYS_semctl,
    libc::SYS_shmget,
    libc::SYS_shmctl,
    libc::SYS_setrlimit,
    libc::SYS_setgroups,
    libc::SYS_ioprio_set,
    // `open_tree_attr`
    467,
];

/// Calls that reach into other processes, or past the filter.
pub(crate) const ESCAPES: &[i64] = &[
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_process_mrelease,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    libc::SYS_bpf,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
];

/// Returns the name of an error that the tables mention, or its number.
pub(crate) fn error_name(tried: Tried) -> String {
    match tried {
        Ok(_) => "ok".to_owned(),
        Err(libc::EACCES) => "EACCES".to_owned(),
        Err(libc::EPERM) => "EPERM".to_owned(),
        Err(libc::ENOSYS) => "ENOSYS".to_owned(),
        Err(other) => format!("error {other}"),
    }
}

/// Reads the result of a function of the standard library.
pub(crate) fn tried<T>(result: std::io::Result<T>) -> Tried {
    result.map(|_| 0).map_err(|error| error.raw_os_error().unwrap_or(-1))
}
