//! A `tools/call` → its answer. The questions in between are the client's to put on 2026-07-28, and put here before.

use std::{collections::BTreeMap, mem, sync::Arc};

use rmcp::model::{CallToolRequestParams, CallToolResponse, ErrorData};
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use super::{
    visitor::{self, Visitor},
    wire,
};
use crate::{
    ask::Abilities,
    call::{Caller, Reports},
    pipeline::{self, Admission, Answer, AsTask, Core, Origin, Person, Request},
    revision::Revision,
    seal::Outside,
};

/// How often a tool may ask in one call of a client that does not come back by itself.
pub(super) const MOST: usize = 10;

/// Whose call it is, and under what.
pub(super) struct Rounds<'a> {
    pub(super) core: &'a Core,
    pub(super) caller: Arc<Caller>,
    pub(super) revision: Revision,
    pub(super) origin: &'a Origin,
    /// The threads without a seal, where the call comes on sealed ones.
    pub(super) outside: Option<&'a Outside>,
    pub(super) idempotency_key: Option<Value>,
    pub(super) reports: Option<Reports>,
    pub(super) cancelled: CancellationToken,
    /// What the result's `_meta` starts with.
    pub(super) meta: Map<String, Value>,
}

impl Rounds<'_> {
    /// One round: the client, which can be asked so much, comes back with the next.
    pub(super) async fn one(
        self,
        call: CallToolRequestParams,
        abilities: Abilities,
        admission: Option<Admission>,
        task: AsTask<'_>,
    ) -> Result<CallToolResponse, ErrorData> {
        let (state, responses) = (call.request_state, call.input_responses.unwrap_or_default());
        let person = Visitor::coming_back(abilities, state, responses);
        let request = Request {
            tool: call.name.into_owned(),
            arguments: call.arguments.unwrap_or_default(),
            caller: self.caller,
            admission,
            again: false,
            revision: self.revision,
            idempotency_key: self.idempotency_key,
            reports: self.reports,
            cancelled: self.cancelled,
            origin: self.origin,
            outside: self.outside,
            person: &person,
            task,
        };
        match pipeline::call(self.core, request).await {
            Ok(Answer::Reply(reply)) => Ok(wire::result(reply, self.meta).into()),
            Ok(Answer::Ask { questions, state }) => Ok(visitor::round(questions, state, self.meta)?.into()),
            Err(refusal) => Err(wire::error(&refusal)),
        }
    }

    /// All rounds, with a client that is asked inside the call.
    pub(super) async fn all(
        self,
        call: CallToolRequestParams,
        mut person: Visitor<'_>,
        mut admission: Option<Admission>,
    ) -> Result<CallToolResponse, ErrorData> {
        let may_ask = person.abilities().any();
        let mut arguments = call.arguments.unwrap_or_default();
        for round in 0..MOST {
            let request = Request {
                tool: call.name.clone().into_owned(),
                arguments: if may_ask { arguments.clone() } else { mem::take(&mut arguments) },
                caller: Arc::clone(&self.caller),
                admission: admission.take(),
                again: round > 0,
                revision: self.revision,
                idempotency_key: self.idempotency_key.clone(),
                reports: self.reports.clone(),
                cancelled: self.cancelled.child_token(),
                origin: self.origin,
                outside: self.outside,
                person: &person,
                task: AsTask::No,
            };
            match pipeline::call(self.core, request).await {
                Ok(Answer::Reply(reply)) => return Ok(wire::result(reply, self.meta).into()),
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
