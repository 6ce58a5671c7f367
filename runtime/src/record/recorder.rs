//! Holds the open audit log, with the part of each tool's records that never changes.

use std::{sync::Arc, time::Instant};

#[cfg(feature = "http")]
use super::DeniedBy;
use super::{Origin, OwnedPending, PendingRecord, identity::CallIdentity};
#[cfg(feature = "http")]
use crate::audit::RecordKind;
use crate::{
    about::About,
    audit::{AuditHandle, AuditLog, OpenError, RecordWriter, cut, hex_text, sha256},
    contract::declaration,
    registry::{Definition, Registry},
    revision::Revision,
    tool::{caller::Caller, descriptor::Audit},
};

/// An open log, and the part of each tool's records that never changes.
pub(crate) struct Recorder {
    pub(crate) log: AuditHandle,
    /// In the registry's order.
    tools: Vec<Arc<RecordWriter>>,
}

/// The tool that a call names, as far as the server knows it.
#[derive(Clone, Copy)]
pub(crate) enum CallSubject<'a> {
    /// The index in the registry of a served tool, the tool, and the name or alias that the call has for it.
    Tool(usize, &'a Definition, &'a str),
    /// A tool that this server has, but does not serve (`--read-only`).
    Disabled(&'a str),
    /// A name from the wire that leads to no tool.
    Unknown(&'a str),
}

impl Recorder {
    pub(crate) fn open(
        log: &AuditLog,
        about: &About,
        registry: &Registry,
        read_only: bool,
        skip_confirmation: bool,
    ) -> Result<Self, OpenError> {
        let mut digests = String::new();
        let tools = registry.tools().iter().map(|tool| {
            let digest = hex_text(&sha256(declaration(tool).to_string().as_bytes()));
            let mut record = RecordWriter::default();
            record.text("tool", tool.descriptor.name).text("tool_digest", &digest);
            record.text("effect", tool.descriptor.effect.word());
            digests += &digest;
            Arc::new(record)
        });
        let tools = tools.collect();
        let mut start = RecordWriter::of("server");
        start
            .text("event", "start")
            .caller_text("server", &about.name)
            .caller_text("version", &about.version);
        start.text("candor", env!("CARGO_PKG_VERSION")).number("pid", std::process::id().into());
        start.text("tools_digest", &hex_text(&sha256(digests.as_bytes())));
        start.flag("read_only", read_only).flag("yes_destructive", skip_confirmation);
        Ok(Self { log: log.open(start)?, tools })
    }

    /// Collects everything about a call that is known before its first stage.
    pub(crate) fn pending(
        &self,
        subject: CallSubject<'_>,
        caller: &Arc<Caller>,
        origin: &Origin,
        revision: Option<Revision>,
    ) -> PendingRecord<'_> {
        // The client's name is cut here: a record that waits for the writer takes no more memory than on disk.
        let client = origin.client.as_deref().map(|client| cut(client).into_owned());
        let named = |name: &str| Arc::new(RecordWriter::with(|record| _ = record.text("tool", name)));
        let name = match subject {
            CallSubject::Tool(_, tool, _) => tool.descriptor.name,
            CallSubject::Disabled(_) | CallSubject::Unknown(_) => "",
        };
        let alias = match subject {
            CallSubject::Tool(_, tool, called) => tool.descriptor.alias(called),
            CallSubject::Disabled(_) | CallSubject::Unknown(_) => None,
        };
        let (tool, class) = match subject {
            CallSubject::Tool(at, tool, _) => (Arc::clone(&self.tools[at]), tool.descriptor.audit),
            CallSubject::Disabled(name) => (named(name), Audit::BestEffort),
            // The caller chose the name, so the record holds its HMAC alone.
            CallSubject::Unknown(name) => (named(&self.log.redaction.of(name.as_bytes())), Audit::BestEffort),
        };
        let identity = CallIdentity {
            call: u128::from(fastrand::u64(..)) << 64 | u128::from(fastrand::u64(..)),
            tool,
            name,
            alias,
            caller: Arc::clone(caller),
            origin: Origin {
                transport: origin.transport,
                client,
                trace: origin.trace.clone(),
                incoming: None,
            },
            revision,
        };
        PendingRecord { log: &self.log, identity: Arc::new(identity), class, start: Instant::now() }
    }

    /// Returns the text that stands for a caller's name in a line that is not part of the log: an HMAC under the log's key.
    #[cfg(feature = "telemetry")]
    pub(crate) fn caller_mark(&self, caller: &Caller) -> String {
        self.log.redaction.of(caller.subject().as_bytes())
    }

    /// Takes up a record that was detached from its request.
    pub(crate) fn resume(&self, pending: OwnedPending) -> PendingRecord<'_> {
        let OwnedPending { identity, class, start } = pending;
        PendingRecord { log: &self.log, identity, class, start }
    }

    /// Records a request that a transport refused before its caller or its tool was known.
    #[cfg(feature = "http")]
    pub(crate) fn refused(&self, by: DeniedBy, transport: &'static str) {
        if self.log.admits_denial(None, by.as_str()) {
            self.log.note(RecordKind::Other, false, move |record| {
                record.text("kind", "denied").text("transport", transport);
                by.write(record);
            });
        }
    }
}
