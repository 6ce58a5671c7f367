//! Creates key pairs, reads verifier keys, and checks signatures with them.

use std::{
    io::{self, Read as _},
    path::Path,
};

use base64::{Engine as _, prelude::BASE64_STANDARD as BASE64};
use ed25519_dalek::{Signature, VerifyingKey};

use crate::{
    audit::{
        signed_note::{Checkpoint, ED25519, NoteSignature, PRIVATE, Signer, VerifierKey, fits, hex, id},
        write::keys::{MAX_KEY_BYTES, beside, create},
    },
    file_system,
    message::Message,
};

/// The result of checking a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SignatureStatus {
    /// One of the keys made it.
    Good,
    /// One of the keys has its name and id, and did not make it.
    Bad,
    /// Not one of the keys has its name and id.
    Unknown,
}

/// Creates a signing key in `path` and its verifier key in `path.pub`, and returns the verifier key.
///
/// # Errors
///
/// One of the files exists, or cannot be written.
pub(crate) fn make_signer(path: &Path, name: &str) -> Result<String, Message> {
    let signer = Signer::generate(name);
    let verifier = format!("{}\n", signer.verifier_key());
    let failed = |path: &Path, error: io::Error| match error.kind() {
        io::ErrorKind::AlreadyExists => Message::new(format!("`{}` already exists", path.display()))
            .note("without its key, earlier signatures could not be checked any more")
            .help("name another file"),
        _ => Message::new(format!("`{}` cannot be created: {error}", path.display())),
    };
    create(path, &signer.private_text()).map_err(|error| failed(path, error))?;
    let public = beside(path, ".pub");
    create(&public, &verifier).map_err(|error| failed(&public, error))?;
    Ok(verifier)
}

/// Reads the file of a verifier key beside a signing key. A pipe in its place is not waited for.
pub(crate) fn read_key(path: &Path) -> io::Result<String> {
    io::read_to_string(file_system::open_through_links(path)?.take(MAX_KEY_BYTES))
}

impl Signer {
    /// Creates a key of this name. White space and `+`, which a name cannot contain, become `_`.
    fn generate(name: &str) -> Self {
        let clean = |c: char| if c.is_whitespace() || c.is_control() || c == '+' { '_' } else { c };
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).expect("the system gives random bytes");
        let name: String = name.chars().map(clean).collect();
        Self::new(if name.is_empty() { "audit".to_owned() } else { name }, &seed)
    }

    /// Returns the private form, for a file that only its owner can read.
    fn private_text(&self) -> String {
        let bytes = [&[ED25519][..], self.key.as_bytes()].concat();
        format!("{PRIVATE}{}+{}+{}\n", self.name, hex(self.id), BASE64.encode(bytes))
    }
}

impl VerifierKey {
    /// Reads a verifier key.
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

impl Checkpoint {
    /// Checks the signature with `keys`.
    pub(super) fn check(&self, keys: &[VerifierKey]) -> SignatureStatus {
        self.signature.check(&self.text, keys)
    }
}

impl NoteSignature {
    /// Checks the signature of a text with `keys`.
    pub(super) fn check(&self, text: &str, keys: &[VerifierKey]) -> SignatureStatus {
        let signature = Signature::from_bytes(&self.signature());
        let mut named = keys.iter().filter(|key| key.name == self.name && key.id == self.key_id()).peekable();
        if named.peek().is_none() {
            return SignatureStatus::Unknown;
        }
        let good = named.any(|key| key.verifying.verify_strict(text.as_bytes(), &signature).is_ok());
        if good { SignatureStatus::Good } else { SignatureStatus::Bad }
    }
}

#[cfg(test)]
mod tests {
    use crate::audit::{chain::Head, verify::keys::*};

    fn signed() -> (Signer, String) {
        let signer = Signer::generate("prices");
        let note = signer.sign("5f3a", &Head { next: 256, hash: [9; 32] }, "2026-11-21T12:00:00Z");
        (signer, note)
    }

    #[test]
    fn both_forms_of_a_key_read_back_as_written() {
        let signer = Signer::generate("a server+more");
        assert_eq!(signer.name, "a_server_more");
        let again = Signer::parse(&signer.private_text()).unwrap();
        assert_eq!(again.verifier_key(), signer.verifier_key());
        assert_eq!(VerifierKey::parse(&signer.verifier_key().to_string()), Some(signer.verifier_key()));
        // The example of C2SP signed-note, made by Go's library.
        let go = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
        assert_eq!(VerifierKey::parse(go).unwrap().to_string(), go);
        assert_eq!(VerifierKey::parse(&go.replace("c74f20a3", "c74f20a4")), None);
        assert_eq!(VerifierKey::parse("nothing"), None);
    }

    #[test]
    fn checkpoint_is_good_under_its_own_key_only() {
        let (signer, note) = signed();
        let (checkpoint, _) = Checkpoint::parse(&note).unwrap();
        assert_eq!(checkpoint.check(&[signer.verifier_key()]), SignatureStatus::Good);
        assert_eq!(checkpoint.check(&[Signer::generate("prices").verifier_key()]), SignatureStatus::Unknown);
        assert_eq!(checkpoint.check(&[]), SignatureStatus::Unknown);
    }

    #[test]
    fn every_changed_byte_of_a_note_is_detected() {
        let (signer, note) = signed();
        for at in 0..note.len() {
            for bit in 0..8 {
                let mut bytes = note.clone().into_bytes();
                bytes[at] ^= 1 << bit;
                let read = String::from_utf8(bytes).ok().and_then(|text| Checkpoint::parse(&text));
                let status = read.map(|(checkpoint, _)| checkpoint.check(&[signer.verifier_key()]));
                assert_ne!(status, Some(SignatureStatus::Good), "byte {at}, bit {bit}");
            }
        }
    }
}
