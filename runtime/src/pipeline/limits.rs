//! Stage: neither too often nor too many at once.

use super::{Core, Refusal};
use crate::{
    limits::{Slot, Wait},
    tool::caller::Caller,
};

pub(super) fn rate(core: &Core, at: usize, caller: &Caller) -> Result<(), Refusal> {
    core.limits.rate(at, caller).map_err(|wait| refusal(core, at, wait))
}

/// The call's place among those at work. The handler holds it until it really ends.
pub(super) fn slot(core: &Core, at: usize) -> Result<Slot, Refusal> {
    core.limits.slot(at).map_err(|wait| refusal(core, at, wait))
}

fn refusal(core: &Core, at: usize, wait: Wait) -> Refusal {
    let tool = core.registry.tools()[at].descriptor.name;
    match wait {
        Wait::Rate(wait) => Refusal::RateLimited { tool, wait },
        Wait::InFlight => Refusal::TooManyInFlight { tool },
    }
}
