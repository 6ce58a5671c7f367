//! Defines what a transport hands to the pipeline for one round of a call, and what it gets back.

use std::sync::Arc;

use serde_json::{Map, Value};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    Core, Elicitor, Refusal, TaskMode,
    admission::{self, Admission, NotAdmitted},
};
use crate::{
    idempotency::SentKey,
    record::{DeniedBy, KeyMark, NotRun, Origin, ResultWithheld},
    revision::Revision,
    tasks::Snapshot,
    telemetry::{Ending, RequestEnd},
    tool::{ask::Question, call::Reports, caller::Caller, output::Reply, request_info::RequestInfo},
};

/// One round of a `tools/call`.
pub(crate) struct Request<'a> {
    /// The name on the wire.
    pub(crate) name: &'a str,
    /// The index of the tool in the registry, looked up once when the call arrived; `None` if no tool has the name.
    pub(crate) tool: Option<usize>,
    pub(crate) arguments: Map<String, Value>,
    pub(crate) caller: Arc<Caller>,
    pub(crate) stage: AdmissionStage,
    pub(crate) revision: Revision,
    pub(crate) idempotency_key: SentKey,
    pub(crate) reports: Option<Reports>,
    /// The request as the handler can learn of it, if it takes the context.
    pub(crate) info: Option<Arc<RequestInfo>>,
    pub(crate) cancelled: CancellationToken,
    pub(crate) origin: &'a Origin,
    /// The client, as something that can be asked.
    pub(crate) peer: &'a dyn Elicitor,
    pub(crate) task: TaskMode,
    /// Tracks runs that outlive their request, for the connection that waits for them.
    pub(crate) runs: &'a TaskTracker,
}

/// How far admission has come when a round reaches the pipeline.
pub(crate) enum AdmissionStage {
    /// The pipeline admits the call.
    First,
    /// The transport admitted the call, since its status depended on it.
    Admitted(Admission),
    /// A later round of a call that was admitted and counted before: it only needs a slot.
    Next,
}

impl AdmissionStage {
    /// Completes the admission.
    pub(super) async fn admit(
        self,
        core: &Core,
        caller: &Caller,
        tool: Option<usize>,
        name: &str,
    ) -> Result<Admission, NotAdmitted> {
        match self {
            // A call that may run in a task is admitted before its first round.
            Self::First => admission::admit(core, caller, tool, name, false).await,
            Self::Admitted(admission) => Ok(admission),
            Self::Next => admission::admit_next(core, caller, tool, name),
        }
    }
}

/// How a round ended.
pub(crate) enum CallAnswer {
    Reply(Reply),
    /// The call was sent before, and runs or ran in this task.
    Task(Box<Snapshot>),
    /// The client must answer first; it returns with its answers and the state.
    Ask {
        questions: Vec<(String, Question)>,
        state: Option<String>,
    },
}

/// A round that ends before its handler has a result, and the stage that ended it.
pub(super) struct Denial {
    /// `None` if the handler ran, or if the log takes no record.
    pub(super) by: Option<DeniedBy>,
    pub(super) answer: Result<Box<Reply>, Refusal>,
    /// The idempotency key, if it is the reason.
    pub(super) key: Option<Box<KeyMark>>,
}

impl Denial {
    /// A protocol error by the stage `by`.
    pub(super) fn refused(by: DeniedBy) -> impl Fn(Refusal) -> Self {
        move |refusal| Self { by: Some(by), answer: Err(refusal), key: None }
    }

    /// A tool error by the stage `by`.
    pub(super) fn replied(by: DeniedBy) -> impl Fn(Box<Reply>) -> Self {
        move |reply| Self { by: Some(by), answer: Ok(reply), key: None }
    }

    /// A protocol error after the handler ran.
    pub(super) fn after_run(refusal: Refusal) -> Self {
        Self { by: None, answer: Err(refusal), key: None }
    }
}

impl From<NotAdmitted> for Denial {
    fn from(refusal: NotAdmitted) -> Self {
        Self { by: Some(refusal.denied_by()), answer: Err(refusal.into()), key: None }
    }
}

impl From<NotRun> for Denial {
    fn from(NotRun: NotRun) -> Self {
        // A log that could not take the intent does not take a denial either; it counts the intent.
        Self { by: None, answer: Err(Refusal::NotRun), key: None }
    }
}

impl From<ResultWithheld> for Denial {
    fn from(ResultWithheld: ResultWithheld) -> Self {
        Self::after_run(Refusal::ResultWithheld)
    }
}

/// Says how a round ended, for telemetry.
pub(super) fn ending(answer: &Result<CallAnswer, Denial>) -> Ending {
    match answer {
        Ok(CallAnswer::Reply(reply)) => Ending { is_replay: reply.replayed, ..end_of(reply).into() },
        Ok(CallAnswer::Ask { .. }) => RequestEnd::Asked.into(),
        Ok(CallAnswer::Task(_)) => Ending { is_replay: true, ..RequestEnd::Task.into() },
        Err(Denial { by, answer: Ok(reply), .. }) => Ending { denied_by: *by, ..end_of(reply).into() },
        Err(Denial { by, answer: Err(refusal), .. }) => {
            Ending { denied_by: *by, ..RequestEnd::Error(refusal.code()).into() }
        }
    }
}

fn end_of(reply: &Reply) -> RequestEnd {
    if reply.error.is_some() { RequestEnd::ToolError } else { RequestEnd::Answered }
}
