//! Words the refusals of calls under a key. A model reads them, so each says what to do next.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::{
    message::Message,
    registry::KEY_ARGUMENT,
    store::PastAttempt,
    text,
    tool::{descriptor::Descriptor, error::ToolError, output::Reply},
    wire_names::IDEMPOTENCY_KEY,
};

/// The longest time that a caller is asked to wait before it asks again.
const MAX_RETRY_WAIT: Duration = Duration::from_secs(10);

/// The reason why a call under a key neither runs nor replays.
#[derive(Debug)]
pub(crate) enum KeyDenial<'a> {
    /// The tool requires a key, and the call has none.
    Required { as_argument: bool },
    /// Another call holds the key.
    InProgress { lease_left: Duration },
    /// The attempt died; it may have had its effect.
    Unknown { past: &'a PastAttempt, recorded: bool },
    /// The key belongs to another call of this caller.
    Mismatch,
    /// The key belongs to this call, at another version of its tool.
    Redeclared,
    /// The result is no longer kept.
    Expired,
    /// The result was too large to keep.
    NotKept { past: &'a PastAttempt, sha256: &'a [u8; 32], bytes: u64 },
    /// The caller is at its limit of keys.
    TooManyKeys,
    /// The store cannot be used.
    Unavailable,
}

impl KeyDenial<'_> {
    /// The word for programs, in the answer.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::Required { .. } => "idempotency_key_required",
            Self::InProgress { .. } => "idempotency_in_progress",
            Self::Unknown { .. } => "idempotency_outcome_unknown",
            Self::Mismatch | Self::Redeclared => "idempotency_mismatch",
            Self::Expired => "idempotency_expired",
            Self::NotKept { .. } => "idempotency_result_not_kept",
            Self::TooManyKeys => "idempotency_too_many_keys",
            Self::Unavailable => "idempotency_unavailable",
        }
    }

    /// The word for the key's state, in the audit log.
    pub(crate) fn state(&self) -> &'static str {
        match self {
            Self::Required { .. } => "missing",
            Self::InProgress { .. } => "in_progress",
            Self::Unknown { .. } => "unknown",
            Self::Mismatch => "mismatch",
            Self::Redeclared => "redeclared",
            Self::Expired => "expired",
            Self::NotKept { .. } => "completed",
            Self::TooManyKeys => "too_many_keys",
            Self::Unavailable => "unavailable",
        }
    }

    fn message(&self, tool: &str) -> Message {
        match self {
            Self::Required { as_argument } => {
                let carrier = if *as_argument {
                    format!("in the argument `{KEY_ARGUMENT}`")
                } else {
                    format!("in `_meta[\"{IDEMPOTENCY_KEY}\"]` or in the header `Idempotency-Key`")
                };
                Message::new(format!("tool `{tool}` needs an idempotency key; nothing was done"))
                    .note("a call that is sent again under its key does not run a second time")
                    .help(format!(
                        "send 16 to 255 of `A-Z a-z 0-9 _ . : -` {carrier}: a new key, such as a UUID, for each \
                         intended effect, and the same key when you send the call again"
                    ))
            }
            Self::InProgress { .. } => {
                Message::new(format!("a call of tool `{tool}` with this idempotency key is still running"))
                    .note("this call did not run")
                    .help("send the same call with the same key again later: it returns the result")
            }
            Self::Unknown { past, recorded } => {
                let records = if *recorded {
                    format!("; the audit log has its records under the call id {:032x}", past.id.0)
                } else {
                    String::new()
                };
                let began = timestamp(past.began);
                Message::new(format!("it is not known whether tool `{tool}` did this"))
                    .note(format!(
                        "the call with this idempotency key began at {began} and was interrupted{records}"
                    ))
                    .help(
                        "find out with another tool, or ask a person; if it was not done, call again with a new key: \
                         under this key it never runs again",
                    )
            }
            Self::Mismatch => Message::new("this idempotency key was sent with another call before")
                .note("a key belongs to one tool and one set of arguments; nothing was done")
                .help(
                    "send a new key for a new effect, or the same arguments as before to send a call again",
                ),
            Self::Redeclared => Message::new(format!(
                "the tool's declaration changed since this key was used: `{tool}`"
            ))
            .note("another version of the server has the call under this key; this call did not run")
            .help("find out what the earlier call did with another tool; for a new effect, send a new key"),
            Self::Expired => Message::new("the result of this idempotency key is no longer kept")
                .note("the call was done more than 24 hours ago, and does not run again")
                .help("find out what it did with another tool; for a new effect, send a new key"),
            Self::NotKept { past, sha256, bytes } => {
                let digest: String = sha256.iter().map(|byte| format!("{byte:02x}")).collect();
                Message::new(format!("tool `{tool}` did this already, and its result was too large to keep"))
                    .note(format!(
                        "the call began at {}; its result has {bytes} bytes and the SHA-256 {digest}",
                        timestamp(past.began)
                    ))
                    .help("read what you need with another tool; do not call again with a new key")
            }
            Self::TooManyKeys => Message::new(
                "this caller is at its limit of idempotency keys; nothing was done",
            )
            .help("use one key for each intended effect; keys that were used are free again after 24 hours"),
            Self::Unavailable => Message::new("idempotency keys cannot be kept at present; nothing was done")
                .help("send the same call with the same key again later; the server's log says why"),
        }
    }
}

/// Returns the answer to a call of `tool` that neither runs nor replays.
pub(crate) fn refusal(tool: &Descriptor, denial: &KeyDenial<'_>) -> Reply {
    let message = denial.message(tool.name);
    let error = match denial {
        KeyDenial::InProgress { lease_left } => {
            let wait = (*lease_left).clamp(Duration::from_secs(1), MAX_RETRY_WAIT);
            ToolError::transient(message).retry_after(Duration::from_secs(text::whole_seconds(wait)))
        }
        KeyDenial::Unavailable => ToolError::transient(message).retry_after(MAX_RETRY_WAIT),
        _ => ToolError::not_applied(message),
    };
    error.reason(denial.reason()).into()
}

/// A time since 1970 by RFC 3339, in seconds.
fn timestamp(since_1970: Duration) -> String {
    let at = SignedDuration::try_from(since_1970).ok().and_then(|at| Timestamp::from_duration(at).ok());
    format!("{:.0}", at.unwrap_or(Timestamp::UNIX_EPOCH))
}
