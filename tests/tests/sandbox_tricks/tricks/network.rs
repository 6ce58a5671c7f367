//! Tricks that reach the network, or another process by a socket.

use std::{
    net::{Ipv4Addr, TcpListener, TcpStream},
    os::{
        fd::{AsRawFd as _, OwnedFd},
        linux::net::SocketAddrExt as _,
        unix::net::{SocketAddr, UnixStream},
    },
    path::Path,
};

use candor_syscalls::{Arg, call, socket};
use libc::{AF_INET, AF_INET6, AF_NETLINK, AF_UNIX, SOCK_DGRAM, SOCK_RAW, SOCK_STREAM};

use super::{Place, Tried, tried};

/// Opens a socket of these numbers and closes it.
fn open(family: i32, kind: i32, protocol: i32) -> Tried {
    socket(family, kind, protocol).map(|_| 0)
}

fn number(socket: &OwnedFd) -> Arg<'static> {
    socket.as_raw_fd().into()
}

pub(super) fn udp(_: &Place, _: &Path) -> Tried {
    open(AF_INET, SOCK_DGRAM, 0)
}

pub(super) fn ipv6(_: &Place, _: &Path) -> Tried {
    open(AF_INET6, SOCK_STREAM | libc::SOCK_CLOEXEC, 0)
}

pub(super) fn multipath(_: &Place, _: &Path) -> Tried {
    open(AF_INET, SOCK_STREAM, libc::IPPROTO_MPTCP)
}

pub(super) fn sctp(_: &Place, _: &Path) -> Tried {
    open(AF_INET, SOCK_STREAM, libc::IPPROTO_SCTP)
}

pub(super) fn raw(_: &Place, _: &Path) -> Tried {
    open(AF_INET, SOCK_RAW, libc::IPPROTO_ICMP)
}

pub(super) fn packet(_: &Place, _: &Path) -> Tried {
    open(libc::AF_PACKET, SOCK_RAW, 0)
}

pub(super) fn vsock(_: &Place, _: &Path) -> Tried {
    open(libc::AF_VSOCK, SOCK_STREAM, 0)
}

pub(super) fn alg(_: &Place, _: &Path) -> Tried {
    open(libc::AF_ALG, libc::SOCK_SEQPACKET, 0)
}

pub(super) fn bluetooth(_: &Place, _: &Path) -> Tried {
    open(libc::AF_BLUETOOTH, SOCK_RAW, 1)
}

pub(super) fn smc(_: &Place, _: &Path) -> Tried {
    open(43, SOCK_STREAM, 0)
}

pub(super) fn future(_: &Place, _: &Path) -> Tried {
    open(60, SOCK_STREAM, 0)
}

pub(super) fn generic_netlink(_: &Place, _: &Path) -> Tried {
    open(AF_NETLINK, SOCK_RAW, libc::NETLINK_GENERIC)
}

pub(super) fn socket_pair(_: &Place, _: &Path) -> Tried {
    tried(UnixStream::pair())
}

pub(super) fn connect_listed(place: &Place, _: &Path) -> Tried {
    tried(TcpStream::connect((Ipv4Addr::LOCALHOST, place.listed_port)))
}

pub(super) fn connect_other(place: &Place, _: &Path) -> Tried {
    tried(TcpStream::connect((Ipv4Addr::LOCALHOST, place.other_port)))
}

pub(super) fn bind(_: &Place, _: &Path) -> Tried {
    tried(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
}

pub(super) fn abstract_socket(place: &Place, _: &Path) -> Tried {
    tried(UnixStream::connect_addr(&SocketAddr::from_abstract_name(&place.abstract_name).unwrap()))
}

pub(super) fn path_socket(place: &Place, _: &Path) -> Tried {
    tried(UnixStream::connect(place.folder.path().join("socket")))
}

fn tcp() -> Result<OwnedFd, i32> {
    socket(AF_INET, SOCK_STREAM, 0)
}

pub(super) fn listen(_: &Place, _: &Path) -> Tried {
    call(libc::SYS_listen, [number(&tcp()?), 1.into()])
}

pub(super) fn listen_locally(_: &Place, _: &Path) -> Tried {
    let socket = socket(AF_UNIX, SOCK_STREAM, 0)?;
    // An address without a name: the kernel chooses an abstract one.
    call(libc::SYS_bind, [number(&socket), (&[1, 0]).into(), 2.into()])?;
    call(libc::SYS_listen, [number(&socket), 1.into()])
}

pub(super) fn fast_open(place: &Place, _: &Path) -> Tried {
    let mut address = [0; 16];
    address[0] = 2; // `AF_INET`
    address[2..4].copy_from_slice(&place.other_port.to_be_bytes());
    address[4..8].copy_from_slice(&Ipv4Addr::LOCALHOST.octets());
    let flags = libc::MSG_FASTOPEN.into();
    let socket = tcp()?;
    call(libc::SYS_sendto, [number(&socket), b"x".into(), 1.into(), flags, (&address).into(), 16.into()])
}

pub(super) fn fast_open_message(_: &Place, _: &Path) -> Tried {
    call(libc::SYS_sendmsg, [number(&tcp()?), 0.into(), libc::MSG_FASTOPEN.into()])
}

pub(super) fn fast_open_messages(_: &Place, _: &Path) -> Tried {
    call(libc::SYS_sendmmsg, [number(&tcp()?), 0.into(), 1.into(), libc::MSG_FASTOPEN.into()])
}

fn set_tcp_option(option: i32) -> Tried {
    let on = 1_u32.to_ne_bytes();
    let (level, length) = (libc::IPPROTO_TCP.into(), 4.into());
    call(libc::SYS_setsockopt, [number(&tcp()?), level, option.into(), (&on).into(), length])
}

pub(super) fn fast_open_option(_: &Place, _: &Path) -> Tried {
    set_tcp_option(libc::TCP_FASTOPEN_CONNECT)
}

pub(super) fn no_delay(_: &Place, _: &Path) -> Tried {
    set_tcp_option(libc::TCP_NODELAY)
}

pub(super) fn set_interface_flags(_: &Place, _: &Path) -> Tried {
    const SET_INTERFACE_FLAGS: i64 = 0x8914;
    let socket = socket(AF_INET, SOCK_DGRAM, 0)?;
    // A request of zeros names no interface.
    call(libc::SYS_ioctl, [number(&socket), SET_INTERFACE_FLAGS.into(), (&[0; 40]).into()])
}

/// Sends a request about routes and interfaces, and returns the error in the answer.
fn ask_for_routes(kind: u16, flags: u16) -> Tried {
    let socket = socket(AF_NETLINK, SOCK_RAW, libc::NETLINK_ROUTE)?;
    let mut request = [0; 32];
    request[0] = 32;
    request[4..6].copy_from_slice(&kind.to_ne_bytes());
    request[6..8].copy_from_slice(&flags.to_ne_bytes());
    // The index of an interface that does not exist.
    request[20..24].copy_from_slice(&i32::MAX.to_ne_bytes());
    call(libc::SYS_sendto, [number(&socket), (&request).into(), 32.into()])?;
    let mut answer = [0; 8192];
    call(libc::SYS_recvfrom, [number(&socket), Arg::Buffer(&mut answer), 8192.into()])?;
    let is_error = answer[4..6] == 2_u16.to_ne_bytes();
    let error = i32::from_ne_bytes(answer[16..20].try_into().unwrap());
    if is_error && error != 0 { Err(-error) } else { Ok(0) }
}

pub(super) fn configure(_: &Place, _: &Path) -> Tried {
    const SET_LINK: u16 = 19;
    const REQUEST_AND_ACKNOWLEDGE: u16 = 5;
    ask_for_routes(SET_LINK, REQUEST_AND_ACKNOWLEDGE)
}

pub(super) fn addresses(_: &Place, _: &Path) -> Tried {
    const GET_ADDRESSES: u16 = 22;
    const REQUEST_ALL: u16 = 0x301;
    ask_for_routes(GET_ADDRESSES, REQUEST_ALL)
}
