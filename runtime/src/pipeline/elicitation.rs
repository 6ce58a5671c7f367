//! Puts a handler's questions to the client, or refuses the call if the client cannot answer them.

use std::collections::BTreeSet;

use super::{CallAnswer, Core, Refusal};
use crate::{
    confirm::{CallDigest, RequestState},
    message::Message,
    ordered::CollectOrdered as _,
    tool::{
        ask::{Ask, ClientFeature, ClientFeatures},
        descriptor::Descriptor,
        error::ToolError,
    },
};

/// The call whose handler asks.
pub(super) struct Asker {
    pub(super) tool: &'static Descriptor,
    pub(super) features: ClientFeatures,
    /// The client answers by calling again (2026-07-28).
    pub(super) is_stateless: bool,
    /// The client returned with a state that could not be opened, so that its answers count for nothing.
    pub(super) unusable: bool,
    /// The call was confirmed; its next round is not confirmed again.
    pub(super) confirmed: bool,
    /// Only a client that can be asked something needs a digest to return with.
    pub(super) digest: Option<CallDigest>,
}

pub(super) fn put(core: &Core, asker: &Asker, ask: Ask) -> Result<CallAnswer, Refusal> {
    if asker.unusable {
        return Err(Refusal::State);
    }
    let tool = asker.tool;
    let features = ask.questions.iter().map(|(_, question)| question.feature());
    let missing: BTreeSet<_> = features
        .filter(|feature| !asker.features.has(*feature))
        .map(ClientFeature::capability)
        .collect_ordered();
    if !missing.is_empty() {
        let missing = missing.into_iter().collect();
        let refusal = Refusal::CannotBeAsked { tool: tool.name, missing };
        // The error code exists since 2026-07-28; older clients get a tool error.
        return if asker.is_stateless {
            Err(refusal)
        } else {
            Ok(reply(refusal.message(), "question_unavailable"))
        };
    }
    let Some(digest) = asker.digest.as_ref().filter(|_| !ask.questions.is_empty()) else {
        let message = format!("tool `{}` asked for answers without a question", tool.name);
        return Ok(reply(Message::new(message), "internal"));
    };
    let needs_state = ask.state.is_some() || asker.confirmed;
    let state = needs_state.then(|| core.confirmations.seal(digest, &RequestState::Round(ask.state)));
    Ok(CallAnswer::Ask { questions: ask.questions, state })
}

fn reply(message: Message, reason: &'static str) -> CallAnswer {
    CallAnswer::Reply(ToolError::not_applied(message).reason(reason).into())
}
