//! A `tools/call` → its answer. The questions in between are the client's to put on 2026-07-28, and put here before.

use std::{collections::BTreeMap, mem, sync::Arc};

use rmcp::model::{CallToolRequestParams, CallToolResponse, ErrorData};
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use super::{
    convert,
    peer::{self, ClientPeer},
};
use crate::{
    pipeline::{self, Admission, Answer, Core, Elicitor, Origin, Request, TaskMode},
    revision::Revision,
    sandbox::UnsandboxedHandle,
    tool::{ask::Abilities, call::Reports, caller::Caller},
};

/// How often a tool may ask in one call of a client that does not come back by itself.
pub(crate) const MOST: usize = 10;

/// Whose call it is, and under what.
pub(crate) struct Rounds<'a> {
    pub(crate) core: &'a Core,
    pub(crate) caller: Arc<Caller>,
    pub(crate) revision: Revision,
    pub(crate) origin: &'a Origin,
    /// The threads without a sandbox, where the call comes on sandboxed ones.
    pub(crate) unsandboxed: Option<&'a UnsandboxedHandle>,
    pub(crate) idempotency_key: Option<Value>,
    pub(crate) reports: Option<Reports>,
    pub(crate) cancelled: CancellationToken,
    /// What the result's `_meta` starts with.
    pub(crate) meta: Map<String, Value>,
}

impl Rounds<'_> {
    /// One round: the client, which can be asked so much, comes back with the next.
    pub(crate) async fn one(
        self,
        call: CallToolRequestParams,
        abilities: Abilities,
        admission: Option<Admission>,
        task: TaskMode<'_>,
    ) -> Result<CallToolResponse, ErrorData> {
        let (state, responses) = (call.request_state, call.input_responses.unwrap_or_default());
        let person = ClientPeer::coming_back(abilities, state, responses);
        let request = Request {
            tool: call.name.into_owned(),
            arguments: call.arguments.unwrap_or_default(),
            caller: self.caller,
            admission,
            is_next_round: false,
            revision: self.revision,
            idempotency_key: self.idempotency_key,
            reports: self.reports,
            cancelled: self.cancelled,
            origin: self.origin,
            unsandboxed: self.unsandboxed,
            person: &person,
            task,
        };
        match pipeline::call(self.core, request).await {
            Ok(Answer::Reply(reply)) => Ok(convert::result(reply, self.meta).into()),
            Ok(Answer::Ask { questions, state }) => Ok(peer::round(questions, state, self.meta)?.into()),
            Err(refusal) => Err(convert::error(&refusal)),
        }
    }

    /// All rounds, with a client that is asked inside the call.
    pub(crate) async fn all(
        self,
        call: CallToolRequestParams,
        mut person: ClientPeer<'_>,
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
                is_next_round: round > 0,
                revision: self.revision,
                idempotency_key: self.idempotency_key.clone(),
                reports: self.reports.clone(),
                cancelled: self.cancelled.child_token(),
                origin: self.origin,
                unsandboxed: self.unsandboxed,
                person: &person,
                task: TaskMode::NotRequested,
            };
            match pipeline::call(self.core, request).await {
                Ok(Answer::Reply(reply)) => return Ok(convert::result(reply, self.meta).into()),
                Ok(Answer::Ask { questions, state }) => {
                    let mut responses = BTreeMap::new();
                    for (key, question) in questions {
                        if let Some(answer) = person.put(question).await? {
                            responses.insert(key, answer);
                        }
                    }
                    person = person.back(state, responses);
                }
                Err(refusal) => return Err(convert::error(&refusal)),
            }
        }
        Err(ErrorData::internal_error("the tool asked ten times, and still has no answer", None))
    }
}
