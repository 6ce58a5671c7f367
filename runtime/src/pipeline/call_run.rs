//! Holds a call that may run, and takes it from its intent to its result, with its key if it has one.

use futures::future::BoxFuture;
use serde_json::{Map, Value};
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::{
    Core,
    elicitation::Asker,
    idempotency::HeldKey,
    request::Denial,
    run::{self, KeyedEnd},
    task::TaskMode,
};
use crate::{
    limits::Slot,
    record::{ConfirmedBy, InFlightRecord, NotRun, PendingRecord, ResultWithheld},
    registry::Definition,
    revision::Revision,
    sandbox::Executor,
    store::AttemptId,
    telemetry::ToolTelemetry,
    tool::{call::Call, handler::Handler, outcome::Outcome, output::Reply},
};

/// A call that may run.
pub(super) struct CallWork {
    /// The index of the tool in the registry.
    pub(super) tool: usize,
    pub(super) call: Call,
    pub(super) arguments: Map<String, Value>,
    pub(super) slot: Slot,
    pub(super) revision: Revision,
    pub(super) confirmed_by: ConfirmedBy,
    pub(super) held_key: Option<HeldKey>,
    pub(super) asker: Asker,
    pub(super) task: TaskMode,
    /// While it runs, a server that shuts down and the connection wait for it.
    pub(super) _in_flight: Option<[TaskTrackerToken; 2]>,
}

/// The run of a call.
pub(super) struct CallRun<'a> {
    core: &'a Core,
    pub(super) tool: &'a Definition,
    handler: &'a Handler,
    telemetry: ToolTelemetry<'a>,
    held_key: Option<&'a HeldKey>,
    id: AttemptId,
    confirmed_by: &'a ConfirmedBy,
}

/// The end of the wait for a handler.
pub(super) struct HandlerEnd<'a> {
    pub(super) outcome: Outcome,
    /// Whether the outcome is the handler's own.
    pub(super) is_final: bool,
    /// The rest of a handler that is late, and whose result is stored when it comes.
    pub(super) rest: Option<BoxFuture<'a, Outcome>>,
}

impl<'a> CallRun<'a> {
    pub(super) fn new(
        core: &'a Core,
        pending: Option<&PendingRecord<'_>>,
        tool: usize,
        held_key: Option<&'a HeldKey>,
        confirmed_by: &'a ConfirmedBy,
    ) -> Self {
        let id = AttemptId(pending.map_or_else(|| fastrand::u128(..), PendingRecord::call_id));
        let telemetry = core.telemetry.tool(tool);
        let (tool, handler) = (core.tool(tool), &core.handlers[tool]);
        Self { core, tool, handler, telemetry, held_key, id, confirmed_by }
    }

    /// Records that the call is about to run.
    pub(super) async fn record_intent<'p>(
        &self,
        pending: Option<&'p PendingRecord<'_>>,
        arguments: &Map<String, Value>,
    ) -> Result<Option<InFlightRecord<'p>>, NotRun> {
        let Some(pending) = pending else { return Ok(None) };
        let mark = self.held_key.map(|held| held.keyed.intent_mark());
        pending.intent(self.tool, arguments, mark.as_ref(), self.confirmed_by).await
    }

    /// Reserves the key in the store.
    pub(super) async fn reserve_key(&self, task: &TaskMode) -> Result<(), Denial> {
        let Some(held) = self.held_key else { return Ok(()) };
        held.reserve(self.core, self.tool.descriptor, self.id, task.id().map(str::to_owned)).await
    }

    /// Goes on if the call is recorded and its key reserved; otherwise undoes the one that is done.
    pub(super) async fn begin<'p>(
        &self,
        done: (Result<Option<InFlightRecord<'p>>, NotRun>, Result<(), Denial>),
    ) -> Result<Option<InFlightRecord<'p>>, Denial> {
        match done {
            (Ok(in_flight), Ok(())) => Ok(in_flight),
            (Ok(None), Err(denial)) => Err(denial),
            (Ok(Some(in_flight)), Err(denial)) => {
                in_flight.not_run();
                Err(Denial { by: None, ..denial })
            }
            (Err(not_run), reserved) => {
                if reserved.is_ok() {
                    self.release_key().await;
                }
                Err(not_run.into())
            }
        }
    }

    /// Whether the handler goes on after a cancellation. The result of a call under a key is stored; the client of a task
    /// that may not be repeated can still ask how it ended.
    pub(super) fn runs_to_end(&self, task: &TaskMode) -> bool {
        if task.is_requested() { !self.tool.descriptor.may_repeat() } else { self.held_key.is_some() }
    }

    /// Waits for the handler, and frees the key of one that was stopped.
    pub(super) async fn handler(
        &self,
        executor: Executor<'a>,
        call: Call,
        arguments: Map<String, Value>,
        slot: Slot,
        runs_to_end: bool,
    ) -> HandlerEnd<'a> {
        let (handler, telemetry) = (self.handler, self.telemetry);
        if self.held_key.is_none() {
            let outcome = run::run(executor, handler, call, arguments, slot, runs_to_end, telemetry).await;
            return HandlerEnd { outcome, is_final: true, rest: None };
        }
        match run::run_keyed(executor, handler, call, arguments, slot, runs_to_end, telemetry).await {
            KeyedEnd::Ended(outcome) => HandlerEnd { outcome, is_final: true, rest: None },
            KeyedEnd::Stopped(reply) => {
                self.release_key().await;
                HandlerEnd { outcome: reply.into(), is_final: false, rest: None }
            }
            KeyedEnd::Late(reply, rest) => {
                HandlerEnd { outcome: reply.into(), is_final: false, rest: Some(rest) }
            }
        }
    }

    /// Stores a reply under the key, if it is the handler's own.
    pub(super) async fn store(&self, reply: &Reply, is_final: bool) {
        if let (Some(held), true) = (self.held_key, is_final) {
            held.settle(self.core, self.id, reply).await;
        }
    }

    /// Frees the key.
    pub(super) async fn release_key(&self) {
        if let Some(held) = self.held_key {
            held.release(self.core, self.id).await;
        }
    }
}

/// Records how the call ended.
pub(super) async fn record_outcome(
    in_flight: Option<InFlightRecord<'_>>,
    reply: &Reply,
) -> Result<(), ResultWithheld> {
    match in_flight {
        Some(in_flight) => in_flight.outcome(reply).await,
        None => Ok(()),
    }
}
