//! Tricks that change files.

use std::{
    ffi::CString,
    fs::{self, File},
    io,
    os::{
        fd::AsRawFd as _,
        unix::{ffi::OsStrExt as _, fs::PermissionsExt as _},
    },
    path::Path,
    process::{Command, Stdio},
};

use candor_syscalls::{Arg, call};

use super::{Place, Tried, tried};

fn file(folder: &Path) -> CString {
    CString::new(folder.join("file").as_os_str().as_bytes()).unwrap()
}

pub(super) fn write(_: &Place, folder: &Path) -> Tried {
    tried(fs::write(folder.join("file"), "written"))
}

pub(super) fn truncate(_: &Place, folder: &Path) -> Tried {
    call(libc::SYS_truncate, [Arg::Text(&file(folder)), 0.into()])
}

pub(super) fn create(_: &Place, folder: &Path) -> Tried {
    tried(File::create_new(folder.join("new")))
}

pub(super) fn temporary(_: &Place, folder: &Path) -> Tried {
    // The error of this crate holds another one with the path.
    let made = tempfile::NamedTempFile::new_in(folder);
    made.map(|_| 0).map_err(|error| match error.kind() {
        io::ErrorKind::PermissionDenied => libc::EACCES,
        _ => -1,
    })
}

pub(super) fn remove(_: &Place, folder: &Path) -> Tried {
    tried(fs::remove_file(folder.join("file")))
}

pub(super) fn rename(_: &Place, folder: &Path) -> Tried {
    tried(fs::rename(folder.join("file"), folder.join("new")))
}

pub(super) fn link(_: &Place, folder: &Path) -> Tried {
    tried(fs::hard_link(folder.join("file"), folder.join("new")))
}

pub(super) fn symlink(_: &Place, folder: &Path) -> Tried {
    tried(std::os::unix::fs::symlink("file", folder.join("new")))
}

pub(super) fn mkdir(_: &Place, folder: &Path) -> Tried {
    tried(fs::create_dir(folder.join("new")))
}

pub(super) fn mkfifo(_: &Place, folder: &Path) -> Tried {
    let path = CString::new(folder.join("new").as_os_str().as_bytes()).unwrap();
    call(
        libc::SYS_mknodat,
        [libc::AT_FDCWD.into(), Arg::Text(&path), Arg::Number((libc::S_IFIFO | 0o600).into())],
    )
}

pub(super) fn write_in_a_child(_: &Place, folder: &Path) -> Tried {
    let mut child = Command::new("touch");
    let status = child.arg(folder.join("new")).stderr(Stdio::null()).status();
    match status {
        Ok(status) if status.success() => Ok(0),
        Ok(_) => Err(libc::EACCES),
        Err(error) => Err(error.raw_os_error().unwrap()),
    }
}

pub(super) fn write_in_a_thread(place: &Place, folder: &Path) -> Tried {
    std::thread::scope(|scope| scope.spawn(|| write(place, folder)).join().unwrap())
}

pub(super) fn chmod(_: &Place, folder: &Path) -> Tried {
    tried(fs::set_permissions(folder.join("file"), fs::Permissions::from_mode(0o600)))
}

pub(super) fn fchmodat2(_: &Place, folder: &Path) -> Tried {
    call(libc::SYS_fchmodat2, [libc::AT_FDCWD.into(), Arg::Text(&file(folder)), 0o600.into(), 0.into()])
}

pub(super) fn utimensat(_: &Place, folder: &Path) -> Tried {
    call(libc::SYS_utimensat, [libc::AT_FDCWD.into(), Arg::Text(&file(folder)), 0.into(), 0.into()])
}

pub(super) fn chown(_: &Place, folder: &Path) -> Tried {
    tried(std::os::unix::fs::chown(folder.join("file"), None, None))
}

const ATTRIBUTE: &std::ffi::CStr = c"user.candor";

pub(super) fn setxattr(_: &Place, folder: &Path) -> Tried {
    call(
        libc::SYS_setxattr,
        [Arg::Text(&file(folder)), Arg::Text(ATTRIBUTE), Arg::Bytes(b"1"), 1.into(), 0.into()],
    )
}

const SETXATTRAT: i64 = 463;
const REMOVEXATTRAT: i64 = 466;
const FILE_SETATTR: i64 = 469;

pub(super) fn setxattrat(_: &Place, folder: &Path) -> Tried {
    // Without a value: `struct xattr_args` of zeros.
    let attribute = Arg::Text(ATTRIBUTE);
    let path = file(folder);
    call(
        SETXATTRAT,
        [libc::AT_FDCWD.into(), Arg::Text(&path), 0.into(), attribute, (&[0; 16]).into(), 16.into()],
    )
}

pub(super) fn removexattrat(_: &Place, folder: &Path) -> Tried {
    call(REMOVEXATTRAT, [libc::AT_FDCWD.into(), Arg::Text(&file(folder)), 0.into(), Arg::Text(ATTRIBUTE)])
}

pub(super) fn file_setattr(_: &Place, folder: &Path) -> Tried {
    let path = file(folder);
    call(FILE_SETATTR, [libc::AT_FDCWD.into(), Arg::Text(&path), (&[0; 24]).into(), 24.into(), 0.into()])
}

const GET_FLAGS: i64 = 0x8008_6601;
const SET_FLAGS: i64 = 0x4008_6602;
const GET_PROJECT: i64 = 0x801C_581F;
const SET_PROJECT: i64 = 0x401C_5820;
const THAW: i64 = 0xC004_5878;
const DESTROY_SUBVOLUME: i64 = 0x5000_940F;

/// Calls `ioctl` on a descriptor that was opened for reading.
fn ioctl(folder: &Path, request: i64, argument: Arg<'_>) -> Tried {
    let file = File::open(folder.join("file")).unwrap();
    call(libc::SYS_ioctl, [file.as_raw_fd().into(), request.into(), argument])
}

pub(super) fn get_flags(_: &Place, folder: &Path) -> Tried {
    ioctl(folder, GET_FLAGS, Arg::Buffer(&mut [0; 8]))
}

pub(super) fn set_flags(_: &Place, folder: &Path) -> Tried {
    let mut flags = [0; 8];
    ioctl(folder, GET_FLAGS, Arg::Buffer(&mut flags))?;
    ioctl(folder, SET_FLAGS, (&flags).into())
}

pub(super) fn set_project(_: &Place, folder: &Path) -> Tried {
    let mut attributes = [0; 28];
    ioctl(folder, GET_PROJECT, Arg::Buffer(&mut attributes))?;
    ioctl(folder, SET_PROJECT, (&attributes).into())
}

pub(super) fn thaw(_: &Place, folder: &Path) -> Tried {
    ioctl(folder, THAW, 0.into())
}

pub(super) fn destroy_subvolume(_: &Place, folder: &Path) -> Tried {
    ioctl(folder, DESTROY_SUBVOLUME, (&[0; 4096]).into())
}

pub(super) fn bytes_ready(_: &Place, folder: &Path) -> Tried {
    ioctl(folder, 0x541B, Arg::Buffer(&mut [0; 4]))
}

fn fcntl(folder: &Path, command: i32, argument: i64) -> Tried {
    let file = File::open(folder.join("file")).unwrap();
    call(libc::SYS_fcntl, [file.as_raw_fd().into(), command.into(), argument.into()])
}

pub(super) fn set_lease(_: &Place, folder: &Path) -> Tried {
    fcntl(folder, libc::F_SETLEASE, libc::F_RDLCK.into())
}

pub(super) fn set_owner(place: &Place, folder: &Path) -> Tried {
    fcntl(folder, libc::F_SETOWN, place.bystander.id().into())
}

pub(super) fn open_by_handle(_: &Place, folder: &Path) -> Tried {
    let mount = File::open(folder).unwrap();
    call(libc::SYS_open_by_handle_at, [mount.as_raw_fd().into(), (&[0; 32]).into(), 0.into()])
}
