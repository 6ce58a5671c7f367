//! Asks a person to confirm the call, if the declaration demands it.

use std::pin::Pin;

use serde_json::{Map, Value, json};

use super::{CallAnswer, Core};
use crate::{
    confirm::{Bound, RequestState, Unusable, question},
    message::Message,
    record::{ConfirmedBy, NotRun, PendingRecord},
    registry::Definition,
    tool::{
        ask::{ClientFeatures, Question},
        descriptor::Descriptor,
        error::ToolError,
        output::Reply,
    },
    wire_names,
};

/// The client of a call, as something that can be asked.
pub(crate) trait Elicitor: Sync {
    /// The features that the client can be asked for.
    fn features(&self) -> ClientFeatures;
    /// Whether the client answers questions by calling again (MCP 2026-07-28), and not within the call.
    fn is_stateless(&self) -> bool;
    /// The `requestState` that the client returned with.
    fn state(&self) -> Option<&str>;
    /// The person's choice, if the client returned with one.
    fn choice(&self) -> Option<Choice>;
    /// The client's answers to the tool's own questions.
    fn answers(&self) -> Map<String, Value>;
    /// Asks within the call; `None` if no answer came back.
    fn ask(&self, question: Question) -> Pin<Box<dyn Future<Output = Option<Choice>> + Send + '_>>;
}

/// The action of an elicitation's result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    Accept,
    Decline,
    Cancel,
}

/// How the confirmation of a call stands.
pub(super) enum Confirmation {
    Given,
    /// The client must put this question first.
    Pending(CallAnswer),
    Refused(Box<Reply>),
}

pub(super) fn is_needed(core: &Core, tool: &Descriptor) -> bool {
    tool.confirm && !core.skip_confirmation
}

/// Checks that the user confirmed the call, and asks otherwise. A question is recorded before it is put.
pub(super) async fn check(
    core: &Core,
    bound: &Bound<'_>,
    state: Option<Result<RequestState, Unusable>>,
    peer: &dyn Elicitor,
    recording: Option<(&PendingRecord<'_>, &Definition)>,
) -> Result<Confirmation, NotRun> {
    let tool = bound.tool;
    let choice = match state {
        Some(Ok(_)) => peer.choice(),
        Some(Err(Unusable)) => return Ok(refused(unusable_state(), "confirmation_state")),
        None if !peer.features().form => return Ok(refused(unavailable(tool), "confirmation_unavailable")),
        None if peer.is_stateless() => None,
        None => {
            record(recording, bound, None).await?;
            match peer.ask(form(bound)).await {
                Some(choice) => Some(choice),
                None => return Ok(refused(unanswered(tool), "confirmation_unanswered")),
            }
        }
    };
    Ok(match choice {
        Some(Choice::Accept) => Confirmation::Given,
        Some(Choice::Decline) => refused(rejected(tool, "declined"), "confirmation_declined"),
        Some(Choice::Cancel) => refused(rejected(tool, "cancelled"), "confirmation_declined"),
        None => {
            let state = core.confirmations.seal(&bound.digest(), &RequestState::Confirmation);
            record(recording, bound, Some(&state)).await?;
            Confirmation::Pending(CallAnswer::Ask {
                questions: vec![(wire_names::CONFIRM.to_owned(), form(bound))],
                state: Some(state),
            })
        }
    })
}

/// Records the question of a call. `state` is that of a client that answers by calling again.
async fn record(
    recording: Option<(&PendingRecord<'_>, &Definition)>,
    bound: &Bound<'_>,
    state: Option<&str>,
) -> Result<(), NotRun> {
    match recording {
        Some((pending, tool)) => pending.asked(tool, bound.arguments, state).await,
        None => Ok(()),
    }
}

/// Says how a call that runs was confirmed, if it must be (`is_needed`). `state` is the one that its client returned with.
pub(super) fn confirmed_by<'a>(
    is_needed: bool,
    state: Option<&Result<RequestState, Unusable>>,
    peer: &'a dyn Elicitor,
) -> ConfirmedBy<'a> {
    match (is_needed, state) {
        (false, _) => ConfirmedBy::NotAsked,
        (true, Some(Ok(RequestState::Confirmation))) => {
            peer.state().map_or(ConfirmedBy::Answer, ConfirmedBy::State)
        }
        // The user was asked within the call, or before the tool itself asked.
        (true, _) => ConfirmedBy::Answer,
    }
}

/// A form without fields: the person's action is the answer.
fn form(bound: &Bound<'_>) -> Question {
    let schema = json!({"type": "object", "properties": {}});
    Question::Form { message: question(bound.tool, bound.arguments), schema }
}

fn refused(message: Message, reason: &'static str) -> Confirmation {
    Confirmation::Refused(Box::new(ToolError::not_applied(message).reason(reason).into()))
}

/// One text for everything that can be wrong with a state, so that a forger learns nothing.
fn unusable_state() -> Message {
    Message::new("this confirmation cannot be used")
        .help("call the tool again without `requestState`, and it asks again")
}

fn rejected(tool: &Descriptor, action: &str) -> Message {
    Message::new(format!("the user {action} the call of tool `{}`; nothing was done", tool.name))
}

fn unanswered(tool: &Descriptor) -> Message {
    Message::new(format!(
        "the question whether tool `{}` may be called was not answered; nothing was done",
        tool.name
    ))
    .help("call it again when the user can answer")
}

fn unavailable(tool: &Descriptor) -> Message {
    Message::new(format!(
        "tool `{}` must be confirmed by a person, and this client cannot ask one",
        tool.name
    ))
    .note("the client does not declare the `elicitation` capability")
    .help("use a client that does, or start the server with `--yes-destructive`")
}
