//! Records one call: pending until its stages have passed, in flight until its outcome is known.

use std::{sync::Arc, time::Instant};

use serde_json::{Map, Value};

use super::{
    DeniedBy,
    identity::CallIdentity,
    read::{ReadCall, ReadDetails, ReadEnd, RedactedKey},
};
use crate::{
    audit::{AuditHandle, RecordKind, RecordWriter, prefixed},
    registry::Definition,
    spans::audit_commit,
    tool::{ask::Ask, descriptor::Audit, error::ToolError, output::Reply},
};

/// The intent of a call, or the question before it, could not be recorded: the handler did not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotRun;

/// The outcome of a call could not be recorded: the handler ran, and its result is withheld.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ResultWithheld;

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
    /// Replaces the key by its HMAC, since records wait in a queue.
    fn redacted(&self, log: &AuditHandle) -> RedactedKey {
        RedactedKey { key: log.redaction.of(self.key.as_bytes()), state: self.state, replayed: self.replayed }
    }
}

/// A pending record without its log, for a call that goes on after its request.
pub(crate) struct OwnedPending {
    pub(super) identity: Arc<CallIdentity>,
    pub(super) class: Audit,
    pub(super) start: Instant,
}

/// A call whose stages have not all passed.
pub(crate) struct PendingRecord<'a> {
    pub(super) log: &'a AuditHandle,
    pub(super) identity: Arc<CallIdentity>,
    pub(super) class: Audit,
    pub(super) start: Instant,
}

/// The end of the confirmation of a call that runs.
#[derive(Clone, Debug)]
pub(crate) enum ConfirmedBy {
    /// The tool's declaration asks for no confirmation of this call.
    NotNeeded,
    /// The declaration asks for it, and the operator chose not to.
    Skipped,
    /// The user was asked within the call.
    Answer,
    /// The client returned with this state and with the user's answer.
    State(String),
}

impl ConfirmedBy {
    /// Returns the text in a record (`confirm`).
    fn text(&self) -> &'static str {
        match self {
            Self::NotNeeded => "not_needed",
            Self::Skipped => "nobody_asked",
            Self::Answer | Self::State(_) => "given",
        }
    }
}

impl<'a> PendingRecord<'a> {
    fn is_required(&self) -> bool {
        self.class == Audit::Required
    }

    /// Records that the call was refused. The refusal stands even if its record cannot be written. `state` is the one that
    /// the client returned with.
    ///
    /// The refusal does not wait for its record: the time it takes would tell tools with required records from others.
    pub(crate) fn denied(&self, by: DeniedBy, state: Option<&str>, key: Option<&KeyMark>) {
        let Self { log, identity, .. } = self;
        let is_required = self.is_required();
        // No flood of other calls hides the denial of a tool whose records are required.
        if !is_required && !log.admits_denial(Some(&identity.caller), by.as_str()) {
            return;
        }
        let identity = Arc::clone(identity);
        let question = state.filter(|_| by == DeniedBy::Confirmation).map(|state| self.question(state));
        let key = key.map(|key| key.redacted(log));
        log.note(RecordKind::Other, is_required, move |record| {
            identity.write("denied", record);
            if let Some(question) = &question {
                record.text("question", question);
            }
            if let Some(key) = &key {
                key.write(record);
            }
            by.write(record);
        });
    }

    /// Records that the user is about to be asked whether the call may run. `state` ties the answer of a client that
    /// calls again to this call.
    ///
    /// # Errors
    ///
    /// The tool requires the record, and it cannot be written. The user must not be asked.
    pub(crate) async fn asked(
        &self,
        tool: &Definition,
        arguments: &Map<String, Value>,
        state: Option<&str>,
    ) -> Result<(), NotRun> {
        if self.class == Audit::Off {
            return Ok(());
        }
        let arguments = self.log.redaction.arguments(tool.descriptor, &tool.input.schema, arguments);
        let question = state.map(|state| self.question(state));
        let identity = Arc::clone(&self.identity);
        let write = move |record: &mut RecordWriter| {
            identity.write("asked", record);
            record.json("args", &arguments);
            if let Some(question) = &question {
                record.text("question", question);
            }
        };
        if self.is_required() {
            let record = RecordWriter::with(write);
            let written = audit_commit(self.log.commit(RecordKind::Other, record));
            return written.await.map_err(|_| NotRun);
        }
        self.log.note(RecordKind::Other, false, write);
        Ok(())
    }

    /// Returns the id of a question, which the records of the question and of its answer have in common. The state itself
    /// is the client's.
    fn question(&self, state: &str) -> String {
        self.log.redaction.of(state.as_bytes())
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
        let class = if self.is_required() { Audit::BestEffort } else { self.class };
        let read =
            PendingRecord { log: self.log, identity: Arc::clone(&self.identity), class, start: self.start };
        if let Ok(Some(in_flight)) = read.intent(tool, arguments, Some(key), &ConfirmedBy::NotNeeded).await {
            let _ = in_flight.outcome(reply).await;
        }
    }

    /// Records that the call is about to run; if the tool requires records, waits until the record is on disk. A call whose
    /// tool does not require records has one record, which is written at its end.
    ///
    /// Returns `None` for a tool without records.
    pub(crate) async fn intent(
        &self,
        tool: &Definition,
        arguments: &Map<String, Value>,
        key: Option<&KeyMark>,
        confirmed: &ConfirmedBy,
    ) -> Result<Option<InFlightRecord<'a>>, NotRun> {
        if self.class == Audit::Off {
            return Ok(None);
        }
        let log = self.log;
        // Redacted before the record is queued, so that arguments do not outlive the call in the queue.
        let details = ReadDetails {
            arguments: log.redaction.arguments(tool.descriptor, &tool.input.schema, arguments),
            key: key.map(|key| key.redacted(log)),
            confirm: confirmed.text(),
        };
        let Self { class, start, .. } = *self;
        let mut in_flight =
            InFlightRecord { log, identity: Some(Arc::clone(&self.identity)), class, start, read: None };
        if !self.is_required() {
            in_flight.read = Some(details);
            return Ok(Some(in_flight));
        }
        let mut record = RecordWriter::new();
        self.identity.write("intent", &mut record);
        details.write(&mut record);
        record.text("confirm", details.confirm);
        if let ConfirmedBy::State(state) = confirmed {
            record.text("question", &self.question(state));
        }
        record.object("decision", |decision| _ = decision.text("verdict", "allow"));
        match audit_commit(log.commit(RecordKind::Intent(self.identity.call), record)).await {
            Ok(()) => Ok(Some(in_flight)),
            Err(_) => {
                // The log may take the intent later.
                in_flight.end("not_run", RecordKind::NotRun);
                Err(NotRun)
            }
        }
    }
}

/// A call that runs. Dropped before its outcome, it records that its client went away.
pub(crate) struct InFlightRecord<'a> {
    log: &'a AuditHandle,
    /// `None` once the outcome is recorded.
    identity: Option<Arc<CallIdentity>>,
    class: Audit,
    start: Instant,
    /// The beginning of the one record of a call whose tool does not require records.
    read: Option<ReadDetails>,
}

impl InFlightRecord<'_> {
    /// Records that the call does not run after all.
    pub(crate) fn not_run(mut self) {
        self.end("not_run", RecordKind::NotRun);
    }

    /// Records that the tool asked its client something: the call begins anew with the answers.
    pub(crate) async fn asked(self, ask: &Ask) -> Result<(), ResultWithheld> {
        let reply = ToolError::not_applied(ask.to_string()).reason("question").into();
        self.outcome_as("asked", &reply).await
    }

    /// Records how the call ended; if the tool requires records, waits until the record is on disk.
    pub(crate) async fn outcome(self, reply: &Reply) -> Result<(), ResultWithheld> {
        let status = if reply.error.is_some() { "error" } else { "ok" };
        self.outcome_as(status, reply).await
    }

    async fn outcome_as(mut self, status: &'static str, reply: &Reply) -> Result<(), ResultWithheld> {
        let Some(identity) = self.identity.take() else { return Ok(()) };
        let (digest, bytes) = self.log.redaction.result(reply);
        let reason = reply.error.as_ref().and_then(ToolError::fixed_reason);
        let duration = self.start.elapsed();
        if let Some(details) = self.read.take() {
            let end = ReadEnd { status, reason, duration, result: Some((digest, bytes)) };
            self.log.note_read(ReadCall { identity, details, end });
            return Ok(());
        }
        let mut record = RecordWriter::new();
        identity.write_outcome(status, duration, &mut record, |outcome| {
            if let Some(reason) = reason {
                outcome.text("reason", reason);
            }
            outcome.flag("is_error", reply.error.is_some());
            outcome.text("result_digest", &prefixed(&digest)).number("result_bytes", bytes);
        });
        let kind = RecordKind::Outcome(identity.call);
        let written = audit_commit(self.log.commit(kind, record));
        written.await.map_err(|_| ResultWithheld)
    }

    /// Records an end without a result.
    fn end(&mut self, status: &'static str, kind: fn(u128) -> RecordKind) {
        let Some(identity) = self.identity.take() else { return };
        let duration = self.start.elapsed();
        if let Some(details) = self.read.take() {
            let end = ReadEnd { status, reason: None, duration, result: None };
            return self.log.note_read(ReadCall { identity, details, end });
        }
        let (kind, is_required) = (kind(identity.call), self.class == Audit::Required);
        self.log.note(kind, is_required, move |record| {
            identity.write_outcome(status, duration, record, |_| {});
        });
    }
}

impl Drop for InFlightRecord<'_> {
    fn drop(&mut self) {
        self.end("client_gone", RecordKind::Outcome);
    }
}
