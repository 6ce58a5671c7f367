//! Stage: what the handler asks of the client → an answer that puts the questions, or a refusal where they cannot be put.

use std::collections::BTreeSet;

use super::{Answer, Core, Refusal};
use crate::{
    confirm::{CallDigest, RequestState},
    tool::{
        ask::{Abilities, Ask, ClientFeature},
        descriptor::Descriptor,
        error::ToolError,
    },
};

/// Whose call it is that a handler asks in.
pub(super) struct Asker<'a> {
    pub(super) tool: &'static Descriptor,
    pub(super) abilities: Abilities,
    /// The client comes back by itself (2026-07-28).
    pub(super) is_stateless: bool,
    /// The client came back with a state that opens for nothing: a tool that asks has no use for its answers.
    pub(super) unusable: bool,
    /// A person has allowed the call, and is not asked again in its next round.
    pub(super) confirmed: bool,
    pub(super) digest: Option<&'a CallDigest>,
}

pub(super) fn put(core: &Core, asker: &Asker<'_>, ask: Ask) -> Result<Answer, Refusal> {
    if asker.unusable {
        return Err(Refusal::State);
    }
    let tool = asker.tool;
    let means = ask.questions.iter().map(|(_, question)| question.feature());
    let missing: BTreeSet<_> =
        means.filter(|means| !asker.abilities.has(*means)).map(ClientFeature::capability).collect();
    if !missing.is_empty() {
        let missing = missing.into_iter().collect();
        let refusal = Refusal::CannotBeAsked { tool: tool.name, missing };
        // There was no code for it before.
        return if asker.is_stateless {
            Err(refusal)
        } else {
            Ok(reply(refusal.message(), "question_unavailable"))
        };
    }
    let Some(digest) = asker.digest.filter(|_| !ask.questions.is_empty()) else {
        return Ok(reply(format!("tool `{}` asked for answers, and put no question", tool.name), "internal"));
    };
    let keeps = ask.state.is_some() || asker.confirmed;
    let state = keeps.then(|| core.confirmations.seal(digest, &RequestState::Round(ask.state)));
    Ok(Answer::Ask { questions: ask.questions, state })
}

fn reply(message: String, reason: &'static str) -> Answer {
    Answer::Reply(ToolError::not_applied(message).reason(reason).into())
}
