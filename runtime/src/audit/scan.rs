//! Splits a line of a log into its parts, if it is a record.

use super::hex::Hex;

/// How deep values may be nested.
const MAX_DEPTH: u32 = 160;
/// The length of `,"prev":"`, a digest, `","hash":"`, another digest and `"}`.
const CHAIN_BYTES: usize = 9 + 64 + 10 + 64 + 2;

/// The parts of a record that the chain is about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scanned<'a> {
    pub(super) seq: u64,
    /// Whether the record has the short form of reads.
    #[cfg_attr(
        not(feature = "cli"),
        expect(dead_code, reason = "only `audit verify` compares form and kind")
    )]
    pub(super) is_read: bool,
    /// The part of the line that the digest covers.
    pub(super) body: &'a [u8],
    pub(super) prev: &'a Hex,
    pub(super) hash: &'a Hex,
}

/// Reads a line without its newline. A record has exactly one form: printable ASCII, no blanks between tokens, its first
/// and last members in a fixed order.
pub(super) fn scan(line: &[u8]) -> Option<Scanned<'_>> {
    let (scanned, mut members) = begins(line)?;
    members.time()?;
    members.kind()?;
    is_members(members.rest).then_some(scanned)
}

/// Reads the beginning and the end of a line, and returns the members between them, which are not read yet.
#[inline]
pub(super) fn begins(line: &[u8]) -> Option<(Scanned<'_>, Members<'_>)> {
    // In chunks, so that the compiler uses vector instructions.
    let plain = |chunk: &[u8]| chunk.iter().fold(true, |plain, byte| plain & (byte.wrapping_sub(b' ') < 95));
    if !line.chunks(64).all(plain) {
        return None;
    }
    let (body, chain) = line.split_at_checked(line.len().checked_sub(CHAIN_BYTES)?)?;
    let chain = chain.strip_prefix(b",\"prev\":\"")?;
    let (prev, chain) = chain.split_first_chunk::<64>()?;
    let (hash, chain) = chain.strip_prefix(b"\",\"hash\":\"")?.split_first_chunk::<64>()?;
    if chain != b"\"}" {
        return None;
    }
    let mut members = Members { rest: body };
    members.literal(b"{\"v\":")?;
    let is_read = match members.rest.first()? {
        b'1' => false,
        b'2' => true,
        _ => return None,
    };
    members.rest = &members.rest[1..];
    members.literal(b",\"seq\":")?;
    let seq = members.digits()?;
    Some((Scanned { seq, is_read, body, prev, hash }, members))
}

/// Whether these are members of an object, each after a comma.
pub(super) fn is_members(members: &[u8]) -> bool {
    let mut members = Members { rest: members };
    while !members.rest.is_empty() {
        if members.member().is_none() {
            return false;
        }
    }
    true
}

/// Whether a line without a newline is more than a crash can leave: a whole record with something other than a newline
/// behind it.
pub(super) fn holds_more_than_a_record(torn: &[u8]) -> bool {
    let end = memchr::memmem::rfind(torn, b"\",\"hash\":\"").map(|at| at + 10 + 64 + 2);
    end.and_then(|end| torn.get(..end))
        .is_some_and(|record| record.len() < torn.len() && scan(record).is_some())
}

/// Returns the number of bytes before the first quote or backslash. It compares eight at a time, since most strings are too
/// short for a search with wider registers.
#[inline]
fn until_quote_or_backslash(bytes: &[u8]) -> Option<usize> {
    const LOW: u64 = u64::MAX / 255;
    // The high bit of the lowest zero byte is set. Bits of the bytes above it may be wrong.
    let zeros = |word: u64| word.wrapping_sub(LOW) & !word & (LOW << 7);
    let (words, _) = bytes.as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let matches = zeros(word ^ (LOW * u64::from(b'"'))) | zeros(word ^ (LOW * u64::from(b'\\')));
        if matches != 0 {
            return Some(8 * at + matches.trailing_zeros() as usize / 8);
        }
    }
    let rest = 8 * words.len();
    let position = bytes[rest..].iter().position(|byte| matches!(byte, b'"' | b'\\'));
    position.map(|at| rest + at)
}

/// The members of a record that are not read yet.
pub(super) struct Members<'a> {
    pub(super) rest: &'a [u8],
}

impl<'a> Members<'a> {
    /// Reads the time, the first member after the number.
    #[inline]
    pub(super) fn time(&mut self) -> Option<&'a [u8]> {
        self.literal(b",\"ts\":")?;
        self.string()
    }

    /// Reads the kind, the member after the time.
    #[inline]
    pub(super) fn kind(&mut self) -> Option<&'a [u8]> {
        self.literal(b",\"kind\":")?;
        self.string()
    }

    #[inline]
    fn literal(&mut self, literal: &[u8]) -> Option<()> {
        self.rest = self.rest.strip_prefix(literal)?;
        Some(())
    }

    /// Reads a whole number without leading zeros.
    pub(super) fn digits(&mut self) -> Option<u64> {
        let end = self.rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(self.rest.len());
        let (digits, rest) = self.rest.split_at(end);
        if digits.is_empty() || (digits.len() > 1 && digits[0] == b'0') {
            return None;
        }
        self.rest = rest;
        digits
            .iter()
            .try_fold(0_u64, |number, digit| number.checked_mul(10)?.checked_add(u64::from(digit - b'0')))
    }

    /// Reads a string, and returns the text between its quotes as it is written.
    #[inline]
    fn string(&mut self) -> Option<&'a [u8]> {
        let inside = self.rest.strip_prefix(b"\"")?;
        let mut at = 0;
        loop {
            at += until_quote_or_backslash(inside.get(at..)?)?;
            if inside[at] == b'"' {
                self.rest = &inside[at + 1..];
                return Some(&inside[..at]);
            }
            at += match inside.get(at + 1)? {
                b'"' | b'\\' => 2,
                b'u' if inside.get(at + 2..at + 6)?.iter().all(u8::is_ascii_hexdigit) => 6,
                _ => return None,
            };
        }
    }

    fn member(&mut self) -> Option<()> {
        self.literal(b",")?;
        self.string()?;
        self.literal(b":")?;
        self.value(MAX_DEPTH)
    }

    #[inline]
    fn value(&mut self, depth: u32) -> Option<()> {
        match *self.rest.first()? {
            b'"' => self.string().map(drop),
            b'{' => self.many(b'}', depth, |members, depth| {
                members.string()?;
                members.literal(b":")?;
                members.value(depth)
            }),
            b'[' => self.many(b']', depth, Self::value),
            b't' => self.literal(b"true"),
            b'f' => self.literal(b"false"),
            b'n' => self.literal(b"null"),
            _ => self.number(),
        }
    }

    fn many(&mut self, end: u8, depth: u32, mut one: impl FnMut(&mut Self, u32) -> Option<()>) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        self.rest = &self.rest[1..];
        if self.literal(&[end]).is_some() {
            return Some(());
        }
        loop {
            one(self, depth)?;
            if self.literal(&[end]).is_some() {
                return Some(());
            }
            self.literal(b",")?;
        }
    }

    /// Reads a number (RFC 8259 §6).
    fn number(&mut self) -> Option<()> {
        let _ = self.literal(b"-");
        let whole = self.some_digits()?;
        if whole.len() > 1 && whole[0] == b'0' {
            return None;
        }
        if self.literal(b".").is_some() {
            self.some_digits()?;
        }
        if self.literal(b"e").or_else(|| self.literal(b"E")).is_some() {
            let _ = self.literal(b"+").or_else(|| self.literal(b"-"));
            self.some_digits()?;
        }
        Some(())
    }

    fn some_digits(&mut self) -> Option<&'a [u8]> {
        let end = self.rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(self.rest.len());
        let (digits, rest) = self.rest.split_at(end);
        self.rest = rest;
        (!digits.is_empty()).then_some(digits)
    }
}

#[cfg(test)]
mod tests {
    use crate::audit::{chain::Head, scan::*};

    fn line(members: &str) -> Vec<u8> {
        let mut out = Vec::new();
        Head { next: 7, ..Head::START }.append(&mut out, "t", members.as_bytes());
        out.pop();
        out
    }

    #[test]
    fn scan_splits_a_record() {
        let line =
            line(r#""kind":"intent","call_id":"ab","args":{"a":[1,-2.5e-3,true,null,{}],"b":"\u00e9\""}"#);
        let scanned = scan(&line).unwrap();
        assert_eq!(scanned.seq, 7);
        assert_eq!(scanned.body.len() + CHAIN_BYTES, line.len());
    }

    #[test]
    fn scan_rejects_lines_that_are_not_records() {
        for wrong in [
            r#""kind":"x","a":01"#,
            r#""kind":"x","a":1."#,
            r#""kind":"x","a":+1"#,
            r#""kind":"x","a":{"b"}"#,
            r#""kind":"x","a":[1,]"#,
            r#""kind":"x","a":[1 ,2]"#,
            r#""kind":"x","a":"\x""#,
            r#""kind":"x","a":"é""#,
            r#""kind":"x","a":nul"#,
            r#""kind":"x","#,
            r#""knid":"x""#,
            r#""kind":x"#,
        ] {
            assert!(scan(&line(wrong)).is_none(), "{wrong}");
        }
        let nested = format!(r#""kind":"x","a":{}{}"#, "[".repeat(1_000), "]".repeat(1_000));
        assert!(scan(&line(&nested)).is_none());
        for end in 0..line(r#""kind":"x""#).len() {
            assert!(scan(&line(r#""kind":"x""#)[..end]).is_none(), "{end}");
        }
    }
}
