//! A `tools/call` → its answer. The questions in between are the client's to put on 2026-07-28, and put here before.

use std::{collections::BTreeMap, mem, sync::Arc};

use rmcp::{
    RoleServer,
    model::{CallToolRequestParams, CallToolResponse, ErrorData},
    service::RequestContext,
};
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use super::{
    visitor::{self, Visitor},
    wire,
};
use crate::{
    call::{Caller, Reports},
    pipeline::{self, Admission, Answer, Core, Origin, Request},
    revision::Revision,
};

/// How often a tool may ask in one call of a client that does not come back by itself.
const MOST: usize = 10;

/// Whose call it is, and under what.
pub(super) struct Rounds<'a> {
    pub(super) core: &'a Core,
    pub(super) context: &'a RequestContext<RoleServer>,
    /// The client has closed its end.
    pub(super) gone: &'a CancellationToken,
    pub(super) caller: Arc<Caller>,
    pub(super) revision: Revision,
    pub(super) origin: &'a Origin,
    pub(super) idempotency_key: Option<Value>,
    pub(super) reports: Option<Reports>,
    /// What the result's `_meta` starts with.
    pub(super) meta: Map<String, Value>,
}

impl Rounds<'_> {
    pub(super) async fn answer(
        self,
        call: CallToolRequestParams,
        mut admission: Option<Admission>,
    ) -> Result<CallToolResponse, ErrorData> {
        let in_rounds = !self.revision.wants_objects();
        let abilities = visitor::abilities(self.context.client_capabilities());
        let may_ask = !in_rounds && abilities.any();
        let mut person = Visitor {
            context: self.context,
            gone: self.gone,
            in_rounds,
            abilities,
            // Earlier clients do not come back.
            state: call.request_state.filter(|_| in_rounds),
            responses: call.input_responses.filter(|_| in_rounds).unwrap_or_default(),
        };
        let mut arguments = call.arguments.unwrap_or_default();
        for _ in 0..MOST {
            let request = Request {
                tool: call.name.clone().into_owned(),
                arguments: if may_ask { arguments.clone() } else { mem::take(&mut arguments) },
                caller: Arc::clone(&self.caller),
                admission: admission.take(),
                revision: self.revision,
                idempotency_key: self.idempotency_key.clone(),
                reports: self.reports.clone(),
                cancelled: self.context.ct.child_token(),
                origin: self.origin,
                person: &person,
            };
            match pipeline::call(self.core, request).await {
                Ok(Answer::Reply(reply)) => return Ok(wire::result(reply, self.meta).into()),
                Ok(Answer::Ask { questions, state }) if in_rounds => {
                    return Ok(visitor::round(questions, state, self.meta)?.into());
                }
                Ok(Answer::Ask { questions, state }) => {
                    let mut responses = BTreeMap::new();
                    for (key, question) in questions {
                        if let Some(answer) = person.put(question).await? {
                            responses.insert(key, answer);
                        }
                    }
                    person = person.back(state, responses);
                }
                Err(refusal) => return Err(wire::error(&refusal)),
            }
        }
        Err(ErrorData::internal_error("the tool asked ten times, and still has no answer", None))
    }
}
