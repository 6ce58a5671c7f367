//! Holds everything that the connections of one server share.

use std::sync::Arc;

use futures::future::BoxFuture;
use rmcp::model::{Implementation, ProtocolVersion, RequestMetaObject};
use serde_json::{Map, Value};
use tokio_util::task::TaskTracker;

use super::{convert::SERVER_INFO, tool_list::Lists, user_handler::UserHandler};
#[cfg(any(feature = "cli", feature = "http"))]
use crate::background::Background;
use crate::{
    about::About,
    lifecycle::Lifecycle,
    pipeline::Core,
    record::{Origin, TraceId},
    revision::Revision,
    scopes::Scopes,
    spans::IncomingTrace,
};

/// Everything that the connections of one server share.
pub(crate) struct Shared {
    pub(crate) about: About,
    pub(crate) core: Arc<Core>,
    pub(super) lists: Lists,
    pub(super) revisions: Vec<ProtocolVersion>,
    pub(super) user_handler: Option<UserHandler>,
    pub(crate) scopes: Arc<Scopes>,
    /// The value of [`SERVER_INFO`] in every modern result (SHOULD in 2026-07-28).
    pub(super) server_info: Value,
    /// Calls whose handlers run, whether or not a client still waits for them.
    pub(super) in_flight: TaskTracker,
    #[cfg_attr(not(feature = "http"), expect(dead_code, reason = "only HTTP has a readiness endpoint"))]
    pub(super) checks: Vec<ReadinessCheck>,
    #[cfg(any(feature = "cli", feature = "http"))]
    pub(super) background: Background,
    /// Dropped last: the state may need the runtime that it was made on until then.
    pub(super) lifecycle: Lifecycle,
}

/// One of the server's own conditions of readiness.
#[cfg_attr(not(feature = "http"), expect(dead_code, reason = "only HTTP has a readiness endpoint"))]
pub(crate) struct ReadinessCheck {
    pub(crate) name: String,
    pub(crate) passes: Arc<dyn Fn() -> BoxFuture<'static, bool> + Send + Sync>,
}

impl Shared {
    /// Describes how a call arrived. The client's identity is read only if calls are recorded. `incoming` is what the span
    /// of the request takes from it.
    pub(super) fn origin(
        &self,
        transport: &'static str,
        meta: &RequestMetaObject,
        client: impl FnOnce() -> Option<Implementation>,
        incoming: Option<Arc<IncomingTrace>>,
    ) -> Origin {
        let client = self.core.audit.as_ref().and_then(|_| client());
        let traceparent = meta.get("traceparent").and_then(Value::as_str);
        Origin {
            transport,
            client: client.map(|client| format!("{}/{}", client.name, client.version)),
            trace: traceparent.and_then(TraceId::parse),
            incoming,
        }
    }

    /// Starts the threads that calls need.
    #[cfg(feature = "http")]
    pub(super) fn start_threads(&self) {
        let tools = self.core.registry.tools().iter().map(|tool| tool.descriptor);
        let has_user_code = self.user_handler.is_some() || !self.checks.is_empty();
        self.core.sandboxes.start(tools, has_user_code);
    }

    /// Prepares the current runtime, which calls run on from now.
    #[cfg_attr(not(feature = "postgres"), expect(clippy::unused_self, reason = "nothing is shared"))]
    pub(super) fn enter_runtime(&self) {
        #[cfg(feature = "postgres")]
        self.core.shared.drive_here();
    }

    /// Whether any tool answers with a task, under a revision that has tasks.
    pub(super) fn has_tasks(&self) -> bool {
        let tools = self.core.registry.tools();
        let modern = self.revisions.iter().any(|revision| !revision.has_initialize());
        modern && tools.iter().any(|tool| tool.descriptor.task.is_some())
    }

    /// The start of every result's `_meta` under this revision.
    pub(super) fn meta(&self, revision: Revision) -> Map<String, Value> {
        let mut meta = Map::new();
        if !revision.is_legacy() {
            meta.insert(SERVER_INFO.to_owned(), self.server_info.clone());
        }
        meta
    }
}
