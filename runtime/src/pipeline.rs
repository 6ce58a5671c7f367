//! One call, from a well-formed message to an answer: the stages in their order, which is a security property.

pub(crate) mod access;
mod arguments;
mod confirmation;
mod elicitation;
mod known;
mod limits;
mod refusal;
mod result;
mod run;
mod task;

use std::{collections::HashSet, sync::Arc};

use futures::future::BoxFuture;
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

pub(crate) use crate::record::call::{DeniedBy, Origin, Recorder, Trace};
use crate::{
    confirm::{Bound, Confirmations, RequestState},
    limits::{Limits, Slot},
    record::call::PendingRecord,
    registry::Registry,
    revision::Revision,
    sandbox::{Sandboxes, UnsandboxedHandle},
    tasks::Tasks,
    tool::{
        ask::{Question, Round},
        call::{Call, Reports},
        caller::Caller,
        handler::Handler,
        outcome::Outcome,
        output::Reply,
    },
};
use access::Visibility;
pub(crate) use confirmation::{Choice, Elicitor, QUESTION};
use elicitation::Asker;
pub(crate) use refusal::Refusal;
pub(crate) use task::TaskMode;

/// What every call of one server shares. Nothing in it changes once the server runs.
pub(crate) struct Core {
    pub(crate) registry: Registry,
    /// One a tool, in the registry's order.
    pub(crate) handlers: Vec<Handler>,
    pub(crate) visibility: Visibility,
    /// The threads that handlers run on.
    pub(crate) sandboxes: Arc<Sandboxes>,
    pub(crate) limits: Limits,
    pub(crate) confirmations: Confirmations,
    /// Calls that outlast their requests.
    pub(crate) tasks: Arc<Tasks>,
    /// Nobody is asked before a call: whoever started the server said so.
    pub(crate) skip_confirmation: bool,
    /// Where calls are recorded, where they are.
    pub(crate) audit: Option<Recorder>,
    /// Tools that are there and not served: those that may write, where none may.
    pub(crate) disabled_tools: HashSet<&'static str>,
}

impl Core {
    fn name(&self, at: usize) -> &'static str {
        self.registry.tools()[at].descriptor.name
    }
}

/// One `tools/call`, as a transport hands it over.
pub(crate) struct Request<'a> {
    pub(crate) tool: String,
    pub(crate) arguments: Map<String, Value>,
    pub(crate) caller: Arc<Caller>,
    /// Where the transport had to know first, for its status.
    pub(crate) admission: Option<Admission>,
    /// A further round of a call that came in before: one call, whatever it asks on its way.
    pub(crate) is_next_round: bool,
    pub(crate) revision: Revision,
    pub(crate) idempotency_key: Option<Value>,
    pub(crate) reports: Option<Reports>,
    pub(crate) cancelled: CancellationToken,
    /// How the call came.
    pub(crate) origin: &'a Origin,
    /// The threads without a sandbox, where the call comes on sandboxed ones.
    pub(crate) unsandboxed: Option<&'a UnsandboxedHandle>,
    /// Whoever sits at the client and can be asked.
    pub(crate) person: &'a dyn Elicitor,
    /// Whether it runs in a task.
    pub(crate) task: TaskMode<'a>,
}

/// What a call comes to.
pub(crate) enum Answer {
    Reply(Reply),
    /// The client has to answer first; it comes back with what it said, and with the state.
    Ask {
        questions: Vec<(String, Question)>,
        state: Option<String>,
    },
}

/// A call that is not let through: at which stage, and what the caller is told.
struct Denied {
    /// None where the call ran before, and its outcome is recorded.
    by: Option<DeniedBy>,
    answer: Result<Box<Reply>, Refusal>,
}

impl Denied {
    fn by(by: DeniedBy) -> impl Fn(Refusal) -> Self {
        move |refusal| Self { by: Some(by), answer: Err(refusal) }
    }

    fn with(by: DeniedBy) -> impl Fn(Box<Reply>) -> Self {
        move |reply| Self { by: Some(by), answer: Ok(reply) }
    }

    fn after(refusal: Refusal) -> Self {
        Self { by: None, answer: Err(refusal) }
    }
}

/// A call that may come in, with its place among those at work.
#[derive(Debug)]
pub(crate) struct Admission {
    at: usize,
    slot: Slot,
}

/// The first stages: what decides whether a call comes in at all. A transport may ask before it answers, and hands on
/// what it was told, so that nothing is decided or counted twice. One that refuses by itself says so: [`turned_away`].
#[cfg(feature = "http")]
pub(crate) fn admit(core: &Core, caller: &Caller, tool: &str) -> Result<Admission, Refusal> {
    let_in(core, caller, tool, false)
}

/// The same for a call that goes on, and has been counted: where all places are taken, it waits for one.
pub(crate) async fn admit_again(core: &Core, caller: &Caller, tool: &str) -> Result<Admission, Refusal> {
    let (at, tool) = known::tool(core, caller, tool)?;
    access::check(core, tool.descriptor, caller)?;
    Ok(Admission { at, slot: core.limits.slot_in_turn(at).await })
}

fn let_in(core: &Core, caller: &Caller, tool: &str, is_next_round: bool) -> Result<Admission, Refusal> {
    let (at, tool) = known::tool(core, caller, tool)?;
    access::check(core, tool.descriptor, caller)?;
    if !is_next_round {
        limits::rate(core, at, caller)?;
    }
    Ok(Admission { at, slot: limits::slot(core, at)? })
}

/// Records a call that a transport did not let in, for what [`admit`] said.
#[cfg(feature = "http")]
pub(crate) async fn turned_away(
    core: &Core,
    caller: &Arc<Caller>,
    tool: &str,
    origin: &Origin,
    refusal: &Refusal,
) {
    if let Some(recorder) = &core.audit {
        recorder.asked(core, tool, caller, origin, None).denied(by(core, tool, refusal)).await;
    }
}

/// The stage that refuses so.
fn by(core: &Core, tool: &str, refusal: &Refusal) -> DeniedBy {
    match refusal {
        Refusal::UnknownTool { .. } if core.disabled_tools.contains(tool) => DeniedBy::ReadOnlyMode,
        Refusal::UnknownTool { .. } | Refusal::Malformed(_) => DeniedBy::UnknownTool,
        Refusal::MissingScopes { .. } => DeniedBy::Scope,
        Refusal::RateLimited { .. } | Refusal::TooManyInFlight { .. } => DeniedBy::Rate,
        Refusal::State | Refusal::CannotBeAsked { .. } => DeniedBy::Confirmation,
        Refusal::Unrecorded => DeniedBy::Audit,
        Refusal::NeedsTask { .. } => DeniedBy::Task,
    }
}

/// Answers one call, and records it where it was not let through.
pub(crate) fn call<'a>(core: &'a Core, request: Request<'a>) -> BoxFuture<'a, Result<Answer, Refusal>> {
    // Behind a pointer: each place that calls would else hold a copy of all stages.
    Box::pin(async move {
        let recorder = core.audit.as_ref();
        let asked = recorder.map(|recorder| {
            recorder.asked(core, &request.tool, &request.caller, request.origin, Some(request.revision))
        });
        match stages(core, request, asked.as_ref()).await {
            Ok(answer) => Ok(answer),
            Err(denied) => {
                // A log that just took no record takes none of that either; it counts them.
                if let (Some(asked), Some(by)) = (asked, denied.by.filter(|by| *by != DeniedBy::Audit)) {
                    asked.denied(by).await;
                }
                denied.answer.map(|reply| Answer::Reply(*reply))
            }
        }
    })
}

/// The stages. CallIdentity calls has been settled by the transport; everything else is settled here, in this order.
async fn stages(
    core: &Core,
    request: Request<'_>,
    asked: Option<&PendingRecord<'_>>,
) -> Result<Answer, Denied> {
    let admitted = request.admission.filter(|admission| core.name(admission.at) == request.tool);
    let Admission { at, mut slot } = match admitted {
        Some(admission) => admission,
        None => let_in(core, &request.caller, &request.tool, request.is_next_round)
            .map_err(|refusal| Denied::by(by(core, &request.tool, &refusal))(refusal))?,
    };
    let tool = &core.registry.tools()[at];
    task::check(tool.descriptor, &request.task).map_err(Denied::by(DeniedBy::Task))?;
    // After access: of a concealed tool, a bad key must not tell more than an unknown tool's would.
    let idempotency_key =
        known::idempotency_key(request.idempotency_key).map_err(Denied::by(DeniedBy::Idempotency))?;
    let arguments = arguments::check(tool, request.arguments).map_err(Denied::with(DeniedBy::Schema))?;
    let person = request.person;
    let bound = Bound { tool: tool.descriptor, arguments: &arguments, caller: &request.caller };
    // A state is used up by opening it: a refusal cannot be turned into consent with it.
    let kept = person.state().map(|state| core.confirmations.open(state, &bound.digest()));
    let unusable = matches!(kept, Some(Err(_)));
    let confirmed = confirmation::is_needed(core, tool.descriptor);
    let state = match kept {
        // Sandboxed after this call was confirmed, where it had to be.
        Some(Ok(RequestState::Round(state))) => state,
        _ if !confirmed => None,
        kept => {
            // A person takes their time, and holds up nobody else meanwhile.
            drop(slot);
            match confirmation::check(core, &bound, kept, person).await {
                confirmation::Confirmation::Given => {
                    slot = limits::slot(core, at).map_err(Denied::by(DeniedBy::Rate))?;
                }
                confirmation::Confirmation::Pending(Answer::Reply(reply)) => {
                    return Err(Denied::with(DeniedBy::Confirmation)(Box::new(reply)));
                }
                confirmation::Confirmation::Pending(answer) => return Ok(answer),
            }
            None
        }
    };
    let in_flight = match asked {
        Some(asked) => asked
            .intent(core, at, &arguments, idempotency_key.as_deref(), confirmed)
            .await
            .map_err(Denied::by(DeniedBy::Audit))?,
        None => None,
    };
    let abilities = person.abilities();
    // Whoever can be asked nothing needs no mark.
    let digest = abilities.any().then(|| bound.digest());
    let call = Call {
        descriptor: tool.descriptor,
        caller: request.caller,
        idempotency_key,
        reports: request.reports,
        round: Round { abilities, answers: person.answers(), state },
        cancelled: request.cancelled,
        // tokio's clock, which a test may hold still.
        deadline: tokio::time::Instant::now().into_std() + tool.descriptor.timeout,
    };
    // Nobody waits for its answer: that what may not be repeated was taken back is no end of it.
    let to_its_end = request.task.is_requested() && !tool.descriptor.may_repeat();
    request.task.begin();
    let executor = core.sandboxes.executor(tool.descriptor, request.unsandboxed).await;
    let mut outcome = run::run(executor, &core.handlers[at], call, arguments, slot, to_its_end).await;
    if let Outcome::Done(reply) = outcome {
        outcome = Outcome::Done(result::shape(tool, reply, request.revision));
    }
    if let Some(in_flight) = in_flight {
        in_flight.outcome(&outcome).await.map_err(Denied::by(DeniedBy::Audit))?;
    }
    match outcome {
        Outcome::Done(reply) => Ok(Answer::Reply(reply)),
        Outcome::Ask(ask) => {
            let (tool, is_stateless) = (tool.descriptor, person.is_stateless());
            let asker = Asker { tool, abilities, is_stateless, unusable, confirmed, digest: digest.as_ref() };
            elicitation::put(core, &asker, ask).map_err(Denied::after)
        }
    }
}
