//! Defines what a transport hands to the pipeline for one round of a call, and what it gets back.

use std::sync::Arc;

use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use super::{
    Core, Elicitor, Refusal, TaskMode,
    admission::{self, Admission, NotAdmitted},
};
use crate::{
    record::{DeniedBy, Origin, Unrecorded},
    revision::Revision,
    sandbox::UnsandboxedHandle,
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
    pub(crate) entry: AdmissionStage,
    pub(crate) revision: Revision,
    pub(crate) idempotency_key: Option<Value>,
    pub(crate) reports: Option<Reports>,
    /// The request as the handler can learn of it, if it takes the context.
    pub(crate) info: Option<Arc<RequestInfo>>,
    pub(crate) cancelled: CancellationToken,
    pub(crate) origin: &'a Origin,
    /// The threads without a sandbox, if the service itself runs on sandboxed ones.
    pub(crate) unsandboxed: Option<&'a UnsandboxedHandle>,
    /// The client, as something that can be asked.
    pub(crate) peer: &'a dyn Elicitor,
    pub(crate) task: TaskMode<'a>,
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
    pub(super) fn admit(
        self,
        core: &Core,
        caller: &Caller,
        tool: Option<usize>,
        name: &str,
    ) -> Result<Admission, NotAdmitted> {
        match self {
            Self::First => admission::admit(core, caller, tool, name),
            Self::Admitted(admission) => Ok(admission),
            Self::Next => admission::admit_next(core, caller, tool, name),
        }
    }
}

/// How a round ended.
pub(crate) enum CallAnswer {
    Reply(Reply),
    /// The client must answer first; it returns with its answers and the state.
    Ask {
        questions: Vec<(String, Question)>,
        state: Option<String>,
    },
}

/// A round that ends before its handler has a result, and the stage that ended it.
pub(super) struct Denial {
    /// `None` if the handler ran and its outcome is recorded.
    pub(super) by: Option<DeniedBy>,
    pub(super) answer: Result<Box<Reply>, Refusal>,
}

impl Denial {
    /// A protocol error by the stage `by`.
    pub(super) fn refused(by: DeniedBy) -> impl Fn(Refusal) -> Self {
        move |refusal| Self { by: Some(by), answer: Err(refusal) }
    }

    /// A tool error by the stage `by`.
    pub(super) fn replied(by: DeniedBy) -> impl Fn(Box<Reply>) -> Self {
        move |reply| Self { by: Some(by), answer: Ok(reply) }
    }

    /// A protocol error after the handler ran.
    pub(super) fn after_run(refusal: Refusal) -> Self {
        Self { by: None, answer: Err(refusal) }
    }
}

impl From<NotAdmitted> for Denial {
    fn from(refusal: NotAdmitted) -> Self {
        Self { by: Some(refusal.denied_by()), answer: Err(refusal.into()) }
    }
}

impl From<Unrecorded> for Denial {
    fn from(unrecorded: Unrecorded) -> Self {
        Self { by: Some(DeniedBy::Audit), answer: Err(unrecorded.into()) }
    }
}
