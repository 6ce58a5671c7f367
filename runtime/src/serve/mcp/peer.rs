//! Represents the client of a call as something that can be asked: within the call, or by a round trip of the request.

#![expect(deprecated, reason = "tools may still ask for samples and roots, where a client offers them")]

use std::pin::Pin;

use rmcp::{
    RoleServer,
    model::{
        ClientCapabilities, CreateMessageRequest, CreateMessageRequestParams, ElicitRequest,
        ElicitRequestParams, ElicitResult, ElicitationAction, ErrorData, InputRequest, InputRequests,
        InputRequiredResult, InputResponses, ListRootsRequest, MetaObject, SamplingMessage, ServerRequest,
    },
    service::RequestContext,
};
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use crate::{
    confirm::ANSWER_TIMEOUT,
    ordered::CollectOrdered as _,
    pipeline::{Choice, Elicitor},
    tool::ask::{ClientFeatures, Question},
    wire_names,
};

/// The client of one call, and the answers that it returned with.
pub(crate) struct ClientPeer<'a> {
    /// The connection, if the client can be asked within the call (before 2026-07-28). Since then a server never asks by
    /// itself: the client calls again (SEP-2322).
    connection: Option<ConnectedPeer<'a>>,
    features: ClientFeatures,
    state: Option<String>,
    responses: InputResponses,
}

#[derive(Clone, Copy)]
struct ConnectedPeer<'a> {
    context: &'a RequestContext<RoleServer>,
    /// Cancelled when the client closes its end, after which it cannot answer.
    gone: &'a CancellationToken,
}

impl Elicitor for ClientPeer<'_> {
    fn features(&self) -> ClientFeatures {
        self.features
    }

    fn is_stateless(&self) -> bool {
        self.connection.is_none()
    }

    fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }

    fn choice(&self) -> Option<Choice> {
        self.responses.get(wire_names::CONFIRM).and_then(choice)
    }

    fn answers(&self) -> Map<String, Value> {
        self.responses.iter().map(|(key, answer)| (key.clone(), answer.clone())).collect_ordered()
    }

    fn ask(&self, question: Question) -> Pin<Box<dyn Future<Output = Option<Choice>> + Send + '_>> {
        Box::pin(async move { choice(&self.put(question).await.ok()??) })
    }
}

impl<'a> ClientPeer<'a> {
    /// A client that is asked within the call.
    pub(crate) fn connected(context: &'a RequestContext<RoleServer>, gone: &'a CancellationToken) -> Self {
        let features = features(context.client_capabilities());
        let connection = Some(ConnectedPeer { context, gone });
        Self { connection, features, state: None, responses: InputResponses::default() }
    }

    /// The same client, with the state and the answers of a round.
    pub(crate) fn with_answers(self, state: Option<String>, responses: InputResponses) -> Self {
        Self { state, responses, ..self }
    }

    /// Puts one question within the call; `None` if it was not answered.
    pub(crate) async fn put(&self, question: Question) -> Result<Option<Value>, ErrorData> {
        let request = match request(question)? {
            InputRequest::CreateMessage(request) => ServerRequest::CreateMessageRequest(request),
            InputRequest::Elicitation(request) => ServerRequest::ElicitRequest(request),
            InputRequest::ListRoots(request) => ServerRequest::ListRootsRequest(request),
            _ => return Ok(None),
        };
        let Some(ConnectedPeer { context, gone }) = self.connection else { return Ok(None) };
        let answer = tokio::select! {
            biased;
            // A cancelled call stays cancelled, even if the user answers later.
            () = context.ct.cancelled() => None,
            answer = context.peer.send_request(request) => answer.ok(),
            () = gone.cancelled() => None,
            () = tokio::time::sleep(ANSWER_TIMEOUT) => None,
        };
        Ok(answer.and_then(|answer| serde_json::to_value(answer).ok()))
    }
}

impl ClientPeer<'static> {
    /// A client that calls again with its answers.
    pub(crate) fn stateless(
        features: ClientFeatures,
        state: Option<String>,
        responses: InputResponses,
    ) -> Self {
        Self { connection: None, features, state, responses }
    }
}

/// Reads what a client can be asked for from its capabilities.
pub(crate) fn features(capabilities: Option<ClientCapabilities>) -> ClientFeatures {
    let Some(capabilities) = capabilities else { return ClientFeatures::default() };
    let (sample, roots) = (capabilities.sampling.is_some(), capabilities.roots.is_some());
    // An empty capability means forms (2025-11-25, elicitation).
    let form = |elicitation: &rmcp::model::ElicitationCapability| {
        elicitation.form.is_some() || elicitation.url.is_none()
    };
    ClientFeatures { form: capabilities.elicitation.as_ref().is_some_and(form), sample, roots }
}

fn choice(answer: &Value) -> Option<Choice> {
    match serde_json::from_value::<ElicitResult>(answer.clone()).ok()?.action {
        ElicitationAction::Accept => Some(Choice::Accept),
        ElicitationAction::Decline => Some(Choice::Decline),
        ElicitationAction::Cancel => Some(Choice::Cancel),
        _ => None,
    }
}

/// Makes the requests that put questions to a client, by their keys.
pub(crate) fn requests(
    questions: impl IntoIterator<Item = (String, Question)>,
) -> Result<InputRequests, ErrorData> {
    let mut requests = InputRequests::new();
    for (key, question) in questions {
        requests.insert(key, request(question)?);
    }
    Ok(requests)
}

/// Makes the result that sends a client to its user and back.
pub(crate) fn input_required(
    questions: Vec<(String, Question)>,
    state: Option<String>,
    meta: Map<String, Value>,
) -> Result<InputRequiredResult, ErrorData> {
    let result = InputRequiredResult::new(Some(requests(questions)?), state);
    Ok(if meta.is_empty() { result } else { result.with_meta(MetaObject(meta)) })
}

/// Converts a question to the protocol's request.
pub(crate) fn request(question: Question) -> Result<InputRequest, ErrorData> {
    Ok(match question {
        Question::Form { message, schema } => {
            let requested_schema = serde_json::from_value(schema).map_err(|_| {
                ErrorData::internal_error(
                    "the tool's form has a field of a type that clients cannot show",
                    None,
                )
            })?;
            let form = ElicitRequestParams::FormElicitationParams { meta: None, message, requested_schema };
            InputRequest::Elicitation(ElicitRequest::new(form))
        }
        Question::Sample { prompt, max_tokens } => {
            let prompt = vec![SamplingMessage::user_text(prompt)];
            let params = CreateMessageRequestParams::new(prompt, max_tokens);
            InputRequest::CreateMessage(CreateMessageRequest::new(params))
        }
        Question::Roots => InputRequest::ListRoots(ListRootsRequest::default()),
    })
}
