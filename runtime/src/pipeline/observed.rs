//! Says of a round of a call what telemetry observes: its facts at the beginning, and how it ended.

use super::{
    CallAnswer, Core, NotAdmitted, Refusal,
    request::{Denial, Request},
};
use crate::{
    record::Origin,
    revision::Revision,
    telemetry::{Ending, McpMethod, Observation, RequestEnd, RequestFacts},
    tool::{caller::Caller, output::Reply},
};

/// Begins to observe a round of a call.
pub(super) fn begin<'a>(core: &'a Core, request: &Request<'a>, caller: &'a Caller) -> Observation<'a> {
    let origin = (request.origin, Some(request.revision));
    core.telemetry.begin(facts(core, caller, request.tool, origin))
}

/// Observes a call that was refused before its first round.
pub(super) fn refused(
    core: &Core,
    caller: &Caller,
    tool: Option<usize>,
    origin: (&Origin, Option<Revision>),
    refusal: &NotAdmitted,
) {
    let end = RequestEnd::Error(Refusal::from(refusal.clone()).code());
    let ending = Ending { end, denied_by: Some(refusal.denied_by()), is_replay: false };
    core.telemetry.begin(facts(core, caller, tool, origin)).end(ending);
}

fn facts<'a>(
    core: &'a Core,
    caller: &'a Caller,
    tool: Option<usize>,
    (origin, revision): (&'a Origin, Option<Revision>),
) -> RequestFacts<'a> {
    RequestFacts {
        method: McpMethod::ToolsCall,
        tool,
        transport: origin.transport,
        revision,
        trace: origin.trace.as_ref(),
        incoming: origin.incoming.clone(),
        caller: core.audit.as_ref().map(|recorder| (caller, recorder)),
    }
}

/// Says how a round ended.
pub(super) fn ending(answer: &Result<CallAnswer, Denial>) -> Ending {
    match answer {
        Ok(CallAnswer::Reply(reply)) => Ending { is_replay: reply.replayed, ..end_of(reply).into() },
        Ok(CallAnswer::Ask { .. }) => RequestEnd::Asked.into(),
        Ok(CallAnswer::Task(_)) => Ending { is_replay: true, ..RequestEnd::Task.into() },
        Err(Denial { by, answer: Ok(reply), .. }) => Ending { denied_by: *by, ..end_of(reply).into() },
        Err(Denial { by, answer: Err(refusal), .. }) => {
            Ending { denied_by: *by, ..RequestEnd::Error(refusal.code()).into() }
        }
    }
}

fn end_of(reply: &Reply) -> RequestEnd {
    if reply.error.is_some() { RequestEnd::ToolError } else { RequestEnd::Answered }
}
