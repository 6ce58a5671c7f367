//! Checks the name of a replica, one of several processes that serve one server.

use std::fmt;

use crate::message::Message;

/// The most characters of a name, as of a label in DNS.
const MAX_REPLICA_NAME_CHARS: usize = 63;

/// The name of a replica. It is plain enough for the id of a session, the rules of a balancer, and a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReplicaName(String);

impl ReplicaName {
    /// Checks a name.
    pub(crate) fn parse(name: &str) -> Result<Self, Message> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if !(1..=MAX_REPLICA_NAME_CHARS).contains(&name.len()) || !name.bytes().all(is_plain) {
            return Err(Message::new(format!("`{}` is not a name of a replica", crate::text::shown(name)))
                .note("expected 1 to 63 of `A-Z a-z 0-9 - _`"));
        }
        Ok(Self(name.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ReplicaName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replica_name_is_a_plain_word() {
        for name in ["a", "prices-0", "A_7", &"x".repeat(63)] {
            assert_eq!(ReplicaName::parse(name).unwrap().as_str(), name);
        }
        for name in ["", "a.b", "a b", "a/b", "ä", "a\n", "\"", &"x".repeat(64)] {
            let error = ReplicaName::parse(name).unwrap_err().to_string();
            assert!(error.contains("is not a name of a replica") && !error.contains('\u{7}'), "{error}");
        }
    }
}
