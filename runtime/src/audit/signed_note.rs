//! Signs the end of a log as a signed note (C2SP signed-note, Ed25519), and reads such notes.

use base64::{Engine as _, prelude::BASE64_STANDARD as BASE64};
use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};

use super::chain::{Hash, Head, sha256};

/// The first words of a checkpoint's origin; the log's id follows.
pub(super) const ORIGIN: &str = "candor audit log ";
/// Ed25519's number in C2SP signed-note.
pub(super) const ED25519: u8 = 1;
/// The first words of a private key, as in `golang.org/x/mod/sumdb/note`.
pub(super) const PRIVATE: &str = "PRIVATE+KEY+";

/// A key that signs checkpoints.
pub(super) struct Signer {
    pub(super) name: String,
    pub(super) id: [u8; 4],
    pub(super) key: SigningKey,
}

/// A key that checks checkpoints, in the form of C2SP signed-note: `name+id+base64`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct VerifierKey {
    pub(super) name: String,
    pub(super) id: [u8; 4],
    pub(super) verifying: VerifyingKey,
}

impl Signer {
    pub(super) fn new(name: String, seed: &[u8; 32]) -> Self {
        let key = SigningKey::from_bytes(seed);
        let id = id(&name, &key.verifying_key());
        Self { name, id, key }
    }

    /// Reads the private form.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim_end().strip_prefix(PRIVATE)?.splitn(3, '+');
        let (name, id, key) = (parts.next()?, parts.next()?, parts.next()?);
        let bytes = BASE64.decode(key).ok()?;
        let (&kind, seed) = bytes.split_first()?;
        let signer = Self::new(name.to_owned(), seed.try_into().ok()?);
        (kind == ED25519 && fits(name) && id == hex(signer.id)).then_some(signer)
    }

    /// Returns the key that checks its signatures.
    pub(super) fn verifier_key(&self) -> VerifierKey {
        VerifierKey { name: self.name.clone(), id: self.id, verifying: self.key.verifying_key() }
    }

    /// Whether this key made the signature of a text; `None` if the signature names another key. Ed25519 signs the same text in
    /// one way only.
    pub(super) fn made(&self, signature: &NoteSignature, text: &str) -> Option<bool> {
        let own = || self.key.sign(text.as_bytes()).to_bytes();
        let is_named = signature.name == self.name && signature.key_id() == self.id;
        is_named.then(|| own() == signature.signature())
    }

    /// Signs the end of a log.
    pub(super) fn sign(&self, log: &str, head: &Head, ts: &str) -> String {
        let text = format!("{ORIGIN}{log}\n{}\n{}\n{ts}\n", head.next, BASE64.encode(head.hash));
        self.sign_text(&text)
    }

    /// Returns a note of lines of text.
    pub(super) fn sign_text(&self, text: &str) -> String {
        let signature = self.key.sign(text.as_bytes()).to_bytes();
        let mut bytes = [0; 68];
        bytes[..4].copy_from_slice(&self.id);
        bytes[4..].copy_from_slice(&signature);
        NoteSignature { name: self.name.clone(), bytes }.under(text)
    }
}

/// The signature of a note, which is not checked yet.
#[derive(Clone, Debug)]
pub(super) struct NoteSignature {
    /// The name of the key.
    pub(super) name: String,
    /// The key's id and the signature.
    bytes: [u8; 68],
}

impl NoteSignature {
    /// Reads the line of a signature.
    pub(super) fn parse(line: &str) -> Option<Self> {
        let (name, signature) = line.strip_prefix("— ")?.strip_suffix('\n')?.split_once(' ')?;
        Some(Self { name: name.to_owned(), bytes: BASE64.decode(signature).ok()?.try_into().ok()? })
    }

    /// Returns the note of a text with this signature.
    pub(super) fn under(&self, text: &str) -> String {
        format!("{text}\n— {} {}\n", self.name, BASE64.encode(self.bytes))
    }

    /// The id of the key.
    pub(super) fn key_id(&self) -> [u8; 4] {
        *self.bytes.first_chunk().expect("68 bytes")
    }

    pub(super) fn signature(&self) -> [u8; 64] {
        *self.bytes.last_chunk().expect("68 bytes")
    }
}

impl std::fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let bytes = [&[ED25519][..], self.verifying.as_bytes()].concat();
        write!(f, "{}+{}+{}", self.name, hex(self.id), BASE64.encode(bytes))
    }
}

/// Whether a key can have this name.
pub(super) fn fits(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(|c| c.is_whitespace() || c.is_control() || c == '+')
}

/// Returns the id of a key: the first four bytes of `SHA-256(name ‖ newline ‖ kind ‖ key)`.
pub(super) fn id(name: &str, key: &VerifyingKey) -> [u8; 4] {
    let [a, b, c, d, ..] = sha256(&[name.as_bytes(), b"\n", &[ED25519], key.as_bytes()].concat());
    [a, b, c, d]
}

/// Writes the id of a key.
pub(super) fn hex(id: [u8; 4]) -> String {
    format!("{:08x}", u32::from_be_bytes(id))
}

/// A checkpoint as it was read: a statement about a log, and its signature, which is not checked yet.
#[derive(Clone, Debug)]
pub(crate) struct Checkpoint {
    /// The id of the log.
    pub(super) log: String,
    /// The end of the log when it was signed.
    pub(super) head: Head,
    pub(super) text: String,
    pub(super) signature: NoteSignature,
}

impl Checkpoint {
    /// Reads the note at the beginning of `text`, and returns its length. `None` if it is not a checkpoint.
    pub(super) fn parse(text: &str) -> Option<(Self, usize)> {
        let (statement, rest) = text.split_once("\n\n")?;
        let line = rest.split_inclusive('\n').next().filter(|line| line.ends_with('\n'))?;
        let signature = NoteSignature::parse(line)?;
        let mut lines = statement.split('\n');
        let log = lines.next()?.strip_prefix(ORIGIN)?.to_owned();
        let size = lines.next()?;
        let next = size.parse().ok().filter(|next: &u64| next.to_string() == size)?;
        let hash: Hash = BASE64.decode(lines.next()?).ok()?.try_into().ok()?;
        lines.next().filter(|_| lines.next().is_none())?;
        let checkpoint = Self { log, head: Head { next, hash }, text: format!("{statement}\n"), signature };
        Some((checkpoint, statement.len() + 2 + line.len()))
    }
}

#[cfg(test)]
mod tests {
    use crate::audit::signed_note::*;

    #[test]
    fn checkpoint_reads_back_as_it_was_signed() {
        let signer = Signer::new("prices".to_owned(), &[7; 32]);
        let head = Head { next: 256, hash: [9; 32] };
        let note = signer.sign("5f3a", &head, "2026-11-21T12:00:00Z");
        let (checkpoint, len) = Checkpoint::parse(&note).unwrap();
        assert_eq!((checkpoint.log.as_str(), checkpoint.head, len), ("5f3a", head, note.len()));
        assert!(Checkpoint::parse(&note[..note.len() - 1]).is_none());
    }
}
