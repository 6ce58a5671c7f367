//! Holds everything that the calls of one server share.

use std::{collections::HashSet, sync::Arc};

use tokio_util::task::TaskTracker;

#[cfg(feature = "telemetry")]
use super::OutdatedCalls;
use super::{outdated::OutdatedTools, preview::Previews};
#[cfg(any(feature = "http", feature = "postgres"))]
use crate::store::SharedDatabase;
#[cfg(feature = "telemetry")]
use crate::telemetry::{DeprecatedCalls, LiveAudit, LiveValues};
use crate::{
    confirm::Confirmations,
    idempotency::Idempotency,
    limits::Limits,
    record::{CallSubject, Recorder},
    registry::{Definition, Registry},
    replica::ReplicaName,
    sandbox::Sandboxes,
    scopes::Visibility,
    tasks::Tasks,
    telemetry::Telemetry,
    tool::handler::Handler,
};

/// Everything that the calls of one server share. It does not change while the server runs.
pub(crate) struct Core {
    /// The name of this replica, if it has one.
    #[cfg_attr(
        not(any(feature = "cli", feature = "http")),
        expect(dead_code, reason = "only the command line and HTTP tell it")
    )]
    pub(crate) replica: Option<ReplicaName>,
    pub(crate) registry: Registry,
    /// One per tool, in the registry's order.
    pub(crate) handlers: Vec<Handler>,
    pub(crate) visibility: Visibility,
    /// The threads that handlers run on.
    pub(crate) sandboxes: Sandboxes,
    pub(crate) limits: Limits,
    pub(crate) confirmations: Confirmations,
    pub(crate) tasks: Arc<Tasks>,
    /// The calls that run without being confirmed, by the operator's choice.
    pub(crate) skip_confirmation: SkipConfirmation,
    /// The tools whose answers questions for a confirmation show.
    pub(crate) previews: Previews,
    /// The maximum size of a result of a tool that declares none, in bytes.
    pub(crate) max_output: usize,
    /// The audit log, if the server keeps one.
    pub(crate) audit: Option<Recorder>,
    /// The database that the replicas share.
    #[cfg(any(feature = "http", feature = "postgres"))]
    pub(crate) shared: SharedDatabase,
    /// The idempotency keys of callers, if the server keeps them.
    pub(crate) idempotency: Option<Idempotency>,
    pub(crate) telemetry: Telemetry,
    /// The tools that are deprecated or have earlier names.
    pub(crate) outdated: OutdatedTools,
    /// Calls whose handlers run, whether or not a client still waits for them.
    pub(crate) in_flight: TaskTracker,
    /// Tools that exist but are not served: in read-only mode, those that may write.
    pub(crate) disabled_tools: HashSet<&'static str>,
}

/// The tools that run without being confirmed.
pub(crate) enum SkipConfirmation {
    All,
    /// The tools at these indices of the registry.
    Tools(HashSet<usize>),
}

impl SkipConfirmation {
    pub(super) fn covers(&self, tool: usize) -> bool {
        match self {
            Self::All => true,
            Self::Tools(tools) => tools.contains(&tool),
        }
    }
}

impl Core {
    /// The tool at `index` of the registry.
    pub(crate) fn tool(&self, index: usize) -> &Definition {
        &self.registry.tools()[index]
    }

    /// Returns all metrics as text.
    #[cfg(feature = "telemetry")]
    pub(crate) fn metrics(&self) -> String {
        let audit = self.audit.as_ref().map(|recorder| &recorder.log);
        let deprecated = self.outdated.calls().into_iter();
        self.telemetry.text(LiveValues {
            tasks: self.tasks.count(),
            audit: audit.map(|log| LiveAudit { queued: log.queued(), failures: log.failures() }),
            deprecated: deprecated
                .map(|OutdatedCalls { tool, alias, calls }| DeprecatedCalls { tool, alias, calls })
                .collect(),
        })
    }

    /// Says what a record can tell of a tool that was looked up by `name`.
    pub(super) fn subject<'a>(&'a self, tool: Option<usize>, name: &'a str) -> CallSubject<'a> {
        match tool {
            Some(index) => CallSubject::Tool(index, self.tool(index), name),
            None if self.disabled_tools.contains(name) => CallSubject::Disabled(name),
            None => CallSubject::Unknown(name),
        }
    }
}
