//! Makes system calls by their numbers, for tests of the sandbox.
#![cfg(target_os = "linux")]

use std::{
    ffi::CStr,
    io,
    os::fd::{FromRawFd as _, OwnedFd},
};

/// An argument of a system call.
#[derive(Debug)]
pub enum Arg<'a> {
    /// A number, a descriptor, flags, or a pointer that the kernel must not follow.
    Number(i64),
    /// A text that the kernel reads.
    Text(&'a CStr),
    /// Bytes that the kernel reads.
    Bytes(&'a [u8]),
    /// Bytes that the kernel writes, at most as many as there are.
    Buffer(&'a mut [u8]),
}

impl From<i64> for Arg<'_> {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<i32> for Arg<'_> {
    fn from(number: i32) -> Self {
        Self::Number(number.into())
    }
}

impl<'a> From<&'a CStr> for Arg<'a> {
    fn from(text: &'a CStr) -> Self {
        Self::Text(text)
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Arg<'a> {
    fn from(bytes: &'a [u8; N]) -> Self {
        Self::Bytes(bytes)
    }
}

/// Makes a system call, with 0 for arguments that are not given.
///
/// # Errors
///
/// The error number of the call.
///
/// # Panics
///
/// If there are more than six arguments.
pub fn call<const N: usize>(number: i64, arguments: [Arg<'_>; N]) -> Result<i64, i32> {
    let mut values = [0; 6];
    for (value, argument) in values.iter_mut().zip(arguments) {
        *value = match argument {
            Arg::Number(number) => number,
            Arg::Text(text) => text.as_ptr() as i64,
            Arg::Bytes(bytes) => bytes.as_ptr() as i64,
            Arg::Buffer(bytes) => bytes.as_mut_ptr() as i64,
        };
    }
    let [first, second, third, fourth, fifth, sixth] = values;
    // SAFETY: the tests pass buffers that are as long as they tell the kernel.
    let result = unsafe { libc::syscall(number, first, second, third, fourth, fifth, sixth) };
    if result == -1 { Err(io::Error::last_os_error().raw_os_error().unwrap_or(0)) } else { Ok(result) }
}

/// Makes a system call with this value in place of each argument.
///
/// # Errors
///
/// The error number of the call.
pub fn call_with_all(number: i64, value: i64) -> Result<i64, i32> {
    call(number, [value; 6].map(Arg::Number))
}

/// Asks for the process id by the gate of 32-bit programs (`int 0x80`).
///
/// # Errors
///
/// The error number of the call.
#[cfg(target_arch = "x86_64")]
pub fn process_id_by_int_80() -> Result<i32, i32> {
    let mut result = 20; // `getpid`
    // SAFETY: the call reads and writes no memory.
    unsafe {
        std::arch::asm!(
            "int 0x80",
            inout("eax") result,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _,
        );
    }
    if result < 0 { Err(-result) } else { Ok(result) }
}

/// Opens a socket of these numbers.
///
/// # Errors
///
/// The error number of the call.
///
/// # Panics
///
/// If the kernel returns a descriptor that is not a number of one.
pub fn socket(family: i32, kind: i32, protocol: i32) -> Result<OwnedFd, i32> {
    let descriptor = call(libc::SYS_socket, [family.into(), kind.into(), protocol.into()])?;
    let descriptor = i32::try_from(descriptor).expect("descriptors are small");
    // SAFETY: the descriptor is open, and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}
