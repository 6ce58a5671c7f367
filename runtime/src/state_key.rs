//! Holds the key that encrypts the state of questions: random, or read from a file that the replicas of a server share.

use std::path::Path;

use chacha20poly1305::{Key, KeyInit as _, XChaCha20Poly1305};
use sha2::{Digest as _, Sha256};

use crate::{audit, message::Message};

/// The key that encrypts the state of questions.
pub(crate) struct StateKey([u8; 32]);

impl StateKey {
    /// Creates a key for this process alone.
    pub(crate) fn random() -> Self {
        let mut key = [0; 32];
        getrandom::fill(&mut key).expect("the operating system provides random bytes");
        Self(key)
    }

    /// Reads a key from a file that only its owner can read.
    pub(crate) fn read(path: &Path) -> Result<Self, Message> {
        let key = audit::read_secret(path, "a state key");
        key.map(Self).map_err(|error| error.or_help("create a key with the command `state-key new`"))
    }

    /// Creates a key in a file, which must not exist.
    #[cfg(feature = "cli")]
    pub(crate) fn create(path: &Path) -> Result<Self, Message> {
        audit::create_secret(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => Message::new(format!("`{}` already exists", path.display()))
                .note("with another key, the server refuses the answers to all open questions")
                .help("name another file"),
            _ => Message::failure(&format!("`{}` cannot be created", path.display()), &error),
        })?;
        Self::read(path)
    }

    /// The key of several replicas in a test.
    #[cfg(all(test, feature = "postgres"))]
    pub(crate) fn of_test() -> Self {
        Self([7; 32])
    }

    /// Returns a digest by which two keys can be compared.
    pub(crate) fn id(&self) -> u128 {
        let digest = Sha256::new_with_prefix("candor state key v1\0").chain_update(self.0).finalize();
        let (id, _) = digest.split_first_chunk().expect("a digest has 32 bytes");
        u128::from_be_bytes(*id)
    }

    pub(crate) fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&Key::from(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "cli")]
    #[test]
    fn state_key_of_a_file_is_the_same_for_each_reader() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keys/state");
        let created = StateKey::create(&file).unwrap();
        assert_eq!(StateKey::read(&file).unwrap().id(), created.id());
        assert_ne!(StateKey::random().id(), created.id());
        let Err(error) = StateKey::create(&file) else { panic!("the key was replaced") };
        assert!(error.to_string().contains("already exists"), "{error}");
        assert_eq!(StateKey::read(&file).unwrap().id(), created.id());
    }

    #[cfg(unix)]
    #[test]
    fn unsuitable_state_key_file_is_refused() {
        use std::{fs, os::unix::fs::PermissionsExt as _};

        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("state");
        let refused = || match StateKey::read(&file) {
            Ok(_) => panic!("the key was accepted"),
            Err(error) => error.to_string(),
        };
        assert!(refused().contains("help: create a key with the command `state-key new`"));
        fs::write(&file, "0".repeat(64)).unwrap();
        for mode in [0o644, 0o640, 0o604] {
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            assert!(refused().contains("other users can read the key"), "{mode:o}");
        }
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        StateKey::read(&file).unwrap();
        for text in ["", "0", &"0".repeat(63), &"0".repeat(65), &"G".repeat(64), &"A".repeat(64)] {
            fs::write(&file, text).unwrap();
            assert!(refused().contains("is not a state key"), "{text}");
        }
    }
}
