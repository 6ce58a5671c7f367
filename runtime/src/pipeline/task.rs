//! Checks that a tool which answers only with a task is called by a client that takes one.

use super::{NotAdmitted, Refusal};
use crate::tool::descriptor::{Descriptor, Task};

/// Whether a call runs in a task.
pub(crate) enum TaskMode<'a> {
    /// The client did not declare that it takes tasks.
    NotRequested,
    /// The limit of tasks is reached.
    AtCapacity,
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

pub(super) fn check(tool: &'static Descriptor, task: &TaskMode<'_>) -> Result<(), Refusal> {
    match (tool.task, task) {
        (Some(Task::Required), TaskMode::NotRequested) => Err(Refusal::NeedsTask { tool: tool.name }),
        (Some(Task::Required), TaskMode::AtCapacity) => {
            Err(NotAdmitted::TooManyInFlight { tool: tool.name }.into())
        }
        _ => Ok(()),
    }
}
