//! One call, from a well-formed message to an answer: the stages in their order, which is a security property.

pub(crate) mod access;
mod arguments;
pub(crate) mod audit;
mod confirmation;
mod known;
mod limits;
mod output;
mod questions;
mod refusal;
mod run;
mod task;

use std::{collections::HashSet, sync::Arc};

use futures::future::BoxFuture;
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use crate::{
    ask::{Question, Round},
    call::{Call, Caller, Reports},
    confirm::{Bound, Confirmations, Kept},
    limits::{Limits, Slot},
    output::Reply,
    registry::Registry,
    revision::Revision,
    seal::{Outside, Seals},
    tasks::Tasks,
    tool::Handler,
};
use access::OutOfReach;
use audit::Asked;
pub(crate) use audit::{By, Origin, Recorder, Trace};
pub(crate) use confirmation::{Choice, Person};
use questions::Asker;
pub(crate) use refusal::Refusal;
pub(crate) use task::AsTask;

/// What every call of one server shares. Nothing in it changes once the server runs.
pub(crate) struct Core {
    pub(crate) registry: Registry,
    /// One a tool, in the registry's order.
    pub(crate) handlers: Vec<Handler>,
    pub(crate) out_of_reach: OutOfReach,
    /// The threads that handlers run on.
    pub(crate) seals: Arc<Seals>,
    pub(crate) limits: Limits,
    pub(crate) confirmations: Confirmations,
    /// Calls that outlast their requests.
    pub(crate) tasks: Arc<Tasks>,
    /// Nobody is asked before a call: whoever started the server said so.
    pub(crate) unasked: bool,
    /// Where calls are recorded, where they are.
    pub(crate) audit: Option<Recorder>,
    /// Tools that are there and not served: those that may write, where none may.
    pub(crate) withheld: HashSet<&'static str>,
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
    pub(crate) again: bool,
    pub(crate) revision: Revision,
    pub(crate) idempotency_key: Option<Value>,
    pub(crate) reports: Option<Reports>,
    pub(crate) cancelled: CancellationToken,
    /// How the call came.
    pub(crate) origin: &'a Origin,
    /// The threads without a seal, where the call comes on sealed ones.
    pub(crate) outside: Option<&'a Outside>,
    /// Whoever sits at the client and can be asked.
    pub(crate) person: &'a dyn Person,
    /// Whether it runs in a task.
    pub(crate) task: AsTask<'a>,
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
    by: Option<By>,
    answer: Result<Box<Reply>, Refusal>,
}

impl Denied {
    fn by(by: By) -> impl Fn(Refusal) -> Self {
        move |refusal| Self { by: Some(by), answer: Err(refusal) }
    }

    fn with(by: By) -> impl Fn(Box<Reply>) -> Self {
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

fn let_in(core: &Core, caller: &Caller, tool: &str, again: bool) -> Result<Admission, Refusal> {
    let (at, tool) = known::tool(core, caller, tool)?;
    access::check(core, tool.descriptor, caller)?;
    if !again {
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
fn by(core: &Core, tool: &str, refusal: &Refusal) -> By {
    match refusal {
        Refusal::UnknownTool { .. } if core.withheld.contains(tool) => By::ReadOnlyMode,
        Refusal::UnknownTool { .. } | Refusal::Malformed(_) => By::UnknownTool,
        Refusal::MissingScopes { .. } => By::Scope,
        Refusal::RateLimited { .. } | Refusal::TooManyInFlight { .. } => By::Rate,
        Refusal::State | Refusal::CannotBeAsked { .. } => By::Confirmation,
        Refusal::Unrecorded => By::Audit,
        Refusal::NeedsTask { .. } => By::Task,
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
                if let (Some(asked), Some(by)) = (asked, denied.by.filter(|by| *by != By::Audit)) {
                    asked.denied(by).await;
                }
                denied.answer.map(|reply| Answer::Reply(*reply))
            }
        }
    })
}

/// The stages. Who calls has been settled by the transport; everything else is settled here, in this order.
async fn stages(core: &Core, request: Request<'_>, asked: Option<&Asked<'_>>) -> Result<Answer, Denied> {
    let admitted = request.admission.filter(|admission| core.name(admission.at) == request.tool);
    let Admission { at, mut slot } = match admitted {
        Some(admission) => admission,
        None => let_in(core, &request.caller, &request.tool, request.again)
            .map_err(|refusal| Denied::by(by(core, &request.tool, &refusal))(refusal))?,
    };
    let tool = &core.registry.tools()[at];
    task::check(tool.descriptor, &request.task).map_err(Denied::by(By::Task))?;
    // After access: of a concealed tool, a bad key must not tell more than an unknown tool's would.
    let idempotency_key =
        known::idempotency_key(request.idempotency_key).map_err(Denied::by(By::Idempotency))?;
    let arguments = arguments::check(tool, request.arguments).map_err(Denied::with(By::Schema))?;
    let person = request.person;
    let bound = Bound { tool: tool.descriptor, arguments: &arguments, caller: &request.caller };
    // A state is used up by opening it: a refusal cannot be turned into consent with it.
    let kept = person.state().map(|state| core.confirmations.open(state, &bound.mark()));
    let unusable = matches!(kept, Some(Err(_)));
    let confirmed = confirmation::is_needed(core, tool.descriptor);
    let state = match kept {
        // Sealed after this call was confirmed, where it had to be.
        Some(Ok(Kept::Round(state))) => state,
        _ if !confirmed => None,
        kept => {
            // A person takes their time, and holds up nobody else meanwhile.
            drop(slot);
            match confirmation::check(core, &bound, kept, person).await {
                confirmation::Word::Given => {
                    slot = limits::slot(core, at).map_err(Denied::by(By::Rate))?;
                }
                confirmation::Word::Open(Answer::Reply(reply)) => {
                    return Err(Denied::with(By::Confirmation)(Box::new(reply)));
                }
                confirmation::Word::Open(answer) => return Ok(answer),
            }
            None
        }
    };
    let trail = match asked {
        Some(asked) => asked
            .intent(core, at, &arguments, idempotency_key.as_deref(), confirmed)
            .await
            .map_err(Denied::by(By::Audit))?,
        None => None,
    };
    let abilities = person.abilities();
    // Whoever can be asked nothing needs no mark.
    let mark = abilities.any().then(|| bound.mark());
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
    let to_its_end = request.task.is_one() && !tool.descriptor.may_repeat();
    request.task.begin();
    let place = core.seals.place(tool.descriptor, request.outside).await;
    let mut reply = run::run(place, &core.handlers[at], call, arguments, slot, to_its_end).await;
    let ask = reply.take_ask();
    if ask.is_none() {
        reply = output::shape(tool, reply, request.revision);
    }
    if let Some(trail) = trail {
        trail.outcome(&reply, ask.is_some()).await.map_err(Denied::by(By::Audit))?;
    }
    let Some(ask) = ask else { return Ok(Answer::Reply(reply)) };
    let in_rounds = person.in_rounds();
    let tool = tool.descriptor;
    let asker = Asker { tool, abilities, in_rounds, unusable, confirmed, mark: mark.as_ref() };
    questions::put(core, &asker, ask).map_err(Denied::after)
}
