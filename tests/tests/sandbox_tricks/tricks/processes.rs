//! Tricks that are played on other processes, on this one, and on the kernel.

use std::{
    fs::{self, OpenOptions},
    os::unix::{fs::PermissionsExt as _, process::ExitStatusExt as _},
    path::Path,
    process::Command,
};

use candor_syscalls::{Arg, call};

use super::{Place, Tried, tried};

fn bystander(place: &Place) -> Arg<'static> {
    Arg::Number(place.bystander.id().into())
}

pub(super) fn kill(place: &Place, _: &Path) -> Tried {
    call(libc::SYS_kill, [bystander(place), libc::SIGCONT.into()])
}

fn pidfd(place: &Place) -> Tried {
    call(libc::SYS_pidfd_open, [bystander(place), 0.into()])
}

pub(super) fn pidfd_send_signal(place: &Place, _: &Path) -> Tried {
    call(libc::SYS_pidfd_send_signal, [pidfd(place)?.into(), libc::SIGCONT.into()])
}

pub(super) fn pidfd_getfd(place: &Place, _: &Path) -> Tried {
    call(libc::SYS_pidfd_getfd, [pidfd(place)?.into(), 0.into(), 0.into()])
}

pub(super) fn process_vm_readv(place: &Place, _: &Path) -> Tried {
    call(libc::SYS_process_vm_readv, [bystander(place)])
}

pub(super) fn ptrace(place: &Place, _: &Path) -> Tried {
    const PTRACE_SEIZE: i64 = 0x4206;
    call(libc::SYS_ptrace, [PTRACE_SEIZE.into(), bystander(place)])
}

pub(super) fn memory_file(place: &Place, _: &Path) -> Tried {
    tried(OpenOptions::new().write(true).open(format!("/proc/{}/mem", place.bystander.id())))
}

/// Sets the limit of open files to what it is.
pub(super) fn set_limit(place: &Place, _: &Path) -> Tried {
    let mut limit = [0; 16];
    let files = || Arg::from(7);
    call(libc::SYS_prlimit64, [bystander(place), files(), 0.into(), Arg::Buffer(&mut limit)])?;
    call(libc::SYS_prlimit64, [bystander(place), files(), (&limit).into(), 0.into()])
}

pub(super) fn get_limit(_: &Place, _: &Path) -> Tried {
    call(libc::SYS_prlimit64, [0.into(), 7.into(), 0.into(), Arg::Buffer(&mut [0; 16])])
}

pub(super) fn set_priority(_: &Place, _: &Path) -> Tried {
    // A kind of target that does not exist, so that an attempt without a sandbox changes nothing.
    call(libc::SYS_setpriority, [3.into(), 0.into(), 0.into()])
}

pub(super) fn syslog(_: &Place, _: &Path) -> Tried {
    // An action that does not exist.
    call(libc::SYS_syslog, [1000.into()])
}

pub(super) fn io_uring(_: &Place, _: &Path) -> Tried {
    call(libc::SYS_io_uring_setup, [1.into(), 0.into()])
}

#[cfg(target_arch = "x86_64")]
pub(super) fn int_80(_: &Place, _: &Path) -> Tried {
    candor_syscalls::process_id_by_int_80().map(i64::from)
}

#[cfg(not(target_arch = "x86_64"))]
pub(super) fn int_80(_: &Place, _: &Path) -> Tried {
    Err(libc::ENOSYS)
}

/// Starts a program for 32 bits, which ends by `int3` if the first system call of its life is unknown.
pub(super) fn child_of_32_bits(_: &Place, folder: &Path) -> Tried {
    let program = folder.parent().unwrap().join("child-of-32-bits");
    if !program.exists() {
        fs::write(&program, child()).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let status = Command::new(program).status();
    match status.map(|status| (status.success(), status.signal())) {
        Ok((true, _)) => Ok(0),
        Ok((_, Some(libc::SIGTRAP))) => Err(libc::ENOSYS),
        Ok((_, signal)) => Err(-signal.unwrap_or(0)),
        Err(error) => Err(error.raw_os_error().unwrap()),
    }
}

/// Returns an executable for 32 bits.
#[rustfmt::skip]
fn child() -> Vec<u8> {
    const ADDRESS: u32 = 0x0804_8000;
    const CODE: &[u8] = &[
        0xB8, 20, 0, 0, 0, // mov eax, 20 (getpid)
        0xCD, 0x80, //        int 0x80
        0x83, 0xF8, 0xDA, //  cmp eax, -38 (ENOSYS)
        0x75, 1, //           jne over the next instruction
        0xCC, //              int3
        0xB8, 1, 0, 0, 0, //  mov eax, 1 (exit)
        0x31, 0xDB, //        xor ebx, ebx
        0xCD, 0x80, //        int 0x80
    ];
    let headers = 52 + 32;
    let size = headers + u32::try_from(CODE.len()).unwrap();
    let mut elf = b"\x7FELF\x01\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    let words = |elf: &mut Vec<u8>, words: &[u32]| elf.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    // An executable for the 80386, its entry, and one program header.
    words(&mut elf, &[2 + (3 << 16), 1, ADDRESS + headers, 52, 0, 0, 52 + (32 << 16), 1, 0]);
    // One segment that is loaded, to be read and executed.
    words(&mut elf, &[1, 0, ADDRESS, ADDRESS, size, size, 5, 0x1000]);
    elf.extend(CODE);
    elf
}
