//! Answers `tools/call`: makes an [`Invocation`] of the request, and picks the driver for its rounds.

use std::sync::Arc;

use futures::future::BoxFuture;
use rmcp::{
    RoleServer,
    model::{CallToolRequestParams, CallToolResponse, ErrorData},
    service::RequestContext,
};
use tokio::sync::mpsc;

#[cfg(feature = "http")]
use super::handler::HttpIdentity;
use super::{
    handler::{CallerSource, McpHandler, revision},
    peer::{self, ClientPeer},
    progress,
    rounds::{CallInput, Invocation},
    task_call::TaskCall,
};
use crate::{
    pipeline::{Admission, TaskMode},
    revision::Revision,
    tasks::Running,
    tool::{call::Reports, caller::Caller, progress::ReportFilter},
    wire_names,
};

impl McpHandler {
    /// Answers a call. Boxed, since rmcp's state machine, of which there are several copies, would otherwise hold ours.
    pub(crate) fn call(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> BoxFuture<'_, Result<CallToolResponse, ErrorData>> {
        Box::pin(self.answer(request, context))
    }

    async fn answer(
        &self,
        mut request: CallToolRequestParams,
        mut context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let revision = revision(&context);
        let (caller, admission) = self.identify(&context)?;
        // The transport admitted the tool that it read in the body; rmcp must have read the same one.
        let admission =
            admission.filter(|admission| self.shared.core.tool(admission.tool).name() == request.name);
        let input = CallInput::take(&mut request);
        let mut invocation =
            self.invocation(request.name.into_owned(), caller, admission.as_ref(), revision, &mut context);
        let task = match self.open_task(&invocation, &context) {
            None => TaskMode::NotRequested,
            Some(None) => TaskMode::AtCapacity,
            Some(Some(running)) => {
                let features = peer::features(context.client_capabilities());
                let call = TaskCall::new(invocation, input, features, running, self.task_rounds.clone());
                return call.begin(admission, &context.ct).await;
            }
        };
        let _in_flight = self.shared.in_flight.token();
        let token = context.meta.get_progress_token();
        let log = self.shared.about.logging.then(|| self.log.of(&context, revision)).flatten();
        let filter = ReportFilter { progress: token.is_some(), log };
        let (sender, reports) = filter.any().then(|| mpsc::channel(progress::MAX_QUEUED_REPORTS)).unzip();
        invocation.reports = sender.map(|sender| Reports { sender, filter });
        let answer = async {
            if revision.is_legacy() {
                invocation.legacy(input, ClientPeer::connected(&context, &self.gone), admission).await
            } else {
                let features = peer::features(context.client_capabilities());
                invocation.modern(input, features, admission, task).await
            }
        };
        match reports {
            None => answer.await,
            Some(reports) => progress::forward(answer, token, reports, &context).await,
        }
    }

    /// Collects what this transport knows about the call.
    fn invocation(
        &self,
        name: String,
        caller: Arc<Caller>,
        admission: Option<&Admission>,
        revision: Revision,
        context: &mut RequestContext<RoleServer>,
    ) -> Invocation {
        let tool = match admission {
            Some(admission) => Some(admission.tool),
            None => self.shared.core.registry.index(&name),
        };
        Invocation {
            tool,
            name,
            caller,
            revision,
            idempotency_key: context.meta.remove(wire_names::IDEMPOTENCY_KEY),
            origin: self.shared.origin(self.callers.transport(), &context.meta, || context.client_info()),
            reports: None,
            cancelled: context.ct.clone(),
            shared: Arc::clone(&self.shared),
        }
    }

    /// Opens a task if both the tool and the client take one; the inner `None` means that the limit is reached.
    #[expect(clippy::option_option, reason = "no task, and no place for a task, are different answers")]
    fn open_task(
        &self,
        invocation: &Invocation,
        context: &RequestContext<RoleServer>,
    ) -> Option<Option<Running>> {
        let core = &self.shared.core;
        let tool = core.tool(invocation.tool?).descriptor;
        let takes_tasks = || context.client_capabilities().is_some_and(|client| client.supports_tasks());
        if tool.task.is_none() || invocation.revision.is_legacy() || !takes_tasks() {
            return None;
        }
        Some(core.tasks.open(&invocation.caller, tool.scopes, tool.timeout))
    }

    /// Finds out who sent this request, and whether the transport admitted it.
    #[cfg_attr(
        not(feature = "http"),
        expect(clippy::unnecessary_wraps, reason = "only an HTTP request can lack an identity")
    )]
    pub(crate) fn identify(
        &self,
        context: &RequestContext<RoleServer>,
    ) -> Result<(Arc<Caller>, Option<Admission>), ErrorData> {
        match &self.callers {
            CallerSource::Connection(caller) => {
                let _ = context;
                Ok((Arc::clone(caller), None))
            }
            #[cfg(feature = "http")]
            CallerSource::Request => {
                let parts = context.extensions.get::<http::request::Parts>();
                let identity = parts.and_then(|parts| parts.extensions.get::<HttpIdentity>());
                // The gate attaches an identity to every request, so a missing one is a defect of the server.
                let identity = identity
                    .ok_or_else(|| ErrorData::internal_error("this request has no identity", None))?;
                Ok((Arc::clone(&identity.caller), identity.take_admission()))
            }
        }
    }
}
