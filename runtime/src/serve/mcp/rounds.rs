//! Drives a `tools/call` through its rounds: one round if the client answers questions by calling again (2026-07-28),
//! otherwise as many as the tool has questions.

use std::{collections::BTreeMap, sync::Arc};

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CreateTaskResult, ErrorData, InputResponses, MetaObject,
};
use serde_json::{Map, Value, json};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    peer::{self, ClientPeer},
    task_result,
};
use crate::{
    idempotency::SentKey,
    pipeline::{self, Admission, AdmissionStage, CallAnswer, Elicitor, Refusal, Request, TaskMode},
    record::Origin,
    revision::Revision,
    serve::{convert, shared::Shared},
    tool::{
        ask::{ClientFeatures, Question},
        call::Reports,
        caller::Caller,
        request_info::RequestInfo,
    },
};

/// How often a tool may ask in one call of a client that does not call again by itself.
pub(crate) const MAX_ROUNDS: usize = 10;

/// Everything that a transport knows about one call. Made once, and borrowed by every round.
pub(crate) struct Invocation {
    pub(crate) shared: Arc<Shared>,
    pub(crate) name: String,
    /// The tool's index in the registry, looked up once.
    pub(crate) tool: Option<usize>,
    pub(crate) caller: Arc<Caller>,
    pub(crate) revision: Revision,
    pub(crate) origin: Origin,
    pub(crate) idempotency_key: SentKey,
    pub(crate) reports: Option<Reports>,
    /// The request as the handler can learn of it, if it takes the context.
    pub(crate) info: Option<Arc<RequestInfo>>,
    pub(crate) cancelled: CancellationToken,
    /// Tracks runs that outlive their request, for the connection.
    pub(crate) runs: TaskTracker,
}

/// The part of a call that differs from round to round.
#[derive(Default)]
pub(crate) struct CallInput {
    pub(crate) arguments: Map<String, Value>,
    pub(crate) state: Option<String>,
    pub(crate) responses: InputResponses,
}

impl CallInput {
    /// Takes the input out of `params`.
    pub(crate) fn take(params: &mut CallToolRequestParams) -> Self {
        Self {
            arguments: params.arguments.take().unwrap_or_default(),
            state: params.request_state.take(),
            responses: params.input_responses.take().unwrap_or_default(),
        }
    }
}

impl Invocation {
    /// Runs one round. This is the only place that makes a [`Request`].
    pub(crate) async fn round(
        &self,
        arguments: Map<String, Value>,
        peer: &dyn Elicitor,
        stage: AdmissionStage,
        task: TaskMode,
    ) -> Result<CallAnswer, Refusal> {
        let request = Request {
            name: &self.name,
            tool: self.tool,
            arguments,
            caller: Arc::clone(&self.caller),
            stage,
            revision: self.revision,
            idempotency_key: self.idempotency_key.clone(),
            reports: self.reports.clone(),
            info: self.info.clone(),
            cancelled: self.cancelled.clone(),
            origin: &self.origin,
            peer,
            task,
            runs: &self.runs,
        };
        pipeline::call(&self.shared.core, request).await
    }

    /// Runs the one round of a client that calls again with its answers.
    pub(crate) async fn modern(
        self,
        input: CallInput,
        features: ClientFeatures,
        admission: Option<Admission>,
    ) -> Result<CallToolResponse, ErrorData> {
        let peer = ClientPeer::stateless(features, input.state, input.responses);
        let stage = AdmissionStage::from(admission);
        let answer = self.round(input.arguments, &peer, stage, TaskMode::NotRequested).await;
        self.response(answer)
    }

    /// Runs all rounds of a client that is asked within the call.
    pub(crate) async fn legacy(
        self,
        mut input: CallInput,
        mut peer: ClientPeer<'_>,
        admission: Option<Admission>,
    ) -> Result<CallToolResponse, ErrorData> {
        let may_ask = peer.features().any();
        let mut stage = AdmissionStage::from(admission);
        for _round in 0..MAX_ROUNDS {
            let arguments =
                if may_ask { input.arguments.clone() } else { std::mem::take(&mut input.arguments) };
            let answer = self.round(arguments, &peer, stage, TaskMode::NotRequested).await;
            let Ok(CallAnswer::Ask { questions, state }) = answer else { return self.response(answer) };
            let mut responses = BTreeMap::new();
            for (key, question) in questions {
                let is_form = matches!(question, Question::Form { .. });
                // A form that was not answered is as good as dismissed: the tool must not ask again and again.
                let unanswered = || is_form.then(|| json!({"action": "cancel"}));
                if let Some(response) = peer.put(question).await?.or_else(unanswered) {
                    responses.insert(key, response);
                }
            }
            peer = peer.with_answers(state, responses);
            stage = AdmissionStage::Next;
        }
        Err(too_many_rounds())
    }

    /// Turns the end of the last round into the protocol's response.
    pub(crate) fn response(
        &self,
        answer: Result<CallAnswer, Refusal>,
    ) -> Result<CallToolResponse, ErrorData> {
        let meta = self.shared.meta(self.revision);
        match answer {
            Ok(CallAnswer::Reply(reply)) => Ok(convert::result(reply, meta).into()),
            Ok(CallAnswer::Task(snapshot)) => {
                Ok(CreateTaskResult::new(task_result::task(&snapshot)).with_meta(MetaObject(meta)).into())
            }
            Ok(CallAnswer::Ask { questions, state }) => {
                Ok(peer::input_required(questions, state, meta)?.into())
            }
            Err(refusal) => Err(convert::error(&refusal)),
        }
    }
}

impl From<Option<Admission>> for AdmissionStage {
    fn from(admission: Option<Admission>) -> Self {
        admission.map_or(Self::First, Self::Admitted)
    }
}

/// The error of a tool that never stops asking.
pub(crate) fn too_many_rounds() -> ErrorData {
    let message = format!("the tool asked {MAX_ROUNDS} times without answering");
    ErrorData::internal_error(message, None)
}
