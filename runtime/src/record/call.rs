//! Stage: the call stands in the audit log before it runs, and its end before it is answered.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::{Map, Value};

use crate::{
    about::About,
    audit::{AuditLog, Body, Kind, Open, cut, hex_number, hex_text, marked, sha256},
    contract::declaration,
    pipeline::{Core, Refusal},
    registry::Registry,
    revision::Revision,
    tool::{
        call::Caller,
        descriptor::Audit,
        output::{Reply, ToolError},
    },
};

/// How a call came.
#[derive(Default)]
pub(crate) struct Origin {
    pub(crate) transport: &'static str,
    /// The client's name and version, as it said.
    pub(crate) client: Option<String>,
    pub(crate) trace: Option<Trace>,
}

/// The id of the trace that a call is part of (W3C Trace Context, `traceparent`).
#[derive(Clone)]
pub(crate) struct Trace(String);

impl Trace {
    /// What `traceparent` says: version, trace, parent and flags. What says anything else says nothing.
    pub(crate) fn of(traceparent: &str) -> Option<Self> {
        let mut parts = traceparent.split('-');
        let mut part = |len: usize| {
            let part = parts.next().filter(|part| part.len() == len)?;
            part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')).then_some(part)
        };
        let (version, trace, parent, _flags) = (part(2)?, part(32)?, part(16)?, part(2)?);
        let says = |part: &str| part.bytes().any(|byte| byte != b'0');
        let ends = version != "00" || parts.next().is_none();
        (version != "ff" && says(trace) && says(parent) && ends).then(|| Self(trace.to_owned()))
    }
}

/// The stage that did not let a call through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeniedBy {
    UnknownTool,
    Scope,
    Idempotency,
    Rate,
    Schema,
    Confirmation,
    ReadOnlyMode,
    Audit,
    /// The tool answers with a task only, and there is none for it.
    Task,
    /// A transport does not know who calls.
    #[cfg(feature = "http")]
    Auth,
    /// The server is about to stop.
    #[cfg(feature = "http")]
    Draining,
}

impl DeniedBy {
    const fn word(self) -> &'static str {
        match self {
            Self::UnknownTool => "unknown_tool",
            Self::Scope => "scope",
            Self::Idempotency => "idempotency",
            Self::Rate => "rate",
            Self::Schema => "schema",
            Self::Confirmation => "confirmation",
            Self::ReadOnlyMode => "read_only_mode",
            Self::Audit => "audit",
            Self::Task => "task",
            #[cfg(feature = "http")]
            Self::Auth => "auth",
            #[cfg(feature = "http")]
            Self::Draining => "draining",
        }
    }

    fn say(self, body: &mut Body) {
        body.object("decision", |decision| {
            decision.text("verdict", "deny").text("denied_by", self.word());
        });
    }
}

/// An open log, and what of each tool stands in every record of it.
pub(crate) struct Recorder {
    pub(crate) log: Open,
    /// In the registry's order.
    tools: Vec<Arc<Body>>,
}

impl Recorder {
    pub(crate) fn open(
        log: &AuditLog,
        about: &About,
        registry: &Registry,
        read_only: bool,
        skip_confirmation: bool,
    ) -> Result<Self, String> {
        let mut digests = String::new();
        let tools = registry.tools().iter().map(|tool| {
            let digest = hex_text(&sha256(declaration(tool).to_string().as_bytes()));
            let mut body = Body::default();
            body.text("tool", tool.descriptor.name).text("tool_digest", &digest);
            body.text("effect", tool.descriptor.effect.word());
            digests += &digest;
            Arc::new(body)
        });
        let tools = tools.collect();
        let mut start = Body::of("server");
        start.text("event", "start").word("server", &about.name).word("version", &about.version);
        start.text("candor", env!("CARGO_PKG_VERSION")).number("pid", std::process::id().into());
        start.text("tools_digest", &hex_text(&sha256(digests.as_bytes())));
        start.flag("read_only", read_only).flag("yes_destructive", skip_confirmation);
        Ok(Self { log: log.open(start)?, tools })
    }

    /// What is known of a call before any stage.
    pub(crate) fn asked(
        &self,
        core: &Core,
        tool: &str,
        caller: &Arc<Caller>,
        origin: &Origin,
        revision: Option<Revision>,
    ) -> PendingRecord<'_> {
        let known = core.registry.find(tool);
        // What waits for the writer takes no more room than the record will.
        let client = origin.client.as_deref().map(|client| cut(client).into_owned());
        let named = |name: &str| Arc::new(Body::saying(|body| _ = body.text("tool", name)));
        let who = CallIdentity {
            call: u128::from(fastrand::u64(..)) << 64 | u128::from(fastrand::u64(..)),
            tool: match known {
                Some((at, _)) => Arc::clone(&self.tools[at]),
                None if core.disabled_tools.contains(tool) => named(tool),
                // A name that leads nowhere is the caller's own word.
                None => named(&self.log.redaction.of(tool.as_bytes())),
            },
            caller: Arc::clone(caller),
            origin: Origin { transport: origin.transport, client, trace: origin.trace.clone() },
            revision,
        };
        let class = known.map_or(Audit::BestEffort, |(_, tool)| tool.descriptor.audit);
        PendingRecord { recorder: self, who: Arc::new(who), class, start: Instant::now() }
    }
}

/// What each record of a call begins with.
struct CallIdentity {
    call: u128,
    tool: Arc<Body>,
    caller: Arc<Caller>,
    origin: Origin,
    revision: Option<Revision>,
}

impl CallIdentity {
    fn say(&self, kind: &str, body: &mut Body) {
        let Self { call, tool, caller, origin, revision } = self;
        body.text("kind", kind).text("call_id", &hex_number(*call)).members(tool);
        body.object("caller", |who| {
            if let Some(issuer) = caller.issuer() {
                who.word("iss", issuer);
            }
            who.word("sub", caller.subject());
            if let Some(client) = &origin.client {
                who.text("client", client);
            }
        });
        body.text("transport", origin.transport);
        if let Some(revision) = revision {
            body.text("protocol", revision.as_str());
        }
        if let Some(Trace(trace)) = &origin.trace {
            body.text("trace_id", trace);
        }
        let scopes: Vec<&str> = caller.scopes().take(64).collect();
        body.word("scopes", &scopes.join(" "));
    }

    fn outcome(&self, status: &str, took: Duration, body: &mut Body, more: impl FnOnce(&mut Body)) {
        self.say("outcome", body);
        let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        body.object("outcome", |outcome| {
            outcome.text("status", status).number("duration_us", took);
            more(outcome);
        });
    }
}

impl Recorder {
    /// Records what a transport refused before it was known to be a call of anybody.
    #[cfg(feature = "http")]
    pub(crate) fn refused(&self, by: DeniedBy, transport: &'static str) {
        if self.log.admits_denial(by.word()) {
            self.log.note(Kind::Other, move |body| {
                body.text("kind", "denied").text("transport", transport);
                by.say(body);
            });
        }
    }
}

/// A call that has been asked for.
pub(crate) struct PendingRecord<'a> {
    recorder: &'a Recorder,
    who: Arc<CallIdentity>,
    class: Audit,
    start: Instant,
}

impl<'a> PendingRecord<'a> {
    /// Records that the call was not let through. It stays so, recorded or not.
    pub(crate) async fn denied(&self, by: DeniedBy) {
        if !self.recorder.log.admits_denial(by.word()) {
            return;
        }
        let who = Arc::clone(&self.who);
        let say = move |body: &mut Body| {
            who.say("denied", body);
            by.say(body);
        };
        if self.class == Audit::Required {
            let _ = self.recorder.log.commit(Kind::Other, Body::saying(say)).await;
        } else {
            self.recorder.log.note(Kind::Other, say);
        }
    }

    /// Records that the call will run: on the disk, where the tool's record is required.
    pub(crate) async fn intent(
        &self,
        core: &Core,
        at: usize,
        arguments: &Map<String, Value>,
        key: Option<&str>,
        confirmed: bool,
    ) -> Result<Option<InFlightRecord<'a>>, Refusal> {
        if self.class == Audit::Off {
            return Ok(None);
        }
        let (log, tool) = (&self.recorder.log, &core.registry.tools()[at]);
        // Redacted here, whoever writes it: what a caller sent does not outlive their call.
        let arguments = log.redaction.arguments(tool.descriptor, &tool.input.schema, arguments);
        let key = key.map(|key| log.redaction.of(key.as_bytes()));
        let confirm = match (confirmed, tool.descriptor.confirm) {
            (true, _) => "given",
            (false, true) => "nobody_asked",
            _ => "not_needed",
        };
        let who = Arc::clone(&self.who);
        let say = move |body: &mut Body| {
            who.say("intent", body);
            body.json("args", &arguments);
            if let Some(key) = &key {
                body.object("idempotency", |idempotency| _ = idempotency.text("key", key));
            }
            body.text("confirm", confirm)
                .object("decision", |decision| _ = decision.text("verdict", "allow"));
        };
        let Self { recorder, class, start, .. } = *self;
        let mut in_flight = InFlightRecord { recorder, who: Some(Arc::clone(&self.who)), class, start };
        let kind = Kind::Intent(self.who.call);
        if self.class == Audit::Required {
            if log.commit(kind, Body::saying(say)).await.is_err() {
                in_flight.end("not_run");
                return Err(Refusal::Unrecorded);
            }
        } else {
            log.note(kind, say);
        }
        Ok(Some(in_flight))
    }
}

/// A call at work. Dropped before its end, it records that nobody waited for it any more.
pub(crate) struct InFlightRecord<'a> {
    recorder: &'a Recorder,
    /// `None` once the outcome is recorded.
    who: Option<Arc<CallIdentity>>,
    class: Audit,
    start: Instant,
}

impl InFlightRecord<'_> {
    /// Records how the call ended: on the disk, where the tool's record is required.
    pub(crate) async fn outcome(mut self, reply: &Reply, asks: bool) -> Result<(), Refusal> {
        let Some(who) = self.who.take() else { return Ok(()) };
        let log = &self.recorder.log;
        let (digest, bytes) = log.redaction.result(reply);
        let is_error = reply.error.is_some();
        let status = match is_error {
            // It asked the client something, and begins anew with the answer.
            _ if asks => "asked",
            true => "error",
            false => "ok",
        };
        let reason = reply.error.as_ref().and_then(ToolError::fixed_reason);
        let (kind, took) = (Kind::Outcome(who.call), self.start.elapsed());
        let say = move |body: &mut Body| {
            who.outcome(status, took, body, |outcome| {
                if let Some(reason) = reason {
                    outcome.text("reason", reason);
                }
                outcome.flag("is_error", is_error);
                outcome.text("result_digest", &marked(&digest)).number("result_bytes", bytes);
            });
        };
        if self.class == Audit::Required {
            return log.commit(kind, Body::saying(say)).await.map_err(|_| Refusal::Unrecorded);
        }
        log.note(kind, say);
        Ok(())
    }

    /// Records an end without a result.
    fn end(&mut self, status: &'static str) {
        if let Some(who) = self.who.take() {
            let (kind, took) = (Kind::Outcome(who.call), self.start.elapsed());
            self.recorder.log.note(kind, move |body| who.outcome(status, took, body, |_| {}));
        }
    }
}

impl Drop for InFlightRecord<'_> {
    fn drop(&mut self) {
        self.end("client_gone");
    }
}

#[cfg(test)]
mod tests {
    use crate::record::call::*;

    #[test]
    fn a_trace_is_what_traceparent_says() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        let of = |text: &str| Trace::of(text).map(|Trace(trace)| trace);
        assert_eq!(of(&format!("00-{trace}-00f067aa0ba902b7-01")).as_deref(), Some(trace));
        assert_eq!(of(&format!("01-{trace}-00f067aa0ba902b7-01-more")).as_deref(), Some(trace));
        for wrong in [
            String::new(),
            format!("00-{trace}-00f067aa0ba902b7"),
            format!("00-{trace}-00f067aa0ba902b7-01-more"),
            format!("ff-{trace}-00f067aa0ba902b7-01"),
            format!("00-{}-00f067aa0ba902b7-01", trace.to_uppercase()),
            format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)),
            format!("00-{trace}-0000000000000000-01"),
            format!("00-{trace}\n-00f067aa0ba902b7-01"),
        ] {
            assert_eq!(of(&wrong), None, "{wrong}");
        }
    }
}
