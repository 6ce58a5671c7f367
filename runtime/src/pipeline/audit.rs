//! Stage: the call stands in the audit log before it runs, and its end before it is answered.

use std::time::Instant;

use serde_json::{Map, Value};

use super::{Core, Refusal};
use crate::{
    audit::{AuditLog, Body, Kind, Open, hex_number, hex_text, sha256},
    call::Caller,
    contract::declaration,
    descriptor::Audit,
    output::{Reply, ToolError},
    registry::Registry,
    revision::Revision,
    server::About,
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
pub(crate) enum By {
    UnknownTool,
    Scope,
    Idempotency,
    Rate,
    Schema,
    Confirmation,
    ReadOnlyMode,
    Audit,
    /// A transport does not know who calls.
    #[cfg(feature = "http")]
    Auth,
    /// The server is about to stop.
    #[cfg(feature = "http")]
    Draining,
}

impl By {
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
            #[cfg(feature = "http")]
            Self::Auth => "auth",
            #[cfg(feature = "http")]
            Self::Draining => "draining",
        }
    }
}

/// An open log, and what of each tool stands in every record of it.
pub(crate) struct Recorder {
    pub(crate) log: Open,
    /// In the registry's order.
    tools: Vec<Body>,
}

impl Recorder {
    pub(crate) fn open(
        log: &AuditLog,
        about: &About,
        registry: &Registry,
        read_only: bool,
        unasked: bool,
    ) -> Result<Self, String> {
        let mut digests = String::new();
        let tools = registry.tools().iter().map(|tool| {
            let digest = hex_text(&sha256(declaration(tool).to_string().as_bytes()));
            let mut body = Body::default();
            body.text("tool", tool.descriptor.name).text("tool_digest", &digest);
            body.text("effect", tool.descriptor.effect.word());
            digests += &digest;
            body
        });
        let tools = tools.collect();
        let mut start = Body::of("server");
        start.text("event", "start").word("server", &about.name).word("version", &about.version);
        start.text("candor", env!("CARGO_PKG_VERSION")).number("pid", std::process::id().into());
        start.text("tools_digest", &hex_text(&sha256(digests.as_bytes())));
        start.flag("read_only", read_only).flag("yes_destructive", unasked);
        Ok(Self { log: log.open(start)?, tools })
    }

    /// What is known of a call before any stage.
    pub(super) fn asked(
        &self,
        core: &Core,
        tool: &str,
        caller: &Caller,
        origin: &Origin,
        revision: Option<Revision>,
    ) -> Asked<'_> {
        let call = u128::from(fastrand::u64(..)) << 64 | u128::from(fastrand::u64(..));
        let mut who = Body::new();
        who.text("call_id", &hex_number(call));
        let known = core.registry.find(tool);
        match known {
            Some((at, _)) => who.members(&self.tools[at]),
            None if core.withheld.contains(tool) => who.text("tool", tool),
            // A name that leads nowhere is the caller's own word.
            None => who.text("tool", &self.log.redaction.of(tool.as_bytes())),
        };
        who.object("caller", |who| {
            if let Some(issuer) = caller.issuer() {
                who.word("iss", issuer);
            }
            who.word("sub", caller.subject());
            if let Some(client) = &origin.client {
                who.word("client", client);
            }
        });
        who.text("transport", origin.transport);
        if let Some(revision) = revision {
            who.text("protocol", revision.as_str());
        }
        if let Some(Trace(trace)) = &origin.trace {
            who.text("trace_id", trace);
        }
        let scopes: Vec<&str> = caller.scopes().take(64).collect();
        who.word("scopes", &scopes.join(" "));
        let class = known.map_or(Audit::BestEffort, |(_, tool)| tool.descriptor.audit);
        Asked { recorder: self, call, who, class, start: Instant::now() }
    }
}

impl Recorder {
    /// Records what a transport refused before it was known to be a call of anybody.
    #[cfg(feature = "http")]
    pub(crate) fn refused(&self, by: By, transport: &str) {
        if self.log.admits_denial(by.word()) {
            let mut body = Body::of("denied");
            body.text("transport", transport).object("decision", |decision| {
                decision.text("verdict", "deny").text("denied_by", by.word());
            });
            self.log.note(Kind::Other, body);
        }
    }
}

/// A call that has been asked for.
pub(super) struct Asked<'a> {
    recorder: &'a Recorder,
    call: u128,
    who: Body,
    class: Audit,
    start: Instant,
}

impl<'a> Asked<'a> {
    /// Records that the call was not let through. It stays so, recorded or not.
    pub(super) async fn denied(&self, by: By) {
        if !self.recorder.log.admits_denial(by.word()) {
            return;
        }
        let mut body = Body::of("denied");
        body.members(&self.who);
        body.object("decision", |decision| {
            decision.text("verdict", "deny").text("denied_by", by.word());
        });
        if self.class == Audit::Required {
            let _ = self.recorder.log.commit(Kind::Other, body).await;
        } else {
            self.recorder.log.note(Kind::Other, body);
        }
    }

    /// Records that the call will run: on the disk, where the tool's record is required.
    pub(super) async fn intent(
        &self,
        core: &Core,
        at: usize,
        arguments: &Map<String, Value>,
        key: Option<&str>,
        confirmed: bool,
    ) -> Result<Option<Trail<'a>>, Refusal> {
        if self.class == Audit::Off {
            return Ok(None);
        }
        let (log, tool) = (&self.recorder.log, &core.registry.tools()[at]);
        let mut body = Body::of("intent");
        body.members(&self.who);
        body.json("args", &log.redaction.arguments(tool.descriptor, &tool.input.schema, arguments));
        if let Some(key) = key {
            body.object("idempotency", |idempotency| {
                idempotency.text("key", &log.redaction.of(key.as_bytes()));
            });
        }
        let confirm = match (confirmed, tool.descriptor.confirm) {
            (true, _) => "given",
            (false, true) => "nobody_asked",
            _ => "not_needed",
        };
        body.text("confirm", confirm).object("decision", |decision| {
            decision.text("verdict", "allow");
        });
        let mut trail = Trail {
            recorder: self.recorder,
            asked: self.ended(),
            class: self.class,
            start: self.start,
            call: Some(self.call),
        };
        if self.class == Audit::Required {
            if log.commit(Kind::Intent(self.call), body).await.is_err() {
                trail.end("not_run", |_| {});
                return Err(Refusal::Unrecorded);
            }
        } else {
            log.note(Kind::Intent(self.call), body);
        }
        Ok(Some(trail))
    }

    /// What the record of the outcome begins with.
    fn ended(&self) -> Body {
        let mut body = Body::of("outcome");
        body.members(&self.who);
        body
    }
}

/// A call at work. Dropped before its end, it records that nobody waited for it any more.
pub(super) struct Trail<'a> {
    recorder: &'a Recorder,
    asked: Body,
    class: Audit,
    start: Instant,
    /// `None` once the outcome is recorded.
    call: Option<u128>,
}

impl Trail<'_> {
    /// Records how the call ended: on the disk, where the tool's record is required.
    pub(super) async fn outcome(mut self, reply: &Reply, asks: bool) -> Result<(), Refusal> {
        let Some(call) = self.call.take() else { return Ok(()) };
        let (digest, bytes) = self.recorder.log.redaction.result(reply);
        let status = match &reply.error {
            // It asked the client something, and begins anew with the answer.
            _ if asks => "asked",
            Some(_) => "error",
            None => "ok",
        };
        let body = self.body(status, |outcome| {
            if let Some(reason) = reply.error.as_ref().and_then(ToolError::fixed_reason) {
                outcome.text("reason", reason);
            }
            outcome.flag("is_error", reply.error.is_some());
            outcome.text("result_digest", &digest).number("result_bytes", bytes);
        });
        if self.class == Audit::Required {
            return self
                .recorder
                .log
                .commit(Kind::Outcome(call), body)
                .await
                .map_err(|_| Refusal::Unrecorded);
        }
        self.recorder.log.note(Kind::Outcome(call), body);
        Ok(())
    }

    fn end(&mut self, status: &str, more: impl FnOnce(&mut Body)) {
        if let Some(call) = self.call.take() {
            let body = self.body(status, more);
            self.recorder.log.note(Kind::Outcome(call), body);
        }
    }

    fn body(&mut self, status: &str, more: impl FnOnce(&mut Body)) -> Body {
        let mut body = std::mem::take(&mut self.asked);
        let took = u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX);
        body.object("outcome", |outcome| {
            outcome.text("status", status).number("duration_us", took);
            more(outcome);
        });
        body
    }
}

impl Drop for Trail<'_> {
    fn drop(&mut self) {
        self.end("client_gone", |_| {});
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
