//! Opens the task that a call runs in, and checks that a tool which answers only with a task gets one.

use super::{Core, Refusal};
use crate::{
    tasks::{NoTask, Running},
    tool::{
        caller::Caller,
        descriptor::{Descriptor, Task},
    },
};

/// Whether a call runs in a task.
pub(crate) enum TaskMode {
    /// The call runs in no task.
    NotRequested,
    /// The call runs in this task.
    Requested {
        id: String,
        /// Called once, in the first round, when every check has passed.
        begin: Option<Box<dyn FnOnce() + Send + Sync>>,
    },
}

impl TaskMode {
    pub(super) fn is_requested(&self) -> bool {
        self.id().is_some()
    }

    pub(super) fn id(&self) -> Option<&str> {
        match self {
            Self::Requested { id, .. } => Some(id),
            Self::NotRequested => None,
        }
    }

    /// Whether the client does not know of the task yet.
    pub(super) fn is_first_round(&self) -> bool {
        matches!(self, Self::Requested { begin: Some(_), .. })
    }

    /// Announces that the handler begins.
    pub(super) fn begin(self) {
        if let Self::Requested { begin: Some(begin), .. } = self {
            begin();
        }
    }
}

/// Opens a task for a call, if its tool takes one. A call whose tool can also answer plainly does without if there is no
/// place for another task.
pub(super) async fn open(
    core: &Core,
    caller: &Caller,
    tool: &'static Descriptor,
) -> Result<Option<Running>, NoTask> {
    let Some(task) = tool.task else { return Ok(None) };
    match (core.tasks.open_for(caller, tool.scopes, tool.timeout).await, task) {
        (Ok(running), _) => Ok(Some(running)),
        (Err(_), Task::Optional) => Ok(None),
        (Err(why), Task::Required) => Err(why),
    }
}

pub(super) fn check(tool: &'static Descriptor, task: &TaskMode) -> Result<(), Refusal> {
    match (tool.task, task) {
        (Some(Task::Required), TaskMode::NotRequested) => Err(Refusal::NeedsTask { tool: tool.name }),
        _ => Ok(()),
    }
}
