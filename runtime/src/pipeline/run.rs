//! Runs the handler until it answers, panics, is cancelled or runs out of time.

use std::{sync::Arc, time::Duration};

use backon::Retryable as _;
use futures::future::BoxFuture;
use serde_json::{Map, Value};

use super::suspicion;
use crate::{
    limits::Slot,
    message::Message,
    retry::{FullJitter, within},
    sandbox::{Executor, SandboxId},
    spans::PartSpan,
    telemetry::ToolTelemetry,
    tool::{
        args::Args, call::Call, descriptor::Descriptor, error::ToolError, handler::Handler as Run,
        outcome::Outcome, output::Reply,
    },
};

/// Waits for the handler's answer. With `runs_to_end`, cancellation does not stop the wait.
pub(super) async fn run(
    executor: Executor<'_>,
    handler: &Run,
    call: Call,
    arguments: Map<String, Value>,
    slot: Slot,
    runs_to_end: bool,
    telemetry: ToolTelemetry<'_>,
) -> Outcome {
    let tool = call.descriptor;
    let (deadline, cancelled) = (call.deadline, call.cancelled.clone());
    let work = work(executor, handler, call, arguments, slot, telemetry);
    tokio::select! {
        biased;
        outcome = work => outcome,
        () = cancelled.cancelled(), if !runs_to_end => cancelled_call(tool).into(),
        () = tokio::time::sleep_until(deadline.into()) => {
            cancelled.cancel();
            late(tool).into()
        }
    }
}

/// The end of the wait for a handler whose result is stored under a key.
pub(super) enum KeyedEnd<'a> {
    Ended(Outcome),
    /// The handler was stopped, and its tool may be called again.
    Stopped(Reply),
    /// The deadline has passed, and the handler goes on.
    Late(Reply, BoxFuture<'a, Outcome>),
}

/// Waits for the handler's answer as [`run`] does, and does not lose the answer of a handler that goes on.
pub(super) async fn run_keyed<'a>(
    executor: Executor<'a>,
    handler: &'a Run,
    call: Call,
    arguments: Map<String, Value>,
    slot: Slot,
    runs_to_end: bool,
    telemetry: ToolTelemetry<'a>,
) -> KeyedEnd<'a> {
    let tool = call.descriptor;
    let (deadline, cancelled) = (call.deadline, call.cancelled.clone());
    let mut work: BoxFuture<'a, Outcome> =
        Box::pin(work(executor, handler, call, arguments, slot, telemetry));
    tokio::select! {
        biased;
        outcome = &mut work => KeyedEnd::Ended(outcome),
        () = cancelled.cancelled(), if !runs_to_end => KeyedEnd::Stopped(cancelled_call(tool)),
        () = tokio::time::sleep_until(deadline.into()) => {
            cancelled.cancel();
            let reply = late(tool);
            if tool.may_repeat() { KeyedEnd::Stopped(reply) } else { KeyedEnd::Late(reply, work) }
        }
    }
}

/// Runs the handler, with the retries that its tool declares.
async fn work(
    executor: Executor<'_>,
    handler: &Run,
    call: Call,
    arguments: Map<String, Value>,
    slot: Slot,
    telemetry: ToolTelemetry<'_>,
) -> Outcome {
    let tool = call.descriptor;
    if matches!(executor, Executor::Unavailable) {
        return unsandboxed(tool).into();
    }
    let run = HandlerRun { executor, handler, call: Arc::new(call), slot: Arc::new(slot), telemetry };
    if tool.retry == 0 {
        run.attempt(arguments, &run.call.span).await
    } else {
        run.attempts(&arguments).await
    }
}

fn cancelled_call(tool: &Descriptor) -> Reply {
    ToolError::new(format!("the call of tool `{}` was cancelled", tool.name)).reason("cancelled").into()
}

/// A handler with everything that its runs need.
struct HandlerRun<'a> {
    executor: Executor<'a>,
    handler: &'a Run,
    call: Arc<Call>,
    slot: Arc<Slot>,
    telemetry: ToolTelemetry<'a>,
}

impl HandlerRun<'_> {
    /// Runs the handler, and again after transient failures (`retry`), within the call's deadline.
    async fn attempts(&self, arguments: &Map<String, Value>) -> Outcome {
        let deadline = self.call.deadline;
        let mut number = 0;
        let attempt = || {
            number += 1;
            let span = self.call.span.attempt(number);
            async move {
                match self.attempt(arguments.clone(), &span).await {
                    Outcome::Done(reply) if reply.error.as_ref().is_some_and(ToolError::is_transient) => {
                        span.fail();
                        Err(reply)
                    }
                    settled => Ok(settled),
                }
            }
        };
        let last = attempt
            .retry(FullJitter { retries: self.call.descriptor.retry })
            .sleep(tokio::time::sleep)
            .notify(|_, _| self.telemetry.retried())
            .adjust(|reply, wait| within(deadline, reply.error.as_ref()?, wait?))
            .await;
        last.unwrap_or_else(Outcome::Done)
    }

    /// Runs the handler once, on a task of its own, so that a panic or an endless loop affects nothing else. The handler's own
    /// spans are below `span`, on whichever thread it runs.
    async fn attempt(&self, arguments: Map<String, Value>, span: &PartSpan) -> Outcome {
        let tool = self.call.descriptor;
        let (call, slot) = (Arc::clone(&self.call), Arc::clone(&self.slot));
        let args = Args::new(tool, arguments);
        let (executor, stops) = (self.executor, tool.may_repeat());
        let sandbox_id = executor.sandbox_id();
        let is_sandboxed = move || sandbox_id.is_none_or(SandboxId::is_here);
        let outcome = match self.handler {
            Run::Blocking(run) => {
                let (run, span) = (Arc::clone(run), span.clone());
                let work = move || {
                    let _slot = slot;
                    span.enter(|| if is_sandboxed() { run(&call, args) } else { unsandboxed(tool).into() })
                };
                executor.block(work, stops).await
            }
            Run::Async(run) => {
                let run = Arc::clone(run);
                let work = async move {
                    let _slot = slot;
                    if is_sandboxed() { run(call, args).await } else { unsandboxed(tool).into() }
                };
                executor.run(span.run(work), stops).await
            }
        };
        match outcome {
            Some(Outcome::Done(reply)) if sandbox_id.is_some() => {
                if reply.error.as_ref().is_some_and(ToolError::is_permission_denied) {
                    self.telemetry.violated_sandbox();
                }
                suspicion::explain(tool, reply).into()
            }
            Some(outcome) => outcome,
            None => {
                self.telemetry.panicked();
                panicked(tool).into()
            }
        }
    }
}

/// The error of a handler that panicked. The panic's text may hold anything, so the caller reads a fixed one.
fn panicked(tool: &Descriptor) -> Reply {
    let message = Message::new(format!("tool `{}` failed inside; the server goes on", tool.name))
        .help("the server's log says why");
    ToolError::new(message).reason("internal").into()
}

/// The error of a call whose threads could not be sandboxed. It does not run outside the sandbox instead.
fn unsandboxed(tool: &Descriptor) -> Reply {
    let refused = match (tool.unsandboxed, tool.is_read_only() || tool.closed_world) {
        (None, true) => "the sandbox that it is declared with",
        _ => "the threads that it needs",
    };
    let message = Message::new(format!("tool `{}` did not run: the system refused {refused}", tool.name))
        .help("call again later; the server's log says why");
    ToolError::not_applied(message).reason("sandbox").into()
}

fn late(tool: &Descriptor) -> Reply {
    let message =
        Message::new(format!("tool `{}` did not answer within {}", tool.name, seconds(tool.timeout)));
    let error = if tool.may_repeat() {
        ToolError::transient(message.help("ask for less, or call again later"))
    } else {
        let message = message.note("it was not stopped, and its effect may still happen");
        ToolError::new(message.help("check before you call again"))
    };
    error.reason("deadline_exceeded").into()
}

fn seconds(time: Duration) -> String {
    if time.subsec_millis() == 0 {
        format!("{} s", time.as_secs())
    } else {
        format!("{} ms", time.as_millis())
    }
}
