//! Reads the caller's idempotency key.

use serde_json::Value;

use super::Refusal;
use crate::{message::Message, wire_names::IDEMPOTENCY_KEY};

/// Checks the grammar of a key: 16 to 255 of `A-Z a-z 0-9 _ . : -`.
pub(super) fn key(sent: Option<Value>) -> Result<Option<String>, Refusal> {
    let is_valid = |key: &str| {
        (16..=255).contains(&key.len())
            && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b':' | b'-'))
    };
    match sent {
        None => Ok(None),
        Some(Value::String(key)) if is_valid(&key) => Ok(Some(key)),
        Some(_) => Err(Refusal::Malformed(
            Message::new(format!("`_meta[\"{IDEMPOTENCY_KEY}\"]` is not a valid idempotency key"))
                .help("send 16 to 255 of `A-Z a-z 0-9 _ . : -`, for example a UUID"),
        )),
    }
}
