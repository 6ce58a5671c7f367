//! Opens the task that a call runs in, and checks that a tool which answers only with a task gets one.

use super::{Core, Refusal};
use crate::{
    tasks::{Running, TaskLimit},
    tool::{
        caller::Caller,
        descriptor::{Descriptor, Task},
    },
};

/// Whether a call runs in a task.
pub(crate) enum TaskMode<'a> {
    /// The call runs in no task.
    NotRequested,
    /// The call runs in a task. The callback is called once, in the first round, when every check has passed.
    Requested(Option<Box<dyn FnOnce() + Send + 'a>>),
}

impl TaskMode<'_> {
    pub(super) fn is_requested(&self) -> bool {
        matches!(self, Self::Requested(_))
    }

    /// Announces that the handler begins.
    pub(super) fn begin(self) {
        if let Self::Requested(Some(announce)) = self {
            announce();
        }
    }
}

/// Opens a task for a call, if its tool takes one. A call whose tool can also answer plainly does without if there is no
/// place for another task.
pub(super) fn open(
    core: &Core,
    caller: &Caller,
    tool: &'static Descriptor,
) -> Result<Option<Running>, TaskLimit> {
    let Some(task) = tool.task else { return Ok(None) };
    match (core.tasks.open(caller, tool.scopes, tool.timeout), task) {
        (Ok(running), _) => Ok(Some(running)),
        (Err(_), Task::Optional) => Ok(None),
        (Err(limit), Task::Required) => Err(limit),
    }
}

pub(super) fn check(tool: &'static Descriptor, task: &TaskMode<'_>) -> Result<(), Refusal> {
    match (tool.task, task) {
        (Some(Task::Required), TaskMode::NotRequested) => Err(Refusal::NeedsTask { tool: tool.name }),
        _ => Ok(()),
    }
}
