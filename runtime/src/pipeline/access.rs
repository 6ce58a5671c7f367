//! Stage: the caller holds every scope the tool names.

use super::{Core, Refusal, known};
use crate::{call::Caller, descriptor::Descriptor};

pub(super) fn check(core: &Core, tool: &'static Descriptor, caller: &Caller) -> Result<(), Refusal> {
    if missing(tool, caller).next().is_none() {
        return Ok(());
    }
    if core.conceal {
        return Err(known::unknown(core, caller, tool.name));
    }
    let missing = missing(tool, caller).collect();
    Err(Refusal::MissingScopes { tool: tool.name, required: tool.scopes, missing })
}

/// The scopes of `tool` that `caller` does not hold.
pub(crate) fn missing<'a>(
    tool: &Descriptor,
    caller: &'a Caller,
) -> impl Iterator<Item = &'static str> + use<'a> {
    tool.scopes.iter().copied().filter(|scope| !caller.holds(scope))
}
