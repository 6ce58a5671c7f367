//! Records → the chain that ties each to all before it.

use sha2::{Digest as _, Sha256};

use super::hex::hex;

/// What a hash of ours begins with, so that it is no hash of anything else. With the previous hash and the length it
/// fills one block of SHA-256.
const DOMAIN: &[u8; 24] = b"candor audit record v1\0\0";

/// A SHA-256 digest.
pub(crate) type Hash = [u8; 32];

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
    use crate::audit::{chain::*, hex::hex_text};

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
