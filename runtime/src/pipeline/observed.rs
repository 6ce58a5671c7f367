//! Opens the observation of a round of a call, with the facts that are known before its first stage.

use super::{Core, NotAdmitted, Refusal};
use crate::{
    record::Origin,
    revision::Revision,
    telemetry::{Ending, McpMethod, Observation, RequestEnd, RequestFacts},
    tool::caller::Caller,
};

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
    begin(core, caller, tool, origin).end(ending);
}

/// Begins to observe a round of a call.
pub(super) fn begin<'a>(
    core: &'a Core,
    caller: &'a Caller,
    tool: Option<usize>,
    (origin, revision): (&'a Origin, Option<Revision>),
) -> Observation<'a> {
    core.telemetry.begin(RequestFacts {
        method: McpMethod::ToolsCall,
        tool,
        transport: origin.transport,
        revision,
        trace: origin.trace.as_ref(),
        incoming: origin.incoming.clone(),
        caller: core.audit.as_ref().map(|recorder| (caller, recorder)),
    })
}
