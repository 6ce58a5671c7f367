//! Runs one call through its stages. Their order is a security property, and stands in [`stages`] alone.

mod admission;
mod arguments;
mod confirmation;
mod core;
mod elicitation;
mod idempotency;
mod refusal;
mod request;
mod result;
mod run;
mod task;

use futures::future::BoxFuture;

#[cfg(feature = "http")]
pub(crate) use self::admission::{admit, record_refusal};
pub(crate) use self::{
    admission::{Admission, NotAdmitted, admit_in_turn},
    confirmation::{Choice, Elicitor},
    core::Core,
    refusal::Refusal,
    request::{AdmissionStage, CallAnswer, Request},
    task::TaskMode,
};
use self::{confirmation::Confirmation, elicitation::Asker, request::Denial};
use crate::{
    confirm::{Bound, RequestState},
    record::{DeniedBy, PendingRecord},
    tool::{ask::Round, call::Call, outcome::Outcome},
};

/// Answers one round of a call, and records it if it was refused.
pub(crate) fn call<'a>(core: &'a Core, request: Request<'a>) -> BoxFuture<'a, Result<CallAnswer, Refusal>> {
    // Boxed, so that the futures of all callers hold a pointer and not a copy of every stage.
    Box::pin(async move {
        let subject = core.subject(request.tool, request.name);
        let pending = core.audit.as_ref().map(|recorder| {
            recorder.pending(subject, &request.caller, request.origin, Some(request.revision))
        });
        match stages(core, request, pending.as_ref()).await {
            Ok(answer) => Ok(answer),
            Err(denial) => {
                // A log that could not take the intent does not take the denial either; it counts both.
                if let (Some(pending), Some(by)) = (pending, denial.by.filter(|by| *by != DeniedBy::Audit)) {
                    pending.denied(by).await;
                }
                denial.answer.map(|reply| CallAnswer::Reply(*reply))
            }
        }
    })
}

/// The stages. The transport has authenticated the caller; everything else is decided here, in this order.
async fn stages(
    core: &Core,
    request: Request<'_>,
    pending: Option<&PendingRecord<'_>>,
) -> Result<CallAnswer, Denial> {
    let Admission { tool: index, mut slot } =
        request.entry.admit(core, &request.caller, request.tool, request.name)?;
    let (tool, peer) = (core.tool(index), request.peer);
    task::check(tool.descriptor, &request.task).map_err(Denial::refused(DeniedBy::Task))?;
    // After admission: a malformed key must not tell a concealed tool from one that does not exist.
    let key = idempotency::key(request.idempotency_key).map_err(Denial::refused(DeniedBy::Idempotency))?;
    let arguments = arguments::check(tool, request.arguments).map_err(Denial::replied(DeniedBy::Schema))?;
    let bound = Bound { tool: tool.descriptor, arguments: &arguments, caller: &request.caller };
    // Opening a state uses it up, so that a declined question cannot be turned into consent with the same state.
    let state = peer.state().map(|state| core.confirmations.open(state, &bound.digest()));
    let unusable = matches!(state, Some(Err(_)));
    let confirmed = confirmation::is_needed(core, tool.descriptor);
    let state = match state {
        // The state was sealed after this call had been confirmed, if it had to be.
        Some(Ok(RequestState::Round(state))) => state,
        _ if !confirmed => None,
        state => {
            // A person may take minutes, and must not hold up other calls meanwhile.
            drop(slot);
            match confirmation::check(core, &bound, state, peer).await {
                Confirmation::Given => {
                    slot = admission::slot(core, index)?;
                    None
                }
                Confirmation::Pending(question) => return Ok(question),
                Confirmation::Refused(reply) => return Err(Denial::replied(DeniedBy::Confirmation)(reply)),
            }
        }
    };
    let in_flight = match pending {
        Some(pending) => pending.intent(tool, &arguments, key.as_deref(), confirmed).await?,
        None => None,
    };
    let features = peer.features();
    // Only a client that can be asked something needs a digest to return with.
    let digest = features.any().then(|| bound.digest());
    let call = Call {
        descriptor: tool.descriptor,
        caller: request.caller,
        idempotency_key: key,
        reports: request.reports,
        round: Round { features, answers: peer.answers(), state },
        cancelled: request.cancelled,
        // tokio's clock, which tests can pause.
        deadline: tokio::time::Instant::now().into_std() + tool.descriptor.timeout,
    };
    // A task that may not be repeated runs to its end even if it is cancelled: its client can still ask how it ended.
    let runs_to_end = request.task.is_requested() && !tool.descriptor.may_repeat();
    request.task.begin();
    let executor = core.sandboxes.executor(tool.descriptor);
    let observer = core.sandboxes.observe(executor, index, tool.descriptor);
    let outcome = run::run(executor, &core.handlers[index], call, arguments, slot, runs_to_end).await;
    drop(observer);
    match outcome {
        Outcome::Done(reply) => {
            let is_sandboxed = executor.sandbox_id().is_some();
            let reply = if is_sandboxed { reply } else { run::with_left_thread(core, reply) };
            let reply = result::shape(tool, reply, request.revision);
            if let Some(in_flight) = in_flight {
                in_flight.outcome(&reply).await?;
            }
            Ok(CallAnswer::Reply(reply))
        }
        Outcome::Ask(ask) => {
            if let Some(in_flight) = in_flight {
                in_flight.asked(&ask).await?;
            }
            let is_stateless = peer.is_stateless();
            let tool = tool.descriptor;
            let asker = Asker { tool, features, is_stateless, unusable, confirmed, digest: digest.as_ref() };
            elicitation::put(core, &asker, ask).map_err(Denial::after_run)
        }
    }
}
