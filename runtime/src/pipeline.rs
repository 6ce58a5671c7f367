//! Runs one call through its stages. Their order is a security property, and stands in [`stages`] alone.

mod admission;
mod arguments;
mod call_run;
mod confirmation;
mod core;
mod detached;
mod elicitation;
mod idempotency;
mod observed;
mod outdated;
mod preview;
mod refusal;
mod request;
mod result;
mod run;
mod suspicion;
mod task;

use std::sync::Arc;

use futures::future::{self, BoxFuture};
use tokio_util::sync::CancellationToken;

pub use self::outdated::OutdatedCalls;
pub(crate) use self::{
    admission::{Admission, NotAdmitted, admit, admit_in_turn, record_refusal},
    confirmation::{Choice, Elicitor},
    core::{Core, SkipConfirmation},
    outdated::OutdatedTools,
    preview::Previews,
    refusal::Refusal,
    request::{AdmissionStage, CallAnswer, Request},
    task::TaskMode,
};
use self::{
    call_run::{CallRun, CallWork, HandlerEnd},
    confirmation::{Asked, Confirmation, Need},
    detached::{WaitingRequest, detached},
    elicitation::Asker,
    idempotency::{HeldKey, KeyAnswer, LookUp},
    preview::PreviewedCall,
    request::Denial,
};
use crate::{
    confirm::{Bound, RequestState},
    record::{DeniedBy, PendingRecord},
    spans::{CallPart, PartSpan},
    telemetry::Ending,
    tool::{ask::Round, call::Call, outcome::Outcome, output::Reply},
};

/// Answers one round of a call, and observes it.
pub(crate) fn call<'a>(
    core: &'a Arc<Core>,
    request: Request<'a>,
) -> BoxFuture<'a, Result<CallAnswer, Refusal>> {
    // Boxed, so that the futures of all callers hold a pointer and not a copy of every stage.
    Box::pin(async move {
        let caller = Arc::clone(&request.caller);
        let observation =
            observed::begin(core, &caller, request.tool, (request.origin, Some(request.revision)));
        let (answer, ending) = observation.run(answer(core, request)).await;
        observation.end(ending);
        answer
    })
}

/// Answers one round of a call, and records it if it was refused.
async fn answer(core: &Arc<Core>, request: Request<'_>) -> (Result<CallAnswer, Refusal>, Ending) {
    let subject = core.subject(request.tool, request.name);
    let (peer, tool, called) = (request.peer, request.tool, request.name);
    let pending = core
        .audit
        .as_ref()
        .map(|recorder| recorder.pending(subject, &request.caller, request.origin, Some(request.revision)));
    let answer = match decide(core, request, pending.as_ref()).await {
        Ok(Decision::Answer(answer)) => Ok(answer),
        Ok(Decision::Run(work)) if work.held_key.is_some() => detached(core, pending.as_ref(), work).await,
        Ok(Decision::Run(work)) => perform(core, pending.as_ref(), work, &mut WaitingRequest::none()).await,
        Err(denial) => Err(denial),
    };
    let ending = request::ending(&answer);
    let answer = match answer {
        Ok(answer) => Ok(core.outdated.answered(tool, called, answer)),
        Err(denial) => {
            if let (Some(pending), Some(by)) = (pending, denial.by) {
                pending.denied(by, peer.state(), denial.key.as_deref());
            }
            denial.answer.map(|reply| CallAnswer::Reply(*reply))
        }
    };
    (answer, ending)
}

/// The decision about a round.
enum Decision {
    Answer(CallAnswer),
    Run(Box<CallWork>),
}

/// The stages up to the decision. The transport has authenticated the caller; everything else is decided here, in this
/// order.
async fn decide(
    core: &Core,
    mut request: Request<'_>,
    pending: Option<&PendingRecord<'_>>,
) -> Result<Decision, Denial> {
    let Admission { tool: index, slot, .. } =
        request.stage.admit(core, &request.caller, request.tool, request.name).await?;
    let (tool, peer) = (core.tool(index), request.peer);
    task::check(tool.descriptor, &request.task).map_err(Denial::refused(DeniedBy::Task))?;
    // After admission: a malformed key must not tell a concealed tool from one that does not exist.
    let sent = &request.idempotency_key;
    let key = idempotency::read(core, tool, &request.caller, sent, &mut request.arguments)
        .map_err(Denial::refused(DeniedBy::Idempotency))?;
    let arguments = arguments::check(tool, request.arguments).map_err(Denial::replied(DeniedBy::Schema))?;
    idempotency::require(core, tool.descriptor, &key)?;
    let (caller, task, revision) = (&request.caller, &request.task, request.revision);
    let look_up = LookUp { core, tool, caller, arguments: &arguments, task, revision, pending };
    let need = confirmation::need(core, index, tool.descriptor, &arguments);
    let confirmed = need == Need::Required;
    let (mut slot, mut claim) = (Some(slot), None);
    if let Some(keyed) = &key.kept {
        // A person may take minutes, and an equal call must not wait for that long.
        match look_up.answer(keyed, !confirmed, &mut slot).await? {
            // A replay does not ask again.
            KeyAnswer::Answer(answer) => return Ok(Decision::Answer(answer)),
            KeyAnswer::Free(claimed) => claim = claimed,
        }
    }
    let bound = Bound { tool: tool.descriptor, arguments: &arguments, caller };
    // Opening a state uses it up, so that a declined question cannot be turned into consent with the same state.
    let state = confirmation::open_state(core, peer, &bound).await;
    let state = state.map_err(Denial::replied(DeniedBy::Confirmation))?;
    let unusable = matches!(state, Some(Err(_)));
    let confirmed_by = confirmation::confirmed_by(need, state.as_ref(), peer);
    let state = match state {
        // The state was sealed after this call had been confirmed, if it had to be.
        Some(Ok(RequestState::Round(state))) => state,
        _ if !confirmed => None,
        state => {
            let confirmation = PartSpan::open(CallPart::Confirmation);
            let shown = if state.is_none() && peer.features().form {
                let call = PreviewedCall {
                    caller: &request.caller,
                    info: request.info.as_ref(),
                    cancelled: &request.cancelled,
                    telemetry: core.telemetry.tool(index),
                };
                let shown = confirmation.run(preview::text(core, &bound, call)).await;
                shown.map_err(Denial::replied(DeniedBy::Confirmation))?
            } else {
                None
            };
            // A person may take minutes, and must not hold up other calls meanwhile.
            slot = None;
            let asked = Asked { index, tool, bound: &bound, preview: shown.as_deref() };
            match confirmation.run(confirmation::check(core, &asked, state, peer, pending)).await? {
                Confirmation::Given => None,
                Confirmation::Pending(question) => return Ok(Decision::Answer(question)),
                Confirmation::Refused(reply) => return Err(Denial::replied(DeniedBy::Confirmation)(reply)),
            }
        }
    };
    let held_key = match (key.kept, claim) {
        (None, _) => None,
        (Some(keyed), Some(claim)) => Some(HeldKey { keyed, _claim: claim }),
        // An equal call may have begun while the person was asked.
        (Some(keyed), None) => match look_up.answer(&keyed, true, &mut slot).await? {
            KeyAnswer::Answer(answer) => return Ok(Decision::Answer(answer)),
            KeyAnswer::Free(claim) => claim.map(|claim| HeldKey { keyed, _claim: claim }),
        },
    };
    let slot = match slot {
        Some(slot) => slot,
        None => admission::slot(core, index, caller)?,
    };
    let features = peer.features();
    let asker = Asker {
        tool: tool.descriptor,
        features,
        is_stateless: peer.is_stateless(),
        unusable,
        confirmed,
        digest: features.any().then(|| bound.digest()),
    };
    // A client that goes away does not end a call whose result is stored; `tasks/cancel` does.
    let goes_on = held_key.is_some() && !request.task.is_requested();
    let call = Call {
        descriptor: tool.descriptor,
        caller: Arc::clone(caller),
        idempotency_key: key.text,
        reports: request.reports,
        request: request.info,
        round: Round { features, answers: peer.answers(), state },
        cancelled: if goes_on { CancellationToken::new() } else { request.cancelled },
        // tokio's clock, which tests can pause.
        deadline: tokio::time::Instant::now().into_std() + tool.descriptor.timeout,
        span: PartSpan::none(),
    };
    Ok(Decision::Run(Box::new(CallWork {
        tool: index,
        call,
        arguments,
        slot,
        revision,
        confirmed_by,
        asker,
        task: request.task,
        _in_flight: held_key.is_some().then(|| [core.in_flight.token(), request.runs.token()]),
        held_key,
    })))
}

/// The stages from the decision to the answer, in this order.
async fn perform(
    core: &Core,
    pending: Option<&PendingRecord<'_>>,
    work: Box<CallWork>,
    waiting: &mut WaitingRequest,
) -> Result<CallAnswer, Denial> {
    let CallWork {
        tool,
        mut call,
        arguments,
        slot,
        revision,
        confirmed_by,
        held_key,
        asker,
        task,
        _in_flight,
    } = *work;
    let run = CallRun::new(core, pending, tool, held_key.as_ref(), &confirmed_by);
    // Both are on the disk before the handler runs; neither waits for the other.
    let intent = run.record_intent(pending, &arguments);
    let in_flight = run.begin(future::join(intent, run.reserve_key(&task)).await).await?;
    let runs_to_end = run.runs_to_end(&task);
    task.begin();
    let executor = core.sandboxes.executor(run.tool.descriptor);
    let observer = core.sandboxes.observe(executor, tool, run.tool.descriptor);
    call.span = PartSpan::open(CallPart::Handler);
    let HandlerEnd { outcome, is_final, rest } =
        run.handler(executor, call, arguments, slot, runs_to_end).await;
    drop(observer);
    match outcome {
        Outcome::Done(reply) => {
            let is_sandboxed = executor.sandbox_id().is_some();
            let reply = if is_sandboxed { reply } else { suspicion::with_left_thread(core, reply) };
            let reply = result::shape(run.tool, reply, core.max_output);
            if let Some(error) = &reply.error {
                core.telemetry.tool(tool).failed(error.message());
            }
            let stored = run.store(&reply, is_final);
            let (recorded, ()) = future::join(call_run::record_outcome(in_flight, &reply), stored).await;
            let reply = result::for_revision(run.tool, reply, revision);
            let answer = recorded.map(|()| CallAnswer::Reply(reply)).map_err(Denial::from);
            let Some(rest) = rest else { return answer };
            // The caller does not wait for a handler that is late; its key does.
            waiting.answer(answer);
            match rest.await {
                Outcome::Done(reply) => {
                    run.store(&result::shape(run.tool, reply, core.max_output), true).await;
                }
                Outcome::Ask(_) => run.release_key().await,
            }
            Ok(CallAnswer::Reply(Reply::default()))
        }
        Outcome::Ask(ask) => {
            // A question holds no key: it may never be answered.
            run.release_key().await;
            if let Some(in_flight) = in_flight {
                in_flight.asked(&ask).await?;
            }
            elicitation::put(core, &asker, ask).map_err(Denial::after_run)
        }
    }
}
