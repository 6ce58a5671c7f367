//! Stage: a tool that answers with a task only is called by a client that takes one.

use super::Refusal;
use crate::tool::descriptor::{Descriptor, Task};

/// Whether a call runs in a task.
pub(crate) enum TaskMode<'a> {
    /// Its client did not say that it takes one.
    NotRequested,
    /// There are as many tasks as may be.
    AtCapacity,
    /// It does; told in its first round, once nothing stands before the handler any more.
    Requested(Option<Box<dyn FnOnce() + Send + 'a>>),
}

impl TaskMode<'_> {
    pub(super) fn is_requested(&self) -> bool {
        matches!(self, Self::Requested(_))
    }

    /// Lets whoever waits know that the call begins.
    pub(super) fn begin(self) {
        if let Self::Requested(Some(begun)) = self {
            begun();
        }
    }
}

pub(super) fn check(tool: &'static Descriptor, task: &TaskMode<'_>) -> Result<(), Refusal> {
    match (tool.task, task) {
        (Some(Task::Required), TaskMode::NotRequested) => Err(Refusal::NeedsTask { tool: tool.name }),
        (Some(Task::Required), TaskMode::AtCapacity) => Err(Refusal::TooManyInFlight { tool: tool.name }),
        _ => Ok(()),
    }
}
