//! The client at the other end → somebody who can be asked: by elicitation, or by a round trip of the whole request.

use std::{collections::BTreeMap, pin::Pin};

use rmcp::{
    RoleServer,
    model::{
        ElicitRequest, ElicitRequestParams, ElicitResult, ElicitationAction, ElicitationSchema, InputRequest,
        InputRequiredResult, InputResponses, MetaObject,
    },
    service::RequestContext,
};
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use crate::{
    confirm::EXPIRY,
    pipeline::{Choice, Person},
};

/// The name of our one question among a round's.
const QUESTION: &str = "candor/confirm";

/// The client of one request.
pub(super) struct Visitor<'a> {
    pub(super) context: &'a RequestContext<RoleServer>,
    /// The client has closed its end: nothing it is asked can be answered any more.
    pub(super) gone: &'a CancellationToken,
    /// Under 2026-07-28 a server asks nothing by itself: the client comes back (SEP-2322).
    pub(super) in_rounds: bool,
    pub(super) state: Option<String>,
    pub(super) responses: Option<InputResponses>,
}

impl Person for Visitor<'_> {
    fn can_be_asked(&self) -> bool {
        let elicitation =
            self.context.client_capabilities().and_then(|capabilities| capabilities.elicitation);
        // An empty capability means forms (2025-11-25, elicitation).
        elicitation.is_some_and(|elicitation| elicitation.form.is_some() || elicitation.url.is_none())
    }

    fn in_rounds(&self) -> bool {
        self.in_rounds
    }

    fn came_back(&self) -> Option<(&str, Option<Choice>)> {
        let state = self.state.as_deref()?;
        let said = self.responses.as_ref().and_then(|responses| responses.get(QUESTION));
        let said = said.and_then(|said| serde_json::from_value::<ElicitResult>(said.clone()).ok());
        Some((state, said.and_then(|said| choice(&said))))
    }

    fn ask(&self, question: String) -> Pin<Box<dyn Future<Output = Option<Choice>> + Send + '_>> {
        Box::pin(async move {
            tokio::select! {
                biased;
                // A call that was taken back stays so, whatever the person says later.
                () = self.context.ct.cancelled() => None,
                said = self.context.peer.create_elicitation(form(question)) => choice(&said.ok()?),
                () = self.gone.cancelled() => None,
                () = tokio::time::sleep(EXPIRY) => None,
            }
        })
    }
}

fn choice(said: &ElicitResult) -> Option<Choice> {
    match said.action {
        ElicitationAction::Accept => Some(Choice::Accept),
        ElicitationAction::Decline => Some(Choice::Decline),
        ElicitationAction::Cancel => Some(Choice::Cancel),
        _ => None,
    }
}

/// A form without fields: the answer is what the person does with it.
fn form(question: String) -> ElicitRequestParams {
    ElicitRequestParams::FormElicitationParams {
        meta: None,
        message: question,
        requested_schema: ElicitationSchema::new(BTreeMap::new()),
    }
}

/// The answer that sends a client to its person and back.
pub(super) fn round(question: String, state: String, meta: Map<String, Value>) -> InputRequiredResult {
    let request = InputRequest::Elicitation(ElicitRequest::new(form(question)));
    let round = InputRequiredResult::new(Some(BTreeMap::from([(QUESTION.to_owned(), request)])), Some(state));
    if meta.is_empty() { round } else { round.with_meta(MetaObject(meta)) }
}
