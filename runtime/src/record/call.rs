//! Records one call: pending until its stages have passed, in flight until its outcome is known.

use std::{sync::Arc, time::Instant};

use serde_json::{Map, Value};

use super::{
    DeniedBy,
    identity::CallIdentity,
    read::{ReadCall, ReadDetails, ReadEnd},
};
use crate::{
    audit::{AuditHandle, RecordKind, RecordWriter, prefixed},
    registry::Definition,
    tool::{ask::Ask, descriptor::Audit, error::ToolError, output::Reply},
};

/// The intent of a call, or the question before it, could not be recorded: the handler did not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotRun;

/// The outcome of a call could not be recorded: the handler ran, and its result is withheld.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ResultWithheld;

/// A call whose stages have not all passed.
pub(crate) struct PendingRecord<'a> {
    pub(super) log: &'a AuditHandle,
    pub(super) identity: Arc<CallIdentity>,
    pub(super) class: Audit,
    pub(super) start: Instant,
}

/// The end of the confirmation of a call that runs.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ConfirmedBy<'a> {
    /// The call was not confirmed, by the tool's declaration or by the operator's choice.
    NotAsked,
    /// The user was asked within the call.
    Answer,
    /// The client returned with this state and with the user's answer.
    State(&'a str),
}

impl ConfirmedBy<'_> {
    /// Returns the text in a record of a tool that must be confirmed, or need not (`confirm`).
    fn text(self, confirm: bool) -> &'static str {
        match (self, confirm) {
            (Self::NotAsked, true) => "nobody_asked",
            (Self::NotAsked, false) => "not_needed",
            (Self::Answer | Self::State(_), _) => "given",
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
    pub(crate) fn denied(&self, by: DeniedBy, state: Option<&str>) {
        let Self { log, identity, .. } = self;
        let is_required = self.is_required();
        // No flood of other calls hides the denial of a tool whose records are required.
        if !is_required && !log.admits_denial(Some(&identity.caller), by.as_str()) {
            return;
        }
        let identity = Arc::clone(identity);
        let question = state.filter(|_| by == DeniedBy::Confirmation).map(|state| self.question(state));
        log.note(RecordKind::Other, is_required, move |record| {
            identity.write("denied", record);
            if let Some(question) = &question {
                record.text("question", question);
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
            return self.log.commit(RecordKind::Other, record).await.map_err(|_| NotRun);
        }
        self.log.note(RecordKind::Other, false, write);
        Ok(())
    }

    /// Returns the id of a question, which the records of the question and of its answer have in common. The state itself
    /// is the client's.
    fn question(&self, state: &str) -> String {
        self.log.redaction.of(state.as_bytes())
    }

    /// Records that the call is about to run; if the tool requires records, waits until the record is on disk. A call whose
    /// tool does not require records has one record, which is written at its end.
    ///
    /// Returns `None` for a tool without records.
    pub(crate) async fn intent(
        &self,
        tool: &Definition,
        arguments: &Map<String, Value>,
        key: Option<&str>,
        confirmed: ConfirmedBy<'_>,
    ) -> Result<Option<InFlightRecord<'a>>, NotRun> {
        if self.class == Audit::Off {
            return Ok(None);
        }
        let log = self.log;
        // Redacted before the record is queued, so that arguments do not outlive the call in the queue.
        let details = ReadDetails {
            arguments: log.redaction.arguments(tool.descriptor, &tool.input.schema, arguments),
            key: key.map(|key| log.redaction.of(key.as_bytes())),
            confirm: confirmed.text(tool.descriptor.confirm),
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
        match log.commit(RecordKind::Intent(self.identity.call), record).await {
            Ok(()) => Ok(Some(in_flight)),
            Err(_) => {
                // The log may take the intent later.
                in_flight.end("not_run");
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
        self.log.commit(kind, record).await.map_err(|_| ResultWithheld)
    }

    /// Records an end without a result.
    fn end(&mut self, status: &'static str) {
        let Some(identity) = self.identity.take() else { return };
        let duration = self.start.elapsed();
        if let Some(details) = self.read.take() {
            let end = ReadEnd { status, reason: None, duration, result: None };
            return self.log.note_read(ReadCall { identity, details, end });
        }
        let (kind, is_required) = (RecordKind::Outcome(identity.call), self.class == Audit::Required);
        self.log.note(kind, is_required, move |record| {
            identity.write_outcome(status, duration, record, |_| {});
        });
    }
}

impl Drop for InFlightRecord<'_> {
    fn drop(&mut self) {
        self.end("client_gone");
    }
}
