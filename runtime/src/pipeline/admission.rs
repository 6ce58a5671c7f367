//! Admits a call: the tool exists, the caller holds its scopes, and no limit is exceeded.
//!
//! HTTP must know the outcome before it answers, since the status depends on it. It calls [`admit`] itself and hands the
//! [`Admission`] on, so that nothing is decided or counted twice.

#[cfg(feature = "http")]
use std::sync::Arc;
use std::time::Duration;

use super::Core;
#[cfg(feature = "http")]
use crate::record::Origin;
use crate::{
    limits::{Slot, Wait},
    message::Message,
    record::DeniedBy,
    registry::Definition,
    scopes::Visibility,
    text,
    tool::{caller::Caller, descriptor::Descriptor},
};

/// An admitted call, with its share of the tool's concurrency.
#[derive(Debug)]
pub(crate) struct Admission {
    /// The index of the tool in the registry.
    pub(crate) tool: usize,
    pub(super) slot: Slot,
}

/// Why a call is not admitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NotAdmitted {
    /// No tool has this name, or none that this caller may know of.
    UnknownTool {
        name: String,
        nearest: Option<String>,
        disabled: bool,
    },
    MissingScopes {
        tool: &'static str,
        required: &'static [&'static str],
        missing: Vec<&'static str>,
    },
    /// The caller, or all callers together, call too often.
    RateLimited {
        tool: &'static str,
        wait: Duration,
    },
    /// The tool, or the server, is at its limit of concurrent calls.
    TooManyInFlight {
        tool: &'static str,
    },
}

/// Decides whether a call is admitted: look-up, scopes, rate and concurrency, in this order.
pub(crate) fn admit(
    core: &Core,
    caller: &Caller,
    tool: Option<usize>,
    name: &str,
) -> Result<Admission, NotAdmitted> {
    let (index, tool) = authorized(core, caller, tool, name)?;
    let slot = core.limits.admit(index, caller).map_err(|wait| exceeded(tool.descriptor, wait))?;
    Ok(Admission { tool: index, slot })
}

/// Admits a later round of a call, which was counted with its first.
pub(super) fn admit_next(
    core: &Core,
    caller: &Caller,
    tool: Option<usize>,
    name: &str,
) -> Result<Admission, NotAdmitted> {
    let (index, _) = authorized(core, caller, tool, name)?;
    Ok(Admission { tool: index, slot: slot(core, index)? })
}

/// Admits a later round of a call, and waits for a slot if none is free.
pub(crate) async fn admit_in_turn(
    core: &Core,
    caller: &Caller,
    tool: Option<usize>,
    name: &str,
) -> Result<Admission, NotAdmitted> {
    let (index, _) = authorized(core, caller, tool, name)?;
    Ok(Admission { tool: index, slot: core.limits.slot_in_turn(index).await })
}

/// Records a call that a transport refused because of [`admit`].
#[cfg(feature = "http")]
pub(crate) fn record_refusal(
    core: &Core,
    caller: &Arc<Caller>,
    tool: Option<usize>,
    name: &str,
    origin: &Origin,
    refusal: &NotAdmitted,
) {
    if let Some(recorder) = &core.audit {
        let pending = recorder.pending(core.subject(tool, name), caller, origin, None);
        pending.denied(refusal.denied_by(), None, None);
    }
}

/// Takes the call's share of the tool's concurrency. The handler holds it until it ends.
pub(super) fn slot(core: &Core, index: usize) -> Result<Slot, NotAdmitted> {
    core.limits.slot(index).map_err(|wait| exceeded(core.tool(index).descriptor, wait))
}

fn authorized<'a>(
    core: &'a Core,
    caller: &Caller,
    tool: Option<usize>,
    name: &str,
) -> Result<(usize, &'a Definition), NotAdmitted> {
    let Some(index) = tool else { return Err(unknown(core, caller, name)) };
    let definition = core.tool(index);
    let tool = definition.descriptor;
    let missing: Vec<_> = caller.missing_scopes(tool).collect();
    if missing.is_empty() {
        return Ok((index, definition));
    }
    if core.visibility == Visibility::Concealed {
        return Err(unknown(core, caller, name));
    }
    Err(NotAdmitted::MissingScopes { tool: tool.name, required: tool.scopes, missing })
}

/// The refusal of a name without a tool. It reveals nothing about tools that the caller cannot see.
fn unknown(core: &Core, caller: &Caller, name: &str) -> NotAdmitted {
    let tools = core.registry.tools().iter().map(|tool| tool.descriptor);
    let visible = tools.filter(|tool| caller.missing_scopes(tool).next().is_none());
    let nearest = text::nearest(name, visible.map(|tool| tool.name)).map(str::to_owned);
    let disabled = core.disabled_tools.contains(name);
    NotAdmitted::UnknownTool { name: text::shown(name), nearest, disabled }
}

fn exceeded(tool: &'static Descriptor, wait: Wait) -> NotAdmitted {
    match wait {
        Wait::Rate(wait) => NotAdmitted::RateLimited { tool: tool.name, wait },
        Wait::InFlight => NotAdmitted::TooManyInFlight { tool: tool.name },
    }
}

impl NotAdmitted {
    pub(super) fn denied_by(&self) -> DeniedBy {
        match self {
            Self::UnknownTool { disabled: true, .. } => DeniedBy::ReadOnlyMode,
            Self::UnknownTool { .. } => DeniedBy::UnknownTool,
            Self::MissingScopes { .. } => DeniedBy::Scope,
            Self::RateLimited { .. } | Self::TooManyInFlight { .. } => DeniedBy::Rate,
        }
    }

    pub(crate) fn message(&self) -> Message {
        match self {
            Self::UnknownTool { name, nearest, .. } => {
                let message = Message::new(format!("Unknown tool: {name}"));
                match nearest {
                    Some(nearest) => message.help(format!("did you mean `{nearest}`?")),
                    None => message.help("`tools/list` names the tools you may call"),
                }
            }
            Self::MissingScopes { tool, missing, .. } => {
                let scopes = if missing.len() == 1 { "a scope" } else { "scopes" };
                let names = missing.iter().map(|scope| format!("`{scope}`")).collect::<Vec<_>>().join(", ");
                Message::new(format!(
                    "tool `{tool}` needs {scopes} that this caller was not granted: {names}"
                ))
                .help(format!("on stdio, start the server with `--grant \"{}\"`", missing.join(" ")))
            }
            Self::RateLimited { tool, wait } => Message::new(format!("tool `{tool}` is called too often"))
                .help(format!("call again in {} s", text::whole_seconds(*wait))),
            Self::TooManyInFlight { tool } => {
                Message::new(format!("tool `{tool}` is at its limit of concurrent calls"))
                    .help("call again in 1 s")
            }
        }
    }

    /// The seconds after which the same call may succeed, if waiting helps.
    pub(crate) fn retry_after(&self) -> Option<u64> {
        match self {
            Self::RateLimited { wait, .. } => Some(text::whole_seconds(*wait)),
            Self::TooManyInFlight { .. } => Some(1),
            Self::UnknownTool { .. } | Self::MissingScopes { .. } => None,
        }
    }
}
