//! The client at the other end → somebody who can be asked: inside the call, or by a round trip of the whole request.

#![expect(deprecated, reason = "tools may still ask for samples and roots, where a client offers them")]

use std::pin::Pin;

use rmcp::{
    RoleServer,
    model::{
        ClientCapabilities, CreateMessageRequest, CreateMessageRequestParams, ElicitRequest,
        ElicitRequestParams, ElicitResult, ElicitationAction, ErrorData, InputRequest, InputRequiredResult,
        InputResponses, ListRootsRequest, MetaObject, SamplingMessage, ServerRequest,
    },
    service::RequestContext,
};
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use crate::{
    confirm::ANSWER_TIMEOUT,
    pipeline::{Choice, Elicitor, QUESTION},
    tool::ask::{Abilities, Question},
};

/// The client of one call, and what it came back with.
pub(crate) struct ClientPeer<'a> {
    /// Where it can be asked inside the call: before 2026-07-28. From then on a server asks nothing by itself: the client
    /// comes back (SEP-2322).
    line: Option<Line<'a>>,
    abilities: Abilities,
    state: Option<String>,
    responses: InputResponses,
}

#[derive(Clone, Copy)]
struct Line<'a> {
    context: &'a RequestContext<RoleServer>,
    /// The client has closed its end: nothing it is asked can be answered any more.
    gone: &'a CancellationToken,
}

impl Elicitor for ClientPeer<'_> {
    fn abilities(&self) -> Abilities {
        self.abilities
    }

    fn is_stateless(&self) -> bool {
        self.line.is_none()
    }

    fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }

    fn word(&self) -> Option<Choice> {
        self.responses.get(QUESTION).and_then(choice)
    }

    fn answers(&self) -> Map<String, Value> {
        self.responses.iter().map(|(key, answer)| (key.clone(), answer.clone())).collect()
    }

    fn ask(&self, question: Question) -> Pin<Box<dyn Future<Output = Option<Choice>> + Send + '_>> {
        Box::pin(async move { choice(&self.put(question).await.ok()??) })
    }
}

impl<'a> ClientPeer<'a> {
    /// One that does not come back by itself.
    pub(crate) fn on_line(context: &'a RequestContext<RoleServer>, gone: &'a CancellationToken) -> Self {
        let abilities = abilities(context.client_capabilities());
        let line = Some(Line { context, gone });
        Self { line, abilities, state: None, responses: InputResponses::default() }
    }

    /// The same, come back with answers.
    pub(crate) fn back(self, state: Option<String>, responses: InputResponses) -> Self {
        Self { state, responses, ..self }
    }

    /// Puts one question inside the call; `None` where it was not answered.
    pub(crate) async fn put(&self, question: Question) -> Result<Option<Value>, ErrorData> {
        let request = match request(question)? {
            InputRequest::CreateMessage(request) => ServerRequest::CreateMessageRequest(request),
            InputRequest::Elicitation(request) => ServerRequest::ElicitRequest(request),
            InputRequest::ListRoots(request) => ServerRequest::ListRootsRequest(request),
            _ => return Ok(None),
        };
        let Some(Line { context, gone }) = self.line else { return Ok(None) };
        let said = tokio::select! {
            biased;
            // A call that was taken back stays so, whatever the person says later.
            () = context.ct.cancelled() => None,
            said = context.peer.send_request(request) => said.ok(),
            () = gone.cancelled() => None,
            () = tokio::time::sleep(ANSWER_TIMEOUT) => None,
        };
        Ok(said.and_then(|said| serde_json::to_value(said).ok()))
    }
}

impl ClientPeer<'static> {
    /// One that comes back, with this.
    pub(crate) fn coming_back(
        abilities: Abilities,
        state: Option<String>,
        responses: InputResponses,
    ) -> Self {
        Self { line: None, abilities, state, responses }
    }
}

/// What a client says that it can be asked for.
pub(crate) fn abilities(capabilities: Option<ClientCapabilities>) -> Abilities {
    let Some(capabilities) = capabilities else { return Abilities::default() };
    let (sample, roots) = (capabilities.sampling.is_some(), capabilities.roots.is_some());
    // An empty capability means forms (2025-11-25, elicitation).
    let form = |elicitation: &rmcp::model::ElicitationCapability| {
        elicitation.form.is_some() || elicitation.url.is_none()
    };
    Abilities { form: capabilities.elicitation.as_ref().is_some_and(form), sample, roots }
}

fn choice(said: &Value) -> Option<Choice> {
    match serde_json::from_value::<ElicitResult>(said.clone()).ok()?.action {
        ElicitationAction::Accept => Some(Choice::Accept),
        ElicitationAction::Decline => Some(Choice::Decline),
        ElicitationAction::Cancel => Some(Choice::Cancel),
        _ => None,
    }
}

/// The answer that sends a client to its person and back.
pub(crate) fn round(
    questions: Vec<(String, Question)>,
    state: Option<String>,
    meta: Map<String, Value>,
) -> Result<InputRequiredResult, ErrorData> {
    let requests = questions.into_iter().map(|(key, question)| Ok((key, request(question)?)));
    let round = InputRequiredResult::new(Some(requests.collect::<Result<_, ErrorData>>()?), state);
    Ok(if meta.is_empty() { round } else { round.with_meta(MetaObject(meta)) })
}

/// A question as a client takes it.
pub(crate) fn request(question: Question) -> Result<InputRequest, ErrorData> {
    Ok(match question {
        Question::Form { message, schema } => {
            let requested_schema = serde_json::from_value(schema).map_err(|_| {
                ErrorData::internal_error("the tool's form holds a field that no client can show", None)
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
