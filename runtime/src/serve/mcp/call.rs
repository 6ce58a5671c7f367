//! A `tools/call` that rmcp hands over → the rounds of the pipeline, and its reports on the way.

use std::sync::Arc;

use futures::future::BoxFuture;
use rmcp::{
    RoleServer,
    model::{CallToolRequestParams, CallToolResponse, ErrorData},
    service::RequestContext,
};
use serde_json::Value;
use tokio::sync::mpsc;

#[cfg(feature = "http")]
use super::handler::HttpIdentity;
use super::{
    handler::{McpHandler, Sender, revision},
    peer::{self, ClientPeer},
    progress,
    rounds::Rounds,
    task_call::TaskCall,
};
use crate::{
    pipeline::{Admission, Origin, TaskMode},
    tasks::Running,
    tool::{call::Reports, caller::Caller, descriptor::Descriptor, progress::Wanted},
};

impl McpHandler {
    /// A call and its answer, behind a pointer: rmcp's own state machine, of which there are several copies, holds none
    /// of ours.
    pub(crate) fn call(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> BoxFuture<'_, Result<CallToolResponse, ErrorData>> {
        Box::pin(self.answer(request, context))
    }

    async fn answer(
        &self,
        request: CallToolRequestParams,
        mut context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let revision = revision(&context);
        let (caller, admission) = self.visit(&context)?;
        let task = match self.task_rounds(&request, &context) {
            None => TaskMode::NotRequested,
            Some(tool) => match self.shared.core.tasks.open(&caller, tool.scopes, tool.timeout) {
                None => TaskMode::AtCapacity,
                Some(running) => return self.begin(request, context, caller, admission, running).await,
            },
        };
        let _at_work = self.shared.at_work.token();
        let token = context.meta.get_progress_token();
        let logs = self.shared.about.logging;
        let log = logs.then(|| self.log.of(&context, revision)).flatten();
        let wanted = Wanted { progress: token.is_some(), log };
        let (sender, reports) = wanted.any().then(|| mpsc::channel(progress::WAITING)).unzip();
        let idempotency_key = context.meta.remove("candor/idempotency-key");
        let origin = self.origin(&context);
        let rounds = Rounds {
            core: &self.shared.core,
            caller,
            revision,
            idempotency_key,
            origin: &origin,
            unsandboxed: self.unsandboxed.as_deref(),
            reports: sender.map(|sender| Reports { sender, wanted }),
            cancelled: context.ct.clone(),
            meta: self.shared.meta(revision),
        };
        let answer = async {
            if revision.is_legacy() {
                rounds.all(request, ClientPeer::on_line(&context, &self.gone), admission).await
            } else {
                let abilities = peer::abilities(context.client_capabilities());
                rounds.one(request, abilities, admission, task).await
            }
        };
        match reports {
            None => answer.await,
            Some(reports) => progress::reporting(answer, token, reports, &context).await,
        }
    }

    /// The tool of this call, where it and the client take a task.
    fn task_rounds(
        &self,
        request: &CallToolRequestParams,
        context: &RequestContext<RoleServer>,
    ) -> Option<&'static Descriptor> {
        let (_, tool) = self.shared.core.registry.find(&request.name)?;
        let declared = || context.client_capabilities().is_some_and(|client| client.supports_tasks());
        let takes_one = tool.descriptor.task.is_some() && !revision(context).is_legacy() && declared();
        takes_one.then_some(tool.descriptor)
    }

    /// A call that is to go on after its request.
    async fn begin(
        &self,
        call: CallToolRequestParams,
        mut context: RequestContext<RoleServer>,
        caller: Arc<Caller>,
        admission: Option<Admission>,
        running: Running,
    ) -> Result<CallToolResponse, ErrorData> {
        let task_rounds = TaskCall {
            shared: Arc::clone(&self.shared),
            here: self.task_rounds.clone(),
            unsandboxed: self.unsandboxed.clone(),
            caller,
            idempotency_key: context.meta.remove("candor/idempotency-key"),
            origin: self.origin(&context),
            abilities: peer::abilities(context.client_capabilities()),
            call,
        };
        task_rounds.begin(admission, running, &context.ct).await
    }

    /// How a call came.
    fn origin(&self, context: &RequestContext<RoleServer>) -> Origin {
        self.shared.origin(self.sender.transport(), &context.meta, || context.client_info())
    }

    /// Who sends this request, and whether it was let in already.
    #[cfg_attr(
        not(feature = "http"),
        expect(clippy::unnecessary_wraps, reason = "over HTTP a request may come from nobody")
    )]
    pub(crate) fn visit(
        &self,
        context: &RequestContext<RoleServer>,
    ) -> Result<(Arc<Caller>, Option<Admission>), ErrorData> {
        match &self.sender {
            Sender::Connection(caller) => {
                let _ = context;
                Ok((Arc::clone(caller), None))
            }
            #[cfg(feature = "http")]
            Sender::Request => {
                let parts = context.extensions.get::<http::request::Parts>();
                let visit = parts.and_then(|parts| parts.extensions.get::<HttpIdentity>());
                // A request that came past the door has nobody behind it.
                let visit = visit.ok_or_else(|| ErrorData::internal_error("nobody sent this", None))?;
                let admission =
                    visit.admission.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
                Ok((Arc::clone(&visit.caller), admission))
            }
        }
    }
}

/// What is wrong with parameters that are none of a call.
pub(crate) fn why_none(params: Option<&Value>) -> String {
    let why = match params {
        None => "it has no `params`",
        Some(Value::Object(params)) => match (params.get("name"), params.get("arguments")) {
            (None, _) => "`name` is missing",
            (Some(Value::String(_)), Some(arguments)) if !arguments.is_object() => "`arguments` is no object",
            (Some(Value::String(_)), _) => "a field of `params` has the wrong type",
            (Some(_), _) => "`name` is no string",
        },
        Some(_) => "`params` is no object",
    };
    format!("this is no `tools/call`: {why}\nhelp: send {{\"name\": \"…\", \"arguments\": {{…}}}}")
}
