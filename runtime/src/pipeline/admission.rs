//! Admits a call: the tool exists, the caller holds its scopes, and no limit is exceeded.
//!
//! HTTP must know the outcome before it answers, since the status depends on it. It calls [`admit`] itself and hands the
//! [`Admission`] on, so that nothing is decided or counted twice.

use std::{sync::Arc, time::Duration};

use super::{Core, observed, task};
use crate::{
    limits::{LimitOf, Slot, Wait},
    message::Message,
    record::{DeniedBy, Origin},
    registry::Definition,
    revision::Revision,
    scopes::Visibility,
    tasks::{NoTask, Running, TaskLimit, TasksOf},
    text,
    tool::{caller::Caller, descriptor::Descriptor},
};

/// An admitted call, with its share of the limits of concurrency.
pub(crate) struct Admission {
    /// The index of the tool in the registry.
    pub(crate) tool: usize,
    pub(super) slot: Slot,
    /// The task that the call runs in, until its driver takes it.
    task: Option<Running>,
}

impl Admission {
    /// Takes the task that the call runs in.
    pub(crate) fn take_task(&mut self) -> Option<Running> {
        self.task.take()
    }
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
        of: LimitOf,
        wait: Duration,
    },
    /// The tool, the caller or the server is at its limit of concurrent calls.
    TooManyInFlight {
        tool: &'static str,
        of: LimitOf,
        max: u32,
    },
    /// The caller or the server is at its limit of tasks, and the tool answers only with one.
    TooManyTasks(TaskLimit),
    /// The call cannot be counted: the database that the replicas share does not answer.
    StoreUnavailable {
        tool: &'static str,
    },
}

/// The seconds after which a caller is asked to come again, if the store does not answer.
const STORE_RETRY_SECONDS: u64 = 10;

/// Decides whether a call is admitted: look-up, scopes, tasks, rate and concurrency, in this order. If the tool and the
/// client take tasks, the call gets one.
pub(crate) async fn admit(
    core: &Core,
    caller: &Caller,
    tool: Option<usize>,
    name: &str,
    takes_tasks: bool,
) -> Result<Admission, NotAdmitted> {
    let (index, tool) = authorized(core, caller, tool, name)?;
    // Before the rate: a call that finds no place for its task costs its caller nothing.
    let task = if takes_tasks { open_task(core, caller, index, tool.descriptor).await? } else { None };
    let slot = core.limits.take(index, caller).await.map_err(|wait| exceeded(tool.descriptor, wait))?;
    Ok(Admission { tool: index, slot, task })
}

/// Opens a task for a call. A refusal tells the longest wait of all limits.
async fn open_task(
    core: &Core,
    caller: &Caller,
    index: usize,
    tool: &'static Descriptor,
) -> Result<Option<Running>, NotAdmitted> {
    task::open(core, caller, tool).await.map_err(|why| match (why, core.limits.rate_wait(index, caller)) {
        (NoTask::Store, _) => NotAdmitted::StoreUnavailable { tool: tool.name },
        (NoTask::Limit(limit), Some(rate @ Wait::Rate { wait, .. })) if wait > limit.wait => {
            exceeded(tool, rate)
        }
        (NoTask::Limit(limit), _) => NotAdmitted::TooManyTasks(limit),
    })
}

/// Admits a later round of a call, which was counted with its first.
pub(super) fn admit_next(
    core: &Core,
    caller: &Caller,
    tool: Option<usize>,
    name: &str,
) -> Result<Admission, NotAdmitted> {
    let (index, _) = authorized(core, caller, tool, name)?;
    Ok(Admission { tool: index, slot: slot(core, index, caller)?, task: None })
}

/// Admits a later round of a call, and waits for a slot if none is free.
pub(crate) async fn admit_in_turn(
    core: &Core,
    caller: &Caller,
    tool: Option<usize>,
    name: &str,
) -> Result<Admission, NotAdmitted> {
    let (index, _) = authorized(core, caller, tool, name)?;
    Ok(Admission { tool: index, slot: core.limits.slot_in_turn(index, caller).await, task: None })
}

/// Records and observes a call that was refused by [`admit`] before its first round.
pub(crate) fn record_refusal(
    core: &Core,
    caller: &Arc<Caller>,
    tool: Option<usize>,
    name: &str,
    (origin, revision): (&Origin, Option<Revision>),
    refusal: &NotAdmitted,
) {
    observed::refused(core, caller, tool, (origin, revision), refusal);
    if let Some(recorder) = &core.audit {
        let pending = recorder.pending(core.subject(tool, name), caller, origin, revision);
        pending.denied(refusal.denied_by(), None, None);
    }
}

/// Takes the call's share of the limits of concurrency. The handler holds it until it ends.
pub(super) fn slot(core: &Core, index: usize, caller: &Caller) -> Result<Slot, NotAdmitted> {
    core.limits.slot(index, caller).map_err(|wait| exceeded(core.tool(index).descriptor, wait))
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
        Wait::Rate { of, wait } => NotAdmitted::RateLimited { tool: tool.name, of, wait },
        Wait::InFlight { of, max } => NotAdmitted::TooManyInFlight { tool: tool.name, of, max },
        Wait::Store => NotAdmitted::StoreUnavailable { tool: tool.name },
    }
}

impl NotAdmitted {
    pub(super) fn denied_by(&self) -> DeniedBy {
        match self {
            Self::UnknownTool { disabled: true, .. } => DeniedBy::ReadOnlyMode,
            Self::UnknownTool { .. } => DeniedBy::UnknownTool,
            Self::MissingScopes { .. } => DeniedBy::Scope,
            Self::RateLimited { .. } | Self::TooManyInFlight { .. } | Self::StoreUnavailable { .. } => {
                DeniedBy::Rate
            }
            Self::TooManyTasks(_) => DeniedBy::Task,
        }
    }

    pub(crate) fn message(&self) -> Message {
        let message = match self {
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
            Self::RateLimited { tool, of, .. } => {
                let calls = if *of == LimitOf::Caller { "calls" } else { "is called" };
                Message::new(format!("{} {calls} too often", self.owner(tool)))
            }
            Self::TooManyInFlight { tool, max, .. } => {
                let calls = if *max == 1 { "call" } else { "calls" };
                Message::new(format!("{} is at its limit of {max} concurrent {calls}", self.owner(tool)))
            }
            Self::TooManyTasks(TaskLimit { max, .. }) => {
                Message::new(format!("{} is at its limit of {max} tasks", self.owner("")))
                    .note("a task counts until its `ttlMs` is over, also if it has ended")
            }
            Self::StoreUnavailable { tool } => {
                Message::new(format!("calls of tool `{tool}` cannot be counted at present; it did not run"))
            }
        };
        match self.retry_after() {
            Some(seconds) => message.help(format!("call again in {seconds} s")),
            None => message,
        }
    }

    /// Names the owner of the exceeded limit in a sentence.
    fn owner(&self, tool: &str) -> String {
        match self.limit() {
            Some("tool") | None => format!("tool `{tool}`"),
            Some(owner) => format!("this {owner}"),
        }
    }

    /// The owner of the exceeded limit, if a limit refuses the call.
    pub(super) fn limit(&self) -> Option<&'static str> {
        match self {
            Self::RateLimited { of, .. } | Self::TooManyInFlight { of, .. } => Some(match of {
                LimitOf::Tool => "tool",
                LimitOf::Caller => "caller",
                LimitOf::Server => "server",
            }),
            Self::TooManyTasks(limit) => Some(match limit.of {
                TasksOf::Caller => "caller",
                TasksOf::Server => "server",
            }),
            Self::UnknownTool { .. } | Self::MissingScopes { .. } | Self::StoreUnavailable { .. } => None,
        }
    }

    /// The seconds after which the same call may succeed, if waiting helps.
    pub(crate) fn retry_after(&self) -> Option<u64> {
        match self {
            Self::RateLimited { wait, .. } => Some(text::whole_seconds(*wait)),
            Self::TooManyInFlight { .. } => Some(1),
            Self::TooManyTasks(limit) => Some(text::whole_seconds(limit.wait)),
            Self::StoreUnavailable { .. } => Some(STORE_RETRY_SECONDS),
            Self::UnknownTool { .. } | Self::MissingScopes { .. } => None,
        }
    }
}
