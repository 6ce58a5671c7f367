//! Records one call: pending until its stages have passed, in flight until its outcome is known.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::{Map, Value};

use super::{DeniedBy, Origin};
use crate::{
    audit::{AuditHandle, RecordKind, RecordWriter, hex_number, prefixed},
    registry::Definition,
    revision::Revision,
    tool::{ask::Ask, caller::Caller, descriptor::Audit, error::ToolError, output::Reply},
};

/// A record that the tool requires could not be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unrecorded {
    /// The intent: the handler did not run.
    Intent,
    /// The outcome: the handler ran, and its result is withheld.
    Outcome,
}

/// The beginning of each record of a call.
pub(super) struct CallIdentity {
    pub(super) call: u128,
    pub(super) tool: Arc<RecordWriter>,
    pub(super) caller: Arc<Caller>,
    pub(super) origin: Origin,
    pub(super) revision: Option<Revision>,
}

impl CallIdentity {
    fn write(&self, kind: &str, record: &mut RecordWriter) {
        let Self { call, tool, caller, origin, revision } = self;
        record.text("kind", kind).text("call_id", &hex_number(*call)).members(tool);
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
        if let Some(trace) = &origin.trace {
            record.text("trace_id", trace.as_str());
        }
        let scopes: Vec<&str> = caller.scopes().take(MAX_SCOPES).collect();
        record.caller_text("scopes", &scopes.join(" "));
    }

    fn write_outcome(
        &self,
        status: &str,
        duration: Duration,
        record: &mut RecordWriter,
        more: impl FnOnce(&mut RecordWriter),
    ) {
        self.write("outcome", record);
        let duration = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        record.object("outcome", |outcome| {
            outcome.text("status", status).number("duration_us", duration);
            more(outcome);
        });
    }
}

/// The idempotency key of a call, as a record names it.
#[derive(Clone)]
pub(crate) struct KeyMark {
    /// The key itself; a record holds its HMAC.
    pub(crate) key: String,
    pub(crate) state: &'static str,
    /// Whether the answer is that of an earlier call.
    pub(crate) replayed: bool,
}

impl KeyMark {
    /// Writes the mark. The key is replaced at once, since records wait in a queue.
    fn writer(&self, log: &AuditHandle) -> impl Fn(&mut RecordWriter) + Send + 'static {
        let (key, state, replayed) = (log.redaction.of(self.key.as_bytes()), self.state, self.replayed);
        move |record: &mut RecordWriter| {
            record.object("idempotency", |idempotency| {
                idempotency.text("state", state).text("key", &key);
                if replayed {
                    idempotency.flag("replayed", true);
                }
            });
        }
    }
}

/// A pending record without its log, for a call that goes on after its request.
pub(crate) struct OwnedPending {
    pub(super) identity: Arc<CallIdentity>,
    pub(super) class: Audit,
    pub(super) start: Instant,
}

/// The scopes of a caller that a record lists.
const MAX_SCOPES: usize = 64;

/// A call whose stages have not all passed.
pub(crate) struct PendingRecord<'a> {
    pub(super) log: &'a AuditHandle,
    pub(super) identity: Arc<CallIdentity>,
    pub(super) class: Audit,
    pub(super) start: Instant,
}

impl<'a> PendingRecord<'a> {
    /// Records that the call was refused. The refusal stands even if its record cannot be written.
    pub(crate) async fn denied(&self, by: DeniedBy, key: Option<&KeyMark>) {
        if !self.log.admits_denial(by.as_str()) {
            return;
        }
        let identity = Arc::clone(&self.identity);
        let key = key.map(|key| key.writer(self.log));
        let write = move |record: &mut RecordWriter| {
            identity.write("denied", record);
            if let Some(key) = &key {
                key(record);
            }
            by.write(record);
        };
        if self.class == Audit::Required {
            let _ = self.log.commit(RecordKind::Other, RecordWriter::with(write)).await;
        } else {
            self.log.note(RecordKind::Other, write);
        }
    }

    /// Returns the id of the call in its records.
    pub(crate) fn call_id(&self) -> u128 {
        self.identity.call
    }

    /// Detaches the record from its request.
    pub(crate) fn detach(&self) -> OwnedPending {
        let Self { class, start, .. } = *self;
        OwnedPending { identity: Arc::clone(&self.identity), class, start }
    }

    /// Records that the call is answered with the result of an earlier one. Nothing runs, so nothing waits for the disk.
    pub(crate) async fn replayed(
        &self,
        tool: &Definition,
        arguments: &Map<String, Value>,
        key: &KeyMark,
        reply: &Reply,
    ) {
        let class = if self.class == Audit::Required { Audit::BestEffort } else { self.class };
        let read =
            PendingRecord { log: self.log, identity: Arc::clone(&self.identity), class, start: self.start };
        if let Ok(Some(in_flight)) = read.intent(tool, arguments, Some(key), false).await {
            let _ = in_flight.outcome(reply).await;
        }
    }

    /// Records that the call is about to run; if the tool requires records, waits until the record is on disk.
    ///
    /// Returns `None` for a tool without records.
    pub(crate) async fn intent(
        &self,
        tool: &Definition,
        arguments: &Map<String, Value>,
        key: Option<&KeyMark>,
        confirmed: bool,
    ) -> Result<Option<InFlightRecord<'a>>, Unrecorded> {
        if self.class == Audit::Off {
            return Ok(None);
        }
        let log = self.log;
        // Redacted before the record is queued, so that arguments do not outlive the call in the queue.
        let arguments = log.redaction.arguments(tool.descriptor, &tool.input.schema, arguments);
        let key = key.map(|key| key.writer(log));
        let confirm = match (confirmed, tool.descriptor.confirm) {
            (true, _) => "given",
            (false, true) => "nobody_asked",
            _ => "not_needed",
        };
        let identity = Arc::clone(&self.identity);
        let write = move |record: &mut RecordWriter| {
            identity.write("intent", record);
            record.json("args", &arguments);
            if let Some(key) = &key {
                key(record);
            }
            record
                .text("confirm", confirm)
                .object("decision", |decision| _ = decision.text("verdict", "allow"));
        };
        let Self { class, start, .. } = *self;
        let mut in_flight = InFlightRecord { log, identity: Some(Arc::clone(&self.identity)), class, start };
        let kind = RecordKind::Intent(self.identity.call);
        if class == Audit::Required {
            if log.commit(kind, RecordWriter::with(write)).await.is_err() {
                in_flight.end("not_run");
                return Err(Unrecorded::Intent);
            }
        } else {
            log.note(kind, write);
        }
        Ok(Some(in_flight))
    }
}

/// A call that runs. Dropped before its outcome, it records that its client went away.
pub(crate) struct InFlightRecord<'a> {
    log: &'a AuditHandle,
    /// `None` once the outcome is recorded.
    identity: Option<Arc<CallIdentity>>,
    class: Audit,
    start: Instant,
}

impl InFlightRecord<'_> {
    /// Records that the call does not run after all.
    pub(crate) fn not_run(mut self) {
        self.end("not_run");
    }

    /// Records that the tool asked its client something: the call begins anew with the answers.
    pub(crate) async fn asked(self, ask: &Ask) -> Result<(), Unrecorded> {
        let reply = ToolError::not_applied(ask.to_string()).reason("question").into();
        self.outcome_as("asked", &reply).await
    }

    /// Records how the call ended; if the tool requires records, waits until the record is on disk.
    pub(crate) async fn outcome(self, reply: &Reply) -> Result<(), Unrecorded> {
        let status = if reply.error.is_some() { "error" } else { "ok" };
        self.outcome_as(status, reply).await
    }

    async fn outcome_as(mut self, status: &'static str, reply: &Reply) -> Result<(), Unrecorded> {
        let Some(identity) = self.identity.take() else { return Ok(()) };
        let (digest, bytes) = self.log.redaction.result(reply);
        let is_error = reply.error.is_some();
        let reason = reply.error.as_ref().and_then(ToolError::fixed_reason);
        let (kind, duration) = (RecordKind::Outcome(identity.call), self.start.elapsed());
        let write = move |record: &mut RecordWriter| {
            identity.write_outcome(status, duration, record, |outcome| {
                if let Some(reason) = reason {
                    outcome.text("reason", reason);
                }
                outcome.flag("is_error", is_error);
                outcome.text("result_digest", &prefixed(&digest)).number("result_bytes", bytes);
            });
        };
        if self.class == Audit::Required {
            return self.log.commit(kind, RecordWriter::with(write)).await.map_err(|_| Unrecorded::Outcome);
        }
        self.log.note(kind, write);
        Ok(())
    }

    /// Records an end without a result.
    fn end(&mut self, status: &'static str) {
        if let Some(identity) = self.identity.take() {
            let (kind, duration) = (RecordKind::Outcome(identity.call), self.start.elapsed());
            self.log.note(kind, move |record| identity.write_outcome(status, duration, record, |_| {}));
        }
    }
}

impl Drop for InFlightRecord<'_> {
    fn drop(&mut self) {
        self.end("client_gone");
    }
}
