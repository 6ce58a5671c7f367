//! One call, from a well-formed message to an answer: the stages in their order, which is a security property.

pub(crate) mod access;
mod arguments;
mod confirmation;
mod known;
mod limits;
mod output;
mod questions;
mod refusal;
mod run;

use std::sync::Arc;

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
    seal::Seals,
    tool::Handler,
};
pub(crate) use confirmation::{Choice, Person, QUESTION};
use questions::Asker;
pub(crate) use refusal::Refusal;

/// What every call of one server shares. Nothing in it changes once the server runs.
pub(crate) struct Core {
    pub(crate) registry: Registry,
    /// One a tool, in the registry's order.
    pub(crate) handlers: Vec<Handler>,
    /// Whether a tool out of reach looks like one that does not exist.
    pub(crate) conceal: bool,
    /// The threads that handlers run on.
    pub(crate) seals: Seals,
    pub(crate) limits: Limits,
    pub(crate) confirmations: Confirmations,
    /// Nobody is asked before a call: whoever started the server said so.
    pub(crate) unasked: bool,
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
    pub(crate) revision: Revision,
    pub(crate) idempotency_key: Option<Value>,
    pub(crate) reports: Option<Reports>,
    pub(crate) cancelled: CancellationToken,
    /// Whoever sits at the client and can be asked.
    pub(crate) person: &'a dyn Person,
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

/// A call that may come in, with its place among those at work.
#[derive(Debug)]
pub(crate) struct Admission {
    at: usize,
    slot: Slot,
}

/// The first stages: what decides whether a call comes in at all. A transport may ask before it answers, and hands on
/// what it was told, so that nothing is decided or counted twice.
#[expect(clippy::unused_async, reason = "who is turned away may have to be written down")]
pub(crate) async fn admit(core: &Core, caller: &Caller, tool: &str) -> Result<Admission, Refusal> {
    let (at, tool) = known::tool(core, caller, tool)?;
    access::check(core, tool.descriptor, caller)?;
    limits::rate(core, at, caller)?;
    Ok(Admission { at, slot: limits::slot(core, at)? })
}

/// Answers one call. Who calls has been settled by the transport; everything else is settled here, in this order.
pub(crate) async fn call(core: &Core, request: Request<'_>) -> Result<Answer, Refusal> {
    let admitted = request.admission.filter(|admission| core.name(admission.at) == request.tool);
    let Admission { at, mut slot } = match admitted {
        Some(admission) => admission,
        None => admit(core, &request.caller, &request.tool).await?,
    };
    let tool = &core.registry.tools()[at];
    // After access: of a concealed tool, a bad key must not tell more than an unknown tool's would.
    let idempotency_key = known::idempotency_key(request.idempotency_key)?;
    let arguments = match arguments::check(tool, request.arguments) {
        Ok(arguments) => arguments,
        Err(reply) => return Ok(Answer::Reply(*reply)),
    };
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
                confirmation::Word::Given => slot = limits::slot(core, at)?,
                confirmation::Word::Open(answer) => return Ok(answer),
            }
            None
        }
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
    let mut reply =
        run::run(core.seals.place(tool.descriptor), &core.handlers[at], call, arguments, slot).await;
    if let Some(ask) = reply.take_ask() {
        let in_rounds = person.in_rounds();
        let tool = tool.descriptor;
        let asker = Asker { tool, abilities, in_rounds, unusable, confirmed, mark: mark.as_ref() };
        return questions::put(core, &asker, ask);
    }
    Ok(Answer::Reply(output::shape(tool, reply, request.revision)))
}
