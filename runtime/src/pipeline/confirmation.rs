//! Stage: a person has said yes, where the declaration asks for it.

use std::pin::Pin;

use serde_json::{Map, Value};

use super::{Answer, Core};
use crate::{
    call::Caller,
    confirm::{Bound, question},
    descriptor::Descriptor,
    output::ToolError,
};

/// Whoever sits at the client.
pub(crate) trait Person: Sync {
    /// Whether the client can put a question to them.
    fn can_be_asked(&self) -> bool;
    /// Whether a question is an answer of its own that the client comes back from (MCP 2026-07-28), rather than a
    /// request inside the call (before).
    fn in_rounds(&self) -> bool;
    /// What the client came back with: the state, and what they said, if anything.
    fn came_back(&self) -> Option<(&str, Option<Choice>)>;
    /// Asks inside the call; `None` where the question did not reach them.
    fn ask(&self, question: String) -> Pin<Box<dyn Future<Output = Option<Choice>> + Send + '_>>;
}

/// What they said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    Accept,
    Decline,
    Cancel,
}

/// Where a confirmation stands.
pub(super) enum Word {
    Given,
    /// Not given, or not yet; the call ends here with this answer.
    Open(Answer),
}

pub(super) fn is_needed(core: &Core, tool: &Descriptor) -> bool {
    tool.confirm && !core.unasked
}

pub(super) async fn check(
    core: &Core,
    tool: &Descriptor,
    arguments: &Map<String, Value>,
    caller: &Caller,
    person: &dyn Person,
) -> Word {
    let bound = Bound { tool, arguments, caller };
    let choice = match person.came_back() {
        Some((state, choice)) if person.in_rounds() => {
            // The state is used up by any answer: a refusal cannot be turned into consent with it.
            if core.confirmations.open(state, &bound).is_err() {
                return refused(unusable());
            }
            choice
        }
        _ if !person.can_be_asked() => return refused(nobody_to_ask(tool)),
        _ if person.in_rounds() => None,
        _ => match person.ask(question(tool, arguments)).await {
            Some(choice) => Some(choice),
            None => return refused(unanswered(tool)),
        },
    };
    match choice {
        Some(Choice::Accept) => Word::Given,
        Some(Choice::Decline) => refused(declined(tool, "was declined")),
        Some(Choice::Cancel) => refused(declined(tool, "was cancelled")),
        None => Word::Open(Answer::Ask {
            question: question(tool, arguments),
            state: core.confirmations.seal(&bound),
        }),
    }
}

fn refused(error: ToolError) -> Word {
    Word::Open(Answer::Reply(error.into()))
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
