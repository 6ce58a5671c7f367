//! Asks a person to confirm the call, if the declaration demands it.

use std::{pin::Pin, time::Duration};

use serde_json::{Map, Value, json};

use super::{CallAnswer, Core};
use crate::{
    confirm::{Bound, NotOpened, RequestState, Unusable, question},
    message::Message,
    record::{ConfirmedBy, NotRun, PendingRecord},
    registry::Definition,
    telemetry::ConfirmationEvent,
    tool::{
        ask::{ClientFeatures, Question},
        descriptor::{Confirm, Descriptor, Literal},
        error::ToolError,
        output::Reply,
    },
    wire_names,
};

/// The time after which a caller is asked to come again, if the store does not answer.
const STORE_RETRY_WAIT: Duration = Duration::from_secs(10);

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

/// The call that the user is asked about.
pub(super) struct Asked<'a> {
    /// The index of the tool in the registry.
    pub(super) index: usize,
    pub(super) tool: &'a Definition,
    pub(super) bound: &'a Bound<'a>,
    /// The text of the call's preview.
    pub(super) preview: Option<&'a str>,
}

/// Whether a call must be confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    Required,
    /// The declaration asks for it, and the operator does not.
    Skipped,
    No,
}

/// Returns whether the call of the tool at `index` must be confirmed.
pub(super) fn need(core: &Core, index: usize, tool: &Descriptor, arguments: &Map<String, Value>) -> Need {
    let asks = match tool.confirm {
        Confirm::Never => false,
        Confirm::Always => true,
        Confirm::When { param, is } => holds(tool, param, is, arguments),
    };
    match (asks, core.skip_confirmation.covers(index)) {
        (true, false) => Need::Required,
        (true, true) => Need::Skipped,
        (false, _) => Need::No,
    }
}

/// Whether a parameter has a value in this call, or may have it because none was sent.
fn holds(tool: &Descriptor, param: &str, is: Literal, arguments: &Map<String, Value>) -> bool {
    let default = || tool.params.iter().find(|other| other.name == param)?.default.map(Literal::to_json);
    let Some(value) = arguments.get(param).cloned().or_else(default) else { return true };
    match (&value, &is.to_json()) {
        // `1` and `1.0` are one number in JSON, and one argument for the handler.
        (Value::Number(value), Value::Number(is)) => value == is || value.as_f64() == is.as_f64(),
        (value, is) => value == is,
    }
}

/// Opens the state that the client returned with, which uses it up.
pub(super) async fn open_state(
    core: &Core,
    peer: &dyn Elicitor,
    bound: &Bound<'_>,
) -> Result<Option<Result<RequestState, Unusable>>, Box<Reply>> {
    let Some(state) = peer.state() else { return Ok(None) };
    match core.confirmations.open(state, &bound.digest()).await {
        Ok(state) => Ok(Some(Ok(state))),
        Err(NotOpened::Unusable) => Ok(Some(Err(Unusable))),
        Err(NotOpened::Unavailable) => {
            let message = Message::new(format!(
                "whether this answer was used before cannot be checked at present; tool `{}` did not run",
                bound.tool.name
            ))
            .help("send the same call again later; the server's log says why");
            let error = ToolError::transient(message).retry_after(STORE_RETRY_WAIT);
            Err(Box::new(error.reason("store_unavailable").into()))
        }
    }
}

/// Checks that the user confirmed the call, and asks otherwise. A question is recorded before it is put.
pub(super) async fn check(
    core: &Core,
    asked: &Asked<'_>,
    state: Option<Result<RequestState, Unusable>>,
    peer: &dyn Elicitor,
    recording: Option<&PendingRecord<'_>>,
) -> Result<Confirmation, NotRun> {
    let (bound, tool) = (asked.bound, asked.bound.tool);
    let (form, telemetry) = (|| form(asked), core.telemetry.tool(asked.index));
    let choice = match state {
        Some(Ok(_)) => peer.choice(),
        Some(Err(Unusable)) => return Ok(refused(unusable_state(), "confirmation_state")),
        None if !peer.features().form => return Ok(refused(unavailable(tool), "confirmation_unavailable")),
        None if peer.is_stateless() => None,
        None => {
            record(recording, asked, None).await?;
            telemetry.confirmation(ConfirmationEvent::Asked);
            match peer.ask(form()).await {
                Some(choice) => Some(choice),
                None => {
                    telemetry.confirmation(ConfirmationEvent::Refused);
                    return Ok(refused(unanswered(tool), "confirmation_unanswered"));
                }
            }
        }
    };
    match choice {
        Some(Choice::Accept) => telemetry.confirmation(ConfirmationEvent::Given),
        Some(Choice::Decline | Choice::Cancel) => telemetry.confirmation(ConfirmationEvent::Refused),
        None => {}
    }
    Ok(match choice {
        Some(Choice::Accept) => Confirmation::Given,
        Some(Choice::Decline) => refused(rejected(tool, "declined"), "confirmation_declined"),
        Some(Choice::Cancel) => refused(rejected(tool, "cancelled"), "confirmation_declined"),
        None => {
            let state = core.confirmations.seal(&bound.digest(), &RequestState::Confirmation);
            record(recording, asked, Some(&state)).await?;
            telemetry.confirmation(ConfirmationEvent::Asked);
            Confirmation::Pending(CallAnswer::Ask {
                questions: vec![(wire_names::CONFIRM.to_owned(), form())],
                state: Some(state),
            })
        }
    })
}

/// Records the question of a call. `state` is that of a client that answers by calling again.
async fn record(
    recording: Option<&PendingRecord<'_>>,
    asked: &Asked<'_>,
    state: Option<&str>,
) -> Result<(), NotRun> {
    match recording {
        Some(pending) => pending.asked(asked.tool, asked.bound.arguments, state).await,
        None => Ok(()),
    }
}

/// Says how a call that runs was confirmed. `state` is the one that its client returned with.
pub(super) fn confirmed_by(
    need: Need,
    state: Option<&Result<RequestState, Unusable>>,
    peer: &dyn Elicitor,
) -> ConfirmedBy {
    match (need, state) {
        (Need::No, _) => ConfirmedBy::NotNeeded,
        (Need::Skipped, _) => ConfirmedBy::Skipped,
        (Need::Required, Some(Ok(RequestState::Confirmation))) => {
            peer.state().map_or(ConfirmedBy::Answer, |state| ConfirmedBy::State(state.to_owned()))
        }
        // The user was asked within the call, or before the tool itself asked.
        (Need::Required, _) => ConfirmedBy::Answer,
    }
}

/// A form without fields: the person's action is the answer.
fn form(asked: &Asked<'_>) -> Question {
    let Asked { tool, bound, preview, .. } = asked;
    let message = question(tool.descriptor, &tool.input.schema, bound.arguments, *preview);
    Question::Form { message, schema: json!({"type": "object", "properties": {}}) }
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
    .help(format!("use a client that does, or start the server with `--yes {}`", tool.name))
}
