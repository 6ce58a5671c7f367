//! Records → the chain that ties each to all before it.

use sha2::{Digest as _, Sha256};

/// What a hash of ours begins with, so that it is no hash of anything else. With the previous hash and the length it
/// fills one block of SHA-256.
const DOMAIN: &[u8; 24] = b"candor audit record v1\0\0";

/// A SHA-256 digest.
pub(crate) type Hash = [u8; 32];

/// A digest as it stands in a line.
pub(crate) type Hex = [u8; 64];

/// What stands before the first record.
pub(crate) const NOTHING: Hash = [0; 32];

/// The digest of a record: `SHA-256(domain ‖ previous digest ‖ length of the body ‖ body)`. The body is the line up to
/// `,"prev":`; the length is eight bytes, the highest first.
pub(crate) fn hash(prev: &Hash, body: &[u8]) -> Hash {
    let mut head = [0; 64];
    head[..24].copy_from_slice(DOMAIN);
    head[24..56].copy_from_slice(prev);
    head[56..].copy_from_slice(&(body.len() as u64).to_be_bytes());
    let mut hash = Sha256::new();
    hash.update(head);
    hash.update(body);
    hash.finalize().into()
}

/// The digest of anything else.
pub(crate) fn sha256(bytes: &[u8]) -> Hash {
    Sha256::digest(bytes).into()
}

/// A digest in lower-case hexadecimal.
pub(crate) fn hex(hash: &Hash) -> Hex {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut hex = [0; 64];
    for (at, byte) in hash.iter().enumerate() {
        hex[2 * at] = DIGITS[usize::from(byte >> 4)];
        hex[2 * at + 1] = DIGITS[usize::from(byte & 15)];
    }
    hex
}

/// A number in 32 hexadecimal digits.
pub(crate) fn hex_number(number: u128) -> String {
    format!("{number:032x}")
}

/// A digest in hexadecimal, as text.
pub(crate) fn hex_text(hash: &Hash) -> String {
    str::from_utf8(&hex(hash)).expect("digits are ASCII").to_owned()
}

/// The value of each lower-case hexadecimal digit; 255 for what is none.
const VALUES: [u8; 256] = {
    let mut values = [u8::MAX; 256];
    let mut digit = 0;
    while digit < 16 {
        values[b"0123456789abcdef"[digit as usize] as usize] = digit;
        digit += 1;
    }
    values
};

/// The digest behind lower-case hexadecimal.
#[inline]
pub(crate) fn unhex(hex: &Hex) -> Option<Hash> {
    let (mut hash, mut all) = ([0; 32], 0);
    for (byte, pair) in hash.iter_mut().zip(hex.chunks_exact(2)) {
        let (high, low) = (VALUES[usize::from(pair[0])], VALUES[usize::from(pair[1])]);
        all |= high | low;
        *byte = high << 4 | low & 15;
    }
    (all < 16).then_some(hash)
}

/// The number behind 32 lower-case hexadecimal digits.
#[inline]
pub(crate) fn unhex_number(digits: &[u8; 32]) -> Option<u128> {
    let (mut number, mut all) = (0, 0);
    for &digit in digits {
        let value = VALUES[usize::from(digit)];
        all |= value;
        number = number << 4 | u128::from(value & 15);
    }
    (all < 16).then_some(number)
}

/// Where a log ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// Records so far, which is also the `seq` of the next.
    pub(crate) next: u64,
    /// The digest of the last.
    pub(crate) hash: Hash,
}

impl Head {
    /// Of a log without records.
    pub(crate) const START: Self = Self { next: 0, hash: NOTHING };

    /// Adds a record's line to `out`: number, time and `body`, then the chain. The head moves on.
    pub(crate) fn append(&mut self, out: &mut Vec<u8>, ts: &str, body: &[u8]) {
        let start = out.len();
        out.extend_from_slice(b"{\"v\":1,\"seq\":");
        out.extend_from_slice(self.next.to_string().as_bytes());
        out.extend_from_slice(b",\"ts\":\"");
        out.extend_from_slice(ts.as_bytes());
        out.extend_from_slice(b"\",");
        out.extend_from_slice(body);
        let prev = self.hash;
        self.hash = hash(&prev, &out[start..]);
        self.next += 1;
        out.extend_from_slice(b",\"prev\":\"");
        out.extend_from_slice(&hex(&prev));
        out.extend_from_slice(b"\",\"hash\":\"");
        out.extend_from_slice(&hex(&self.hash));
        out.extend_from_slice(b"\"}\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_is_read_as_it_was_written_and_in_lower_case_only() {
        let digest = sha256(b"candor");
        assert_eq!(unhex(&hex(&digest)), Some(digest));
        let mut upper = hex(&digest);
        upper.make_ascii_uppercase();
        assert_eq!(unhex(&upper), None);
    }

    #[test]
    fn a_number_is_read_as_it_was_written() {
        let number = 0x0123_4567_89ab_cdef_0000_0000_0000_00ff;
        assert_eq!(unhex_number(hex_number(number).as_bytes().try_into().unwrap()), Some(number));
    }

    #[test]
    fn a_line_ends_in_the_digest_of_all_before_its_prev() {
        let (mut head, mut out) = (Head::START, Vec::new());
        head.append(&mut out, "2026-11-21T12:00:00.000000Z", b"\"kind\":\"x\"");
        let line = str::from_utf8(&out).unwrap();
        let (body, chain) = line.split_once(",\"prev\":").unwrap();
        assert_eq!(head.hash, hash(&NOTHING, body.as_bytes()));
        assert_eq!(chain, format!("\"{}\",\"hash\":\"{}\"}}\n", "0".repeat(64), hex_text(&head.hash)));
        assert_eq!(head.next, 1);
    }
}
