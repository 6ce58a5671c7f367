//! Stage: a tool that answers with a task only is called by a client that takes one.

use super::Refusal;
use crate::tool::descriptor::{Descriptor, Task};

/// Whether a call runs in a task.
pub(crate) enum AsTask<'a> {
    /// Its client did not say that it takes one.
    No,
    /// There are as many tasks as may be.
    Full,
    /// It does; told in its first round, once nothing stands before the handler any more.
    Yes(Option<Box<dyn FnOnce() + Send + 'a>>),
}

impl AsTask<'_> {
    pub(super) fn is_one(&self) -> bool {
        matches!(self, Self::Yes(_))
    }

    /// Lets whoever waits know that the call begins.
    pub(super) fn begin(self) {
        if let Self::Yes(Some(begun)) = self {
            begun();
        }
    }
}

pub(super) fn check(tool: &'static Descriptor, task: &AsTask<'_>) -> Result<(), Refusal> {
    match (tool.task, task) {
        (Some(Task::Required), AsTask::No) => Err(Refusal::NeedsTask { tool: tool.name }),
        (Some(Task::Required), AsTask::Full) => Err(Refusal::TooManyInFlight { tool: tool.name }),
        _ => Ok(()),
    }
}
