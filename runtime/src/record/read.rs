//! Writes the one record of a call whose tool does not require records.

use std::{sync::Arc, time::Duration};

use super::identity::{CallIdentity, micros};
use crate::audit::{ReadRecord, RecordWriter, prefixed};

/// A call that has ended.
pub(super) struct ReadCall {
    pub(super) identity: Arc<CallIdentity>,
    pub(super) details: ReadDetails,
    pub(super) end: ReadEnd,
}

/// The part of a call's record that is known before the call runs.
pub(super) struct ReadDetails {
    /// Redacted, as JSON.
    pub(super) arguments: Vec<u8>,
    pub(super) key: Option<RedactedKey>,
    pub(super) confirm: &'static str,
}

/// The idempotency key of a call, as its records hold it.
pub(super) struct RedactedKey {
    /// The HMAC of the key.
    pub(super) key: String,
    pub(super) state: &'static str,
    /// Whether the answer is that of an earlier call.
    pub(super) replayed: bool,
}

impl RedactedKey {
    pub(super) fn write(&self, record: &mut RecordWriter) {
        record.object("idempotency", |idempotency| {
            idempotency.text("state", self.state).text("key", &self.key);
            if self.replayed {
                idempotency.flag("replayed", true);
            }
        });
    }
}

/// The end of a call.
pub(super) struct ReadEnd {
    pub(super) status: &'static str,
    pub(super) reason: Option<&'static str>,
    pub(super) duration: Duration,
    /// The digest and the size of the result.
    pub(super) result: Option<([u8; 32], u64)>,
}

impl ReadDetails {
    /// Writes the arguments and the idempotency key.
    pub(super) fn write(&self, record: &mut RecordWriter) {
        record.json("args", &self.arguments);
        if let Some(key) = &self.key {
            key.write(record);
        }
    }
}

impl ReadRecord for ReadCall {
    fn context(&self, record: &mut RecordWriter) {
        record.members(&self.identity.tool);
        self.identity.write_origin(record);
    }

    fn write(&self, record: &mut RecordWriter) {
        let Self { identity, details, end } = self;
        record.text("tool", identity.name);
        if let Some(alias) = identity.alias {
            record.text("alias", alias);
        }
        details.write(record);
        if details.confirm != "not_needed" {
            record.text("confirm", details.confirm);
        }
        if let Some(trace) = &identity.origin.trace {
            record.text("trace_id", trace.as_str());
        }
        // Most reads succeed, and their records are short.
        if end.status != "ok" {
            record.text("status", end.status);
        }
        if let Some(reason) = end.reason {
            record.text("reason", reason);
        }
        record.number("us", micros(end.duration));
        if let Some((digest, bytes)) = &end.result {
            record.text("result", &prefixed(digest)).number("bytes", *bytes);
        }
    }
}
