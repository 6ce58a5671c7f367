//! Chains records: the digest of each covers all records before it.

use std::io::Write as _;

use sha2::{Digest as _, Sha256};

use super::hex::hex;

/// The prefix of a record's hash, so that it differs from a hash of anything else. The prefix, the previous digest and the
/// length fill one block of SHA-256.
const DOMAIN: &[u8; 24] = b"candor audit record v1\0\0";

/// A SHA-256 digest.
pub(crate) type Hash = [u8; 32];

/// The digest before the first record.
pub(crate) const NO_RECORDS: Hash = [0; 32];

/// Returns the digest of a record: `SHA-256(domain ‖ previous digest ‖ length of the body ‖ body)`. The body is the line up
/// to `,"prev":`. The length is eight bytes, the highest first.
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

/// Returns the digest of anything but a record.
pub(crate) fn sha256(bytes: &[u8]) -> Hash {
    Sha256::digest(bytes).into()
}

/// The form of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RecordForm {
    /// A record that can be read by itself.
    Full,
    /// A read: one record a call, of which the first members are in an earlier record.
    Read,
}

/// The end of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// The number of records, which is also the `seq` of the next one.
    pub(crate) next: u64,
    /// The digest of the last record.
    pub(crate) hash: Hash,
}

impl Head {
    /// The end of a log without records.
    pub(crate) const START: Self = Self { next: 0, hash: NO_RECORDS };

    /// Appends the line of a record that can be read by itself.
    #[cfg(test)]
    pub(crate) fn append(&mut self, out: &mut Vec<u8>, ts: &str, body: &[u8]) {
        self.append_form(RecordForm::Full, out, ts, body, b"");
    }

    /// Appends a record's line to `out`: number, time, `body`, the members in `common` (which may be empty) and the chain. The
    /// head moves to this record.
    pub(crate) fn append_form(
        &mut self,
        form: RecordForm,
        out: &mut Vec<u8>,
        ts: &str,
        body: &[u8],
        common: &[u8],
    ) {
        let start = out.len();
        let version = match form {
            RecordForm::Full => 1,
            RecordForm::Read => 2,
        };
        write!(out, "{{\"v\":{version},\"seq\":{},\"ts\":\"", self.next).expect("memory takes every byte");
        out.extend_from_slice(ts.as_bytes());
        out.extend_from_slice(b"\",");
        out.extend_from_slice(body);
        if !common.is_empty() {
            out.push(b',');
            out.extend_from_slice(common);
        }
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
    fn record_digest_covers_the_line_up_to_prev() {
        let (mut head, mut out) = (Head::START, Vec::new());
        head.append(&mut out, "2026-11-21T12:00:00.000000Z", b"\"kind\":\"x\"");
        let line = str::from_utf8(&out).unwrap();
        let (body, chain) = line.split_once(",\"prev\":").unwrap();
        assert_eq!(head.hash, hash(&NO_RECORDS, body.as_bytes()));
        assert_eq!(chain, format!("\"{}\",\"hash\":\"{}\"}}\n", "0".repeat(64), hex_text(&head.hash)));
        assert_eq!(head.next, 1);
    }
}
