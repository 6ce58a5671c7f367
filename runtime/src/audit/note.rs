//! The end of a log ↔ a signed note (C2SP signed-note, Ed25519) that says what it was.

use base64::{Engine as _, prelude::BASE64_STANDARD as BASE64};
#[cfg(feature = "cli")]
use ed25519_dalek::Signature;
use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};

use super::chain::{Hash, Head, sha256};

/// What the origin of a checkpoint of ours begins with; the log's id follows.
const ORIGIN: &str = "candor audit log ";
/// Ed25519's number in C2SP signed-note.
const ED25519: u8 = 1;
/// What a private key begins with, as `golang.org/x/mod/sumdb/note` has it.
const PRIVATE: &str = "PRIVATE+KEY+";

/// What signs checkpoints.
pub(crate) struct Signer {
    name: String,
    id: [u8; 4],
    key: SigningKey,
}

/// What checks checkpoints: a verifier key in the form of C2SP signed-note, `name+id+base64`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    name: String,
    id: [u8; 4],
    verifying: VerifyingKey,
}

impl Signer {
    /// A new key under this name; white space and `+`, which a name cannot hold, become `_`.
    #[cfg(feature = "cli")]
    pub(crate) fn generate(name: &str) -> Self {
        let clean = |c: char| if c.is_whitespace() || c.is_control() || c == '+' { '_' } else { c };
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).expect("the system gives random bytes");
        let name: String = name.chars().map(clean).collect();
        Self::new(if name.is_empty() { "audit".to_owned() } else { name }, &seed)
    }

    fn new(name: String, seed: &[u8; 32]) -> Self {
        let key = SigningKey::from_bytes(seed);
        let id = id(&name, &key.verifying_key());
        Self { name, id, key }
    }

    /// Reads the private form.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim_end().strip_prefix(PRIVATE)?.splitn(3, '+');
        let (name, id, key) = (parts.next()?, parts.next()?, parts.next()?);
        let bytes = BASE64.decode(key).ok()?;
        let (&kind, seed) = bytes.split_first()?;
        let signer = Self::new(name.to_owned(), seed.try_into().ok()?);
        (kind == ED25519 && fits(name) && id == hex(signer.id)).then_some(signer)
    }

    /// The private form, for a file that nobody else may read.
    #[cfg(feature = "cli")]
    pub(crate) fn private(&self) -> String {
        let bytes = [&[ED25519][..], self.key.as_bytes()].concat();
        format!("{PRIVATE}{}+{}+{}\n", self.name, hex(self.id), BASE64.encode(bytes))
    }

    /// What checks its signatures.
    pub(crate) fn key(&self) -> Key {
        Key { name: self.name.clone(), id: self.id, verifying: self.key.verifying_key() }
    }

    /// Signs where a log ends.
    pub(crate) fn sign(&self, log: &str, head: &Head, ts: &str) -> String {
        let text = format!("{ORIGIN}{log}\n{}\n{}\n{ts}\n", head.next, BASE64.encode(head.hash));
        let signature = self.key.sign(text.as_bytes()).to_bytes();
        let signature = BASE64.encode([&self.id[..], &signature].concat());
        format!("{text}\n— {} {signature}\n", self.name)
    }
}

impl Key {
    /// Reads a verifier key.
    #[cfg(feature = "cli")]
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().splitn(3, '+');
        let (name, id_text, key) = (parts.next()?, parts.next()?, parts.next()?);
        let bytes = BASE64.decode(key).ok()?;
        let (&kind, key) = bytes.split_first()?;
        let verifying = VerifyingKey::from_bytes(key.try_into().ok()?).ok()?;
        let id = id(name, &verifying);
        (kind == ED25519 && fits(name) && id_text == hex(id)).then(|| Self {
            name: name.to_owned(),
            id,
            verifying,
        })
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let bytes = [&[ED25519][..], self.verifying.as_bytes()].concat();
        write!(f, "{}+{}+{}", self.name, hex(self.id), BASE64.encode(bytes))
    }
}

fn fits(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(|c| c.is_whitespace() || c.is_control() || c == '+')
}

/// The first four bytes of `SHA-256(name ‖ newline ‖ kind ‖ key)`.
fn id(name: &str, key: &VerifyingKey) -> [u8; 4] {
    let [a, b, c, d, ..] = sha256(&[name.as_bytes(), b"\n", &[ED25519], key.as_bytes()].concat());
    [a, b, c, d]
}

fn hex(id: [u8; 4]) -> String {
    format!("{:08x}", u32::from_be_bytes(id))
}

/// A checkpoint as it was found: what it says, and who says so.
#[derive(Clone, Debug)]
#[cfg_attr(not(feature = "cli"), expect(dead_code, reason = "only `audit verify` asks who signed"))]
pub(crate) struct Checkpoint {
    /// The log it speaks of.
    pub(crate) log: String,
    /// Where that log ended.
    pub(crate) head: Head,
    text: String,
    name: String,
    /// The key's id and the signature.
    signature: [u8; 68],
}

/// What a signature is worth.
#[cfg(feature = "cli")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    /// One of the keys made it.
    Good,
    /// One of the keys should have made it, and did not.
    Bad,
    /// None of the keys has its name and id.
    Unknown,
}

impl Checkpoint {
    /// Reads the note that `text` begins with, and says how long it is. `None` where it is no checkpoint.
    pub(crate) fn parse(text: &str) -> Option<(Self, usize)> {
        let (said, rest) = text.split_once("\n\n")?;
        let line = rest.split_inclusive('\n').next().filter(|line| line.ends_with('\n'))?;
        let (name, signature) = line.strip_prefix("— ")?.trim_end_matches('\n').split_once(' ')?;
        let signature = BASE64.decode(signature).ok()?.try_into().ok()?;
        let mut lines = said.split('\n');
        let log = lines.next()?.strip_prefix(ORIGIN)?.to_owned();
        let size = lines.next()?;
        let next = size.parse().ok().filter(|next: &u64| next.to_string() == size)?;
        let hash: Hash = BASE64.decode(lines.next()?).ok()?.try_into().ok()?;
        lines.next().filter(|_| lines.next().is_none())?;
        let checkpoint = Self {
            log,
            head: Head { next, hash },
            text: format!("{said}\n"),
            name: name.to_owned(),
            signature,
        };
        Some((checkpoint, said.len() + 2 + line.len()))
    }

    /// Checks it against keys.
    #[cfg(feature = "cli")]
    pub(crate) fn check(&self, keys: &[Key]) -> Word {
        let (id, signature) = self.signature.split_first_chunk::<4>().expect("68 bytes");
        let signature = Signature::from_slice(signature).expect("64 bytes");
        let mut known = keys.iter().filter(|key| key.name == self.name && key.id == *id).peekable();
        if known.peek().is_none() {
            return Word::Unknown;
        }
        let good = known.any(|key| key.verifying.verify_strict(self.text.as_bytes(), &signature).is_ok());
        if good { Word::Good } else { Word::Bad }
    }
}

#[cfg(all(test, feature = "cli"))]
mod tests {
    use super::*;

    fn signed() -> (Signer, String) {
        let signer = Signer::generate("prices");
        let note = signer.sign("5f3a", &Head { next: 256, hash: [9; 32] }, "2026-11-21T12:00:00Z");
        (signer, note)
    }

    #[test]
    fn both_forms_of_a_key_are_read_as_they_are_written() {
        let signer = Signer::generate("a server+more");
        assert_eq!(signer.name, "a_server_more");
        let again = Signer::parse(&signer.private()).unwrap();
        assert_eq!(again.key(), signer.key());
        assert_eq!(Key::parse(&signer.key().to_string()), Some(signer.key()));
        // The example of C2SP signed-note, which Go's library made.
        let go = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
        assert_eq!(Key::parse(go).unwrap().to_string(), go);
        assert_eq!(Key::parse(&go.replace("c74f20a3", "c74f20a4")), None);
        assert_eq!(Key::parse("nothing"), None);
    }

    #[test]
    fn a_checkpoint_is_good_under_its_own_key_only() {
        let (signer, note) = signed();
        let (checkpoint, len) = Checkpoint::parse(&note).unwrap();
        assert_eq!((checkpoint.log.as_str(), checkpoint.head.next, len), ("5f3a", 256, note.len()));
        assert_eq!(checkpoint.check(&[signer.key()]), Word::Good);
        assert_eq!(checkpoint.check(&[Signer::generate("prices").key()]), Word::Unknown);
        assert_eq!(checkpoint.check(&[]), Word::Unknown);
    }

    #[test]
    fn every_changed_byte_of_a_note_is_seen() {
        let (signer, note) = signed();
        for at in 0..note.len() {
            for bit in 0..8 {
                let mut bytes = note.clone().into_bytes();
                bytes[at] ^= 1 << bit;
                let read = String::from_utf8(bytes).ok().and_then(|text| Checkpoint::parse(&text));
                let word = read.map(|(checkpoint, _)| checkpoint.check(&[signer.key()]));
                assert_ne!(word, Some(Word::Good), "byte {at}, bit {bit}");
            }
        }
    }
}
