//! Stage: the caller holds every scope the tool names.

use super::{Core, Refusal, known};
use crate::tool::{caller::Caller, descriptor::Descriptor};

/// What becomes of a tool that a caller has no scope for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Visibility {
    /// Left out of the list; a call is told what is missing.
    #[default]
    Hidden,
    /// Like one that does not exist.
    Concealed,
    /// Listed with its scopes.
    Listed,
}

pub(super) fn check(core: &Core, tool: &'static Descriptor, caller: &Caller) -> Result<(), Refusal> {
    if missing(tool, caller).next().is_none() {
        return Ok(());
    }
    if core.visibility == Visibility::Concealed {
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
