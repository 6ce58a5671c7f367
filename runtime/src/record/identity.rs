//! Writes the beginning of each record of a call: the tool, the caller, and the way the call came.

use std::{sync::Arc, time::Duration};

use super::Origin;
use crate::{
    audit::{RecordWriter, hex_number},
    revision::Revision,
    tool::caller::Caller,
};

/// The scopes of a caller that a record lists.
const MAX_SCOPES: usize = 64;

/// The beginning of each record of a call.
pub(super) struct CallIdentity {
    pub(super) call: u128,
    pub(super) tool: Arc<RecordWriter>,
    /// The name of the tool, if it is served.
    pub(super) name: &'static str,
    /// The alias that the call has for the tool.
    pub(super) alias: Option<&'static str>,
    pub(super) caller: Arc<Caller>,
    pub(super) origin: Origin,
    pub(super) revision: Option<Revision>,
}

impl CallIdentity {
    /// Writes the beginning of a record of this kind.
    pub(super) fn write(&self, kind: &str, record: &mut RecordWriter) {
        record.text("kind", kind).text("call_id", &hex_number(self.call)).members(&self.tool);
        if let Some(alias) = self.alias {
            record.text("alias", alias);
        }
        self.write_origin(record);
        if let Some(trace) = &self.origin.trace {
            record.text("trace_id", trace.as_str());
        }
    }

    /// Writes who calls, and how.
    pub(super) fn write_origin(&self, record: &mut RecordWriter) {
        let Self { caller, origin, revision, .. } = self;
        record.object("caller", |object| {
            if let Some(issuer) = caller.issuer() {
                object.caller_text("iss", issuer);
            }
            object.caller_text("sub", caller.subject());
            if let Some(client) = &origin.client {
                object.text("client", client);
            }
        });
        record.text("transport", origin.transport);
        if let Some(revision) = revision {
            record.text("protocol", revision.as_str());
        }
        let scopes: Vec<&str> = caller.scopes().take(MAX_SCOPES).collect();
        record.caller_text("scopes", &scopes.join(" "));
    }

    /// Writes the beginning of an outcome, and more members of its object.
    pub(super) fn write_outcome(
        &self,
        status: &str,
        duration: Duration,
        record: &mut RecordWriter,
        more: impl FnOnce(&mut RecordWriter),
    ) {
        self.write("outcome", record);
        record.object("outcome", |outcome| {
            outcome.text("status", status).number("duration_us", micros(duration));
            more(outcome);
        });
    }
}

/// Returns a duration in microseconds.
pub(super) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
