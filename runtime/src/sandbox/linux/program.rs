//! Assembles a seccomp filter from a verdict for each system call.

use std::collections::BTreeMap;

use rustix::io::Errno;
use seccompiler::{BpfProgram, sock_filter};

/// The answer to a system call. A call without a verdict is answered as one that the kernel does not have (`ENOSYS`), so
/// that a program falls back to an older call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CallVerdict {
    Allow,
    /// `EACCES`.
    Refuse,
    /// Allowed if all conditions of one alternative hold, and otherwise refused.
    AllowIf(Vec<Vec<Condition>>),
}

/// A comparison of 32 bits of an argument with values. The kernel ignores the upper half of an argument that is an `int`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Condition {
    /// The position of the bits in `seccomp_data`.
    offset: u32,
    mask: u32,
    values: Vec<u32>,
    /// Whether the condition holds if the bits are among the values, or if they are not.
    among: bool,
}

impl Condition {
    /// Holds if the `int` at this position is one of `values`.
    pub(super) fn is(argument: u32, values: &[u32]) -> Self {
        Self { offset: ARGUMENTS + 8 * argument, mask: u32::MAX, values: values.to_vec(), among: true }
    }

    /// Holds if the `int` at this position is not one of `values`.
    pub(super) fn is_not(argument: u32, values: &[u32]) -> Self {
        Self { among: false, ..Self::is(argument, values) }
    }

    /// Compares these bits only.
    pub(super) fn masked(self, mask: u32) -> Self {
        Self { mask, ..self }
    }

    /// Holds if the pointer at this position is null.
    pub(super) fn is_null(argument: u32) -> [Self; 2] {
        let low = Self::is(argument, &[0]);
        [Self { offset: low.offset + 4, ..low.clone() }, low]
    }
}

// The layout of `seccomp_data` on a little-endian machine.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const ARGUMENTS: u32 = 16;

/// The architecture that the kernel names for calls of this program.
const NATIVE: u32 = if cfg!(target_arch = "x86_64") {
    0xC000_003E
} else if cfg!(target_arch = "aarch64") {
    0xC000_00B7
} else {
    // riscv64
    0xC000_00F3
};

const LOAD: u16 = 0x20;
const AND: u16 = 0x54;
const JUMP: u16 = 0x05;
const JUMP_IF_EQUAL: u16 = 0x15;
const JUMP_IF_NOT_LESS: u16 = 0x35;
const RETURN: u16 = 0x06;

/// Assembles the filter.
///
/// Calls of another architecture (`int 0x80` on x86-64, 32-bit programs) are unknown. Those of x32 carry numbers above
/// all others, and are unknown, too.
pub(super) fn assemble(verdicts: &BTreeMap<u32, CallVerdict>) -> BpfProgram {
    let ranges = ranges(verdicts);
    let mut program = vec![load(ARCHITECTURE), jump_if(JUMP_IF_EQUAL, NATIVE, 1, 0), unknown(), load(NUMBER)];
    program.extend(search(&ranges));
    program
}

/// Joins neighbouring calls of one verdict. Each range reaches to the next one.
fn ranges(verdicts: &BTreeMap<u32, CallVerdict>) -> Vec<(u32, Option<&CallVerdict>)> {
    let mut ranges: Vec<(u32, Option<&CallVerdict>)> = vec![(0, None)];
    let mut add = |start, verdict| {
        if ranges.last().is_none_or(|(_, last)| *last != verdict) {
            ranges.push((start, verdict));
        }
    };
    let mut next = 0;
    for (number, verdict) in verdicts {
        if *number > next {
            add(next, None);
        }
        add(*number, Some(verdict));
        next = number + 1;
    }
    add(next, None);
    ranges
}

/// Searches for the range of the loaded number by halving.
fn search(ranges: &[(u32, Option<&CallVerdict>)]) -> Vec<sock_filter> {
    match ranges {
        [] => vec![unknown()],
        [(_, verdict)] => answer(*verdict),
        _ => {
            let (lower, upper) = ranges.split_at(ranges.len() / 2);
            let (lower, from) = (search(lower), upper[0].0);
            let mut program = vec![jump_if(JUMP_IF_NOT_LESS, from, 0, 1), jump(lower.len())];
            program.extend(lower);
            program.extend(search(upper));
            program
        }
    }
}

fn answer(verdict: Option<&CallVerdict>) -> Vec<sock_filter> {
    match verdict {
        None => vec![unknown()],
        Some(CallVerdict::Allow) => vec![instruction(RETURN, libc::SECCOMP_RET_ALLOW)],
        Some(CallVerdict::Refuse) => vec![fail(Errno::ACCESS)],
        Some(CallVerdict::AllowIf(alternatives)) => {
            let mut program: Vec<_> =
                alternatives.iter().flat_map(|conditions| alternative(conditions)).collect();
            program.push(fail(Errno::ACCESS));
            program
        }
    }
}

/// Allows the call if all conditions hold, and otherwise goes on behind itself.
fn alternative(conditions: &[Condition]) -> Vec<sock_filter> {
    let allow = vec![instruction(RETURN, libc::SECCOMP_RET_ALLOW)];
    conditions.iter().rev().fold(allow, |rest, condition| {
        let mut program = vec![load(condition.offset)];
        if condition.mask != u32::MAX {
            program.push(instruction(AND, condition.mask));
        }
        // Each comparison jumps behind the instruction that follows them all.
        let jumps = (1..=u8::MAX).take(condition.values.len()).rev();
        program.extend(
            condition.values.iter().zip(jumps).map(|(value, by)| jump_if(JUMP_IF_EQUAL, *value, by, 0)),
        );
        program.push(jump(if condition.among { rest.len() } else { 1 }));
        if !condition.among {
            program.push(jump(rest.len()));
        }
        program.extend(rest);
        program
    })
}

fn load(offset: u32) -> sock_filter {
    instruction(LOAD, offset)
}

fn jump(by: usize) -> sock_filter {
    instruction(JUMP, u32::try_from(by).unwrap_or(u32::MAX))
}

fn jump_if(code: u16, value: u32, holds: u8, fails: u8) -> sock_filter {
    sock_filter { code, jt: holds, jf: fails, k: value }
}

fn unknown() -> sock_filter {
    fail(Errno::NOSYS)
}

fn fail(error: Errno) -> sock_filter {
    instruction(RETURN, libc::SECCOMP_RET_ERRNO | error.raw_os_error().cast_unsigned())
}

fn instruction(code: u16, k: u32) -> sock_filter {
    sock_filter { code, jt: 0, jf: 0, k }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALLOWED: u32 = libc::SECCOMP_RET_ALLOW;

    fn refused(error: Errno) -> u32 {
        fail(error).k
    }

    /// Runs a filter as the kernel does.
    fn run(program: &[sock_filter], architecture: u32, number: u32, arguments: [u64; 6]) -> u32 {
        let mut data = vec![number, architecture, 0, 0];
        #[expect(clippy::cast_possible_truncation, reason = "the halves of an argument")]
        data.extend(arguments.iter().flat_map(|argument| [*argument as u32, (argument >> 32) as u32]));
        let (mut loaded, mut at) = (0, 0);
        loop {
            let sock_filter { code, jt, jf, k } = program[at];
            let holds = match code {
                JUMP_IF_EQUAL => loaded == k,
                JUMP_IF_NOT_LESS => loaded >= k,
                _ => false,
            };
            match code {
                LOAD => loaded = data[k as usize / 4],
                AND => loaded &= k,
                JUMP => at += k as usize,
                RETURN => return k,
                _ => at += usize::from(if holds { jt } else { jf }),
            }
            at += 1;
        }
    }

    #[test]
    fn filter_answers_each_call_with_its_verdict() {
        let (allow, refuse) = (CallVerdict::Allow, CallVerdict::Refuse);
        let verdicts: BTreeMap<u32, CallVerdict> = (0..100)
            .filter(|number| number % 7 != 3)
            .map(|number| (number, if number % 5 < 2 { refuse.clone() } else { allow.clone() }))
            .collect();
        let program = assemble(&verdicts);
        for number in (0..120).chain([0x4000_0000, 0x4000_0002, u32::MAX]) {
            let expected = match verdicts.get(&number) {
                None => refused(Errno::NOSYS),
                Some(CallVerdict::Refuse) => refused(Errno::ACCESS),
                Some(_) => ALLOWED,
            };
            assert_eq!(run(&program, NATIVE, number, [0; 6]), expected, "{number}");
        }
        assert_eq!(run(&program, 0x4000_0003, 0, [0; 6]), refused(Errno::NOSYS), "another architecture");
    }

    #[test]
    fn filter_checks_arguments() {
        let alternatives = vec![
            vec![Condition::is(0, &[1, 2, 3]), Condition::is_not(2, &[7, 8])],
            vec![Condition::is(0, &[0x10]).masked(0xF0)],
            Condition::is_null(1).to_vec(),
        ];
        let program = assemble(&BTreeMap::from([(5, CallVerdict::AllowIf(alternatives))]));
        for (arguments, allowed) in [
            ([1, 9, 0], true),
            ([3, 9, 0], true),
            ([2, 9, 7], false),
            ([2, 9, 8], false),
            ([4, 9, 0], false),
            ([0x1F, 9, 0], true),
            ([0x2F, 9, 0], false),
            ([0, 0, 0], true),
            ([0, 1 << 32, 0], false),
            // The upper half of an `int` is not looked at.
            ([1 | 1 << 32, 9, 1 << 40], true),
        ] {
            let arguments: [u64; 6] = [arguments[0], arguments[1], arguments[2], 0, 0, 0];
            let expected = if allowed { ALLOWED } else { refused(Errno::ACCESS) };
            assert_eq!(run(&program, NATIVE, 5, arguments), expected, "{arguments:x?}");
        }
    }
}
