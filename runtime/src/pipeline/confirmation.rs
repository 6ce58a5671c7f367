//! Stage: a person has said yes, where the declaration asks for it.

use std::pin::Pin;

use serde_json::{Map, Value, json};

use super::{Answer, Core};
use crate::{
    confirm::{Bound, RequestState, Unusable, question},
    tool::{
        ask::{Abilities, Question},
        descriptor::Descriptor,
        error::ToolError,
    },
};

/// The name of our one question among a round's.
pub(crate) const QUESTION: &str = "candor/confirm";

/// Whoever sits at the client.
pub(crate) trait Elicitor: Sync {
    /// What the client can be asked for.
    fn abilities(&self) -> Abilities;
    /// Whether a question is an answer of its own that the client comes back from (MCP 2026-07-28), rather than a
    /// request inside the call (before).
    fn is_stateless(&self) -> bool;
    /// The state that the client came back with.
    fn state(&self) -> Option<&str>;
    /// What was said to a confirmation, if anything.
    fn word(&self) -> Option<Choice>;
    /// What the client answered to a tool's own questions.
    fn answers(&self) -> Map<String, Value>;
    /// Asks inside the call; `None` where the question did not reach them.
    fn ask(&self, question: Question) -> Pin<Box<dyn Future<Output = Option<Choice>> + Send + '_>>;
}

/// What they said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    Accept,
    Decline,
    Cancel,
}

/// Where a confirmation stands.
pub(super) enum Confirmation {
    Given,
    /// Not given, or not yet; the call ends here with this answer.
    Pending(Answer),
}

pub(super) fn is_needed(core: &Core, tool: &Descriptor) -> bool {
    tool.confirm && !core.skip_confirmation
}

pub(super) async fn check(
    core: &Core,
    bound: &Bound<'_>,
    kept: Option<Result<RequestState, Unusable>>,
    person: &dyn Elicitor,
) -> Confirmation {
    let tool = bound.tool;
    let choice = match kept {
        Some(Ok(_)) => person.word(),
        Some(Err(Unusable)) => return refused(unusable()),
        None if !person.abilities().form => return refused(nobody_to_ask(tool)),
        None if person.is_stateless() => None,
        None => match person.ask(form(bound)).await {
            Some(choice) => Some(choice),
            None => return refused(unanswered(tool)),
        },
    };
    match choice {
        Some(Choice::Accept) => Confirmation::Given,
        Some(Choice::Decline) => refused(declined(tool, "was declined")),
        Some(Choice::Cancel) => refused(declined(tool, "was cancelled")),
        None => Confirmation::Pending(Answer::Ask {
            questions: vec![(QUESTION.to_owned(), form(bound))],
            state: Some(core.confirmations.seal(&bound.digest(), &RequestState::Confirmation)),
        }),
    }
}

/// A form without fields: the answer is what the person does with it.
fn form(bound: &Bound<'_>) -> Question {
    let schema = json!({"type": "object", "properties": {}});
    Question::Form { message: question(bound.tool, bound.arguments), schema }
}

fn refused(error: ToolError) -> Confirmation {
    Confirmation::Pending(Answer::Reply(error.into()))
}

/// One text for all that can be wrong with a state.
fn unusable() -> ToolError {
    ToolError::not_applied("this confirmation cannot be used\nhelp: call the tool again without `requestState`, and it asks again")
        .reason("confirmation_state")
}

fn declined(tool: &Descriptor, how: &str) -> ToolError {
    ToolError::not_applied(format!("the call of tool `{}` {how} by the user; nothing was done", tool.name))
        .reason("confirmation_declined")
}

fn unanswered(tool: &Descriptor) -> ToolError {
    ToolError::not_applied(format!(
        "nobody answered whether tool `{}` may be called; nothing was done\nhelp: call it again once somebody can answer",
        tool.name
    ))
    .reason("confirmation_unanswered")
}

fn nobody_to_ask(tool: &Descriptor) -> ToolError {
    ToolError::not_applied(format!(
        "tool `{}` needs a person's word, and this client cannot ask for it\nnote: it declares no `elicitation` capability\nhelp: use a client that does, or start the server with `--yes-destructive`",
        tool.name
    ))
    .reason("confirmation_unavailable")
}
