//! A server that is ready to serve connections, and what can be asked about it.

#[cfg(feature = "cli")]
use std::time::Duration;
use std::{collections::BTreeSet, sync::Arc};

use serde_json::json;

#[cfg(feature = "postgres")]
use super::mcp::task_again::TaskRerunner;
use super::{
    convert,
    shared::{ReadinessCheck, Shared},
    tool_list::Lists,
    user_handler::UserHandler,
};
#[cfg(any(feature = "cli", feature = "http"))]
use crate::background::Background;
#[cfg(feature = "cli")]
use crate::replica::ReplicaName;
use crate::{
    about::About,
    lifecycle::Lifecycle,
    message::Message,
    pipeline::{Core, OutdatedCalls},
    revision::Revision,
    scopes::Scopes,
    text,
    tool::caller::Caller,
    warnings::warnings,
};

/// A server that is ready for connections. Clones share it.
#[derive(Clone)]
pub struct Service {
    pub(super) shared: Arc<Shared>,
    /// The granted scopes as configured; `caller` also holds those that they imply.
    granted: BTreeSet<String>,
    pub(super) caller: Arc<Caller>,
}

impl Service {
    pub(crate) fn new(
        about: About,
        core: Core,
        revisions: Vec<Revision>,
        user_handler: Option<UserHandler>,
        scopes: Scopes,
        checks: Vec<ReadinessCheck>,
        lifecycle: Lifecycle,
    ) -> Self {
        let honours_keys = core.idempotency.as_ref().is_some_and(|keys| keys.is_honoured);
        let lists = Lists::new(&core.registry, core.visibility, honours_keys);
        let revisions = revisions.into_iter().map(convert::version).collect();
        let server_info = json!(convert::implementation(&about));
        let scopes = Arc::new(scopes);
        let in_flight = core.in_flight.clone();
        let shared = Shared {
            about,
            core: Arc::new(core),
            lists,
            revisions,
            user_handler,
            scopes,
            server_info,
            in_flight,
            checks,
            lifecycle,
            #[cfg(any(feature = "cli", feature = "http"))]
            background: Background::default(),
        };
        let shared = Arc::new(shared);
        #[cfg(feature = "postgres")]
        shared.core.tasks.set_runs_again(TaskRerunner(Arc::downgrade(&shared)));
        Self { shared, granted: BTreeSet::new(), caller: Arc::new(Caller::local::<&str>([])) }
    }

    /// Grants scopes, separated by spaces, to the client of every connection. Nothing is granted by default.
    pub fn grant(mut self, scopes: &str) -> Self {
        self.granted.extend(scopes.split_whitespace().map(str::to_owned));
        self.caller = Arc::new(Caller::local(self.shared.scopes.held(self.granted.iter().cloned())));
        self
    }

    /// The server's name and version.
    #[cfg(feature = "cli")]
    pub(crate) fn name(&self) -> (&str, &str) {
        (&self.shared.about.name, &self.shared.about.version)
    }

    /// The name of this replica, if it has one.
    #[cfg(feature = "cli")]
    pub(crate) fn replica(&self) -> Option<&ReplicaName> {
        self.shared.core.replica.as_ref()
    }

    /// Returns the server's metrics as text in the format `application/openmetrics-text` 1.0, for a program that has an HTTP endpoint or an
    /// exporter of its own. `serve` answers them at `/metrics`.
    ///
    /// No label has a value that a caller chose: labels are the methods of the protocol, the names of this server's tools,
    /// and fixed words.
    #[cfg(feature = "telemetry")]
    #[cfg_attr(docsrs, doc(cfg(feature = "telemetry")))]
    pub fn metrics(&self) -> String {
        self.shared.core.metrics()
    }

    /// The number of answered calls of each deprecated tool, and by each alias, since the server was built.
    pub fn outdated_calls(&self) -> Vec<OutdatedCalls> {
        self.shared.core.outdated.calls()
    }

    /// The number of tools, including those that the granted scopes do not cover.
    pub fn tools(&self) -> usize {
        self.shared.core.registry.tools().len()
    }

    /// The tools that the granted scopes do not cover, each with its missing scopes.
    pub fn hidden(&self) -> Vec<(&'static str, Vec<&'static str>)> {
        let tools = self.shared.core.registry.tools().iter();
        let missing = |tool| self.caller.missing_scopes(tool).collect::<Vec<_>>();
        tools
            .map(|tool| (tool.descriptor.name, missing(tool.descriptor)))
            .filter(|(_, missing)| !missing.is_empty())
            .collect()
    }

    /// The parts of the declarations that can be improved, for the author: `serve` and `doctor` print them.
    pub fn warnings(&self) -> Vec<Message> {
        warnings(self.shared.core.registry.tools())
    }

    /// One line for the operator: where calls are recorded, and whether the log is signed.
    pub fn audit(&self) -> String {
        let Some(recorder) = &self.shared.core.audit else { return "audit: no call is recorded".to_owned() };
        let location = &recorder.log.location;
        let signed = if location.signed { "signed" } else { "not signed (`audit key new` makes a key)" };
        format!("audit: {}, {signed}", location.folder.display())
    }

    /// Whether calls can be recorded. True without an audit log; false with one on a full or broken disk.
    pub fn audit_is_ready(&self) -> bool {
        self.shared.core.audit.as_ref().is_none_or(|recorder| recorder.log.is_ready())
    }

    /// Whether the threads of all tools could be started, in their sandboxes. Threads that could not are tried again by the
    /// next call, and by this method.
    pub fn sandbox_is_ready(&self) -> bool {
        self.shared.core.sandboxes.is_ready()
    }

    /// The threads that calls have left behind.
    #[cfg(any(feature = "cli", feature = "testing"))]
    pub(crate) fn thread_watch(&self) -> Arc<crate::sandbox::ThreadWatch> {
        Arc::clone(self.shared.core.sandboxes.watch())
    }

    /// Sends the server's metrics to a collector.
    #[cfg(all(feature = "otel", feature = "cli"))]
    pub(crate) fn export_metrics(&self, otlp: &crate::telemetry::Otlp) {
        self.shared.core.telemetry.export(otlp);
    }

    /// The server's background work.
    #[cfg(feature = "cli")]
    pub(crate) fn background(&self) -> &Background {
        &self.shared.background
    }

    /// Opens the audit log again, as SIGHUP does. A log whose disk failed is used again if it is unchanged. A log that was
    /// replaced or shortened is refused from then on.
    pub fn reopen_audit(&self) {
        if let Some(recorder) = &self.shared.core.audit {
            recorder.log.reopen();
        }
    }

    /// Returns a function that does the same. It does not keep the server alive, so that the state can be dropped before
    /// the process ends.
    #[cfg(feature = "cli")]
    pub(crate) fn audit_reopener(&self) -> impl Fn() + Send + 'static + use<> {
        let shared = Arc::downgrade(&self.shared);
        move || {
            if let Some(recorder) = shared.upgrade().as_ref().and_then(|shared| shared.core.audit.as_ref()) {
                recorder.log.reopen();
            }
        }
    }

    /// Runs what [`Server::on_stop`] was given, once, and returns its failures. `serve` does this after the last answer; a
    /// program that embeds the server does it when its own listener has stopped.
    ///
    /// [`Server::on_stop`]: crate::Server::on_stop
    pub async fn stop(&self) -> Vec<Message> {
        self.shared.lifecycle.stop().await
    }

    /// Records the end of the server in the audit log, and waits for it. Later calls that require records are refused.
    pub fn stop_audit(&self) {
        if let Some(recorder) = &self.shared.core.audit {
            recorder.log.stop();
        }
    }

    /// One line for the operator: where idempotency keys are kept. `None` if no tool takes one, or the server keeps none.
    pub fn keys(&self) -> Option<String> {
        self.shared.core.idempotency.as_ref().map(|keys| format!("keys: {}", keys.place))
    }

    /// Ends the store of idempotency keys, and waits for it. Later calls with a key are refused.
    pub fn stop_keys(&self) {
        if let Some(keys) = &self.shared.core.idempotency {
            keys.store.close();
        }
    }

    /// Ends the threads of handlers, and waits up to `timeout` for busy ones.
    #[cfg(feature = "cli")]
    pub(crate) fn stop_threads(&self, timeout: Duration) {
        self.shared.core.sandboxes.watch().report_at_end();
        self.shared.core.sandboxes.stop(timeout);
    }

    /// One line for the operator: which declared effects the kernel of this machine enforces.
    pub fn sandboxes(&self) -> String {
        let core = &self.shared.core;
        core.sandboxes.support().summary(core.registry.tools().iter().map(|tool| tool.descriptor))
    }

    /// Files that were open for writing when the server was built, and that a sandboxed `read_only` tool could write.
    #[cfg(feature = "cli")]
    pub(crate) fn open_files(&self) -> &[std::path::PathBuf] {
        &self.shared.core.sandboxes.support().open_files
    }

    /// Granted scopes that no tool needs, each with the most similar scope that one does.
    pub fn idle_grants(&self) -> Vec<(&str, Option<&'static str>)> {
        let idle = self.granted.iter().map(String::as_str).filter(|scope| self.is_idle(scope));
        idle.map(|scope| (scope, text::nearest(scope, self.needed()))).collect()
    }

    /// Pairs of [`Server::scope_implies`] whose narrower scope no tool needs, each with the most similar scope that one
    /// does.
    ///
    /// [`Server::scope_implies`]: crate::Server::scope_implies
    pub fn idle_implications(&self) -> Vec<(&str, &str, Option<&'static str>)> {
        let idle = self.shared.scopes.implications().filter(|(_, narrower)| self.is_idle(narrower));
        idle.map(|(broader, narrower)| (broader, narrower, text::nearest(narrower, self.needed()))).collect()
    }

    /// Whether no tool needs `scope` or a scope that it implies.
    fn is_idle(&self, scope: &str) -> bool {
        self.shared.scopes.is_idle(scope, self.needed())
    }

    fn needed(&self) -> impl Iterator<Item = &'static str> {
        self.shared.core.registry.tools().iter().flat_map(|tool| tool.descriptor.scopes).copied()
    }

    /// The server's scopes and their implications.
    #[cfg(feature = "http")]
    pub(crate) fn scopes(&self) -> &Arc<Scopes> {
        &self.shared.scopes
    }
}
