//! Checks that a tool which answers only with a task is called by a client that takes one.

use super::{NotAdmitted, Refusal};
use crate::tool::descriptor::{Descriptor, Task};

/// Whether a call runs in a task.
pub(crate) enum TaskMode {
    /// The client did not declare that it takes tasks.
    NotRequested,
    /// The limit of tasks is reached.
    AtCapacity,
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
            Self::NotRequested | Self::AtCapacity => None,
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

pub(super) fn check(tool: &'static Descriptor, task: &TaskMode) -> Result<(), Refusal> {
    match (tool.task, task) {
        (Some(Task::Required), TaskMode::NotRequested) => Err(Refusal::NeedsTask { tool: tool.name }),
        (Some(Task::Required), TaskMode::AtCapacity) => {
            Err(NotAdmitted::TooManyInFlight { tool: tool.name }.into())
        }
        _ => Ok(()),
    }
}
