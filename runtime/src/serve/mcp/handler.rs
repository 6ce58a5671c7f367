//! Implements rmcp's handler: tools go to the pipeline, everything else to the user's own handler.

#![expect(deprecated, reason = "older revisions still have logging levels and single subscriptions")]

use std::{borrow::Cow, sync::Arc};

use rmcp::{
    RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CancelTaskParams, CancelledNotification,
        CancelledNotificationParam, ClientRequest, CompleteRequest, CompleteRequestParams, CompleteResult,
        CustomNotification, CustomRequest, CustomResult, ErrorData, GetPromptRequest, GetPromptRequestParams,
        GetPromptResponse, GetSkillRequest, GetSkillRequestParams, GetSkillResult, GetTaskParams,
        GetTaskResult, InitializedNotification, ListPromptsResult, ListResourceTemplatesResult,
        ListResourcesResult, ListSkillsResult, ListToolsResult, MetaObject, PaginatedRequestParams,
        ProgressNotification, ProgressNotificationParam, ProtocolVersion, ReadResourceDirectoryRequest,
        ReadResourceDirectoryRequestParams, ReadResourceRequest, ReadResourceRequestParams,
        ReadResourceResponse, RequestOptionalParam, RootsListChangedNotification, ServerCapabilities,
        ServerConfig, SetLevelRequest, SetLevelRequestParams, SubscribeRequest, SubscribeRequestParams,
        SubscriptionFilter, TASKS_EXTENSION_ID, Tool, UnsubscribeRequest, UnsubscribeRequestParams,
        UpdateTaskParams,
    },
    service::{NotificationContext, RequestContext, SubscriptionContext},
};
use serde_json::Map;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub(crate) use super::callers::CallerSource;
use super::{logging, task_result};
use crate::{
    pipeline::Refusal,
    revision::Revision,
    serve::{
        convert, message,
        shared::Shared,
        user_handler::{self, MethodResult},
    },
    tool::session_state::SessionState,
};

/// The time for which a client may cache a list of tools, in milliseconds. Tools do not change while the process lives.
const LIST_TTL_MS: u64 = 300_000;

/// Answers the requests of one connection, or of one HTTP request.
pub(crate) struct McpHandler {
    pub(super) shared: Arc<Shared>,
    pub(super) callers: CallerSource,
    /// Cancelled when the client closes its end.
    pub(super) gone: CancellationToken,
    /// Cancelled when the server stops.
    stop: CancellationToken,
    /// Rounds of tasks that this connection began.
    pub(crate) task_rounds: TaskTracker,
    pub(super) log: logging::MinLevel,
    /// The name of the connection, for handlers; `None` over HTTP.
    pub(super) connection: Option<String>,
    /// The values that handlers keep for the connection, or for the HTTP session whose requests this handler answers.
    pub(super) session_state: Arc<SessionState>,
}

impl ServerHandler for McpHandler {
    fn get_info(&self) -> ServerConfig {
        let mut capabilities = match &self.shared.user_handler {
            Some(user_handler) => user_handler.info().capabilities,
            None => ServerCapabilities::default(),
        };
        capabilities.tools = ServerCapabilities::builder().enable_tools().build().tools;
        if self.shared.about.logging {
            capabilities.logging = Some(Map::new());
        }
        if self.shared.has_tasks() {
            capabilities.extensions.get_or_insert_default().entry(TASKS_EXTENSION_ID.to_owned()).or_default();
        }
        let mut config = ServerConfig::new(capabilities);
        config.protocol_version = self
            .shared
            .revisions
            .iter()
            .rfind(|version| version.has_initialize())
            .cloned()
            .unwrap_or_default();
        config.server_info = convert::implementation(&self.shared.about);
        config.instructions.clone_from(&self.shared.about.instructions);
        config
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        self.shared.revisions.clone().into()
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        // All tools stand on one page, so the empty cursor is the only valid one.
        if request.and_then(|request| request.cursor).is_some_and(|cursor| !cursor.is_empty()) {
            return Err(ErrorData::invalid_params(
                "this list has one page, and the cursor is not valid for it",
                None,
            ));
        }
        let revision = revision(&context);
        let (caller, _) = self.identify(&context)?;
        let mut list = ListToolsResult::with_all_items(self.shared.lists.of(&caller, revision));
        if !revision.is_legacy() {
            list.ttl_ms = Some(LIST_TTL_MS);
            list.cache_scope = Some(self.shared.lists.cache_scope());
            list.meta = Some(MetaObject(self.shared.meta(revision)));
        }
        Ok(list)
    }

    fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Result<CallToolResponse, ErrorData>> + Send + '_ {
        self.call(request, context)
    }

    /// Called by rmcp to compare headers with arguments only.
    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.shared.lists.headed(name)
    }

    /// rmcp treats a malformed `tools/call` as an unknown method; it is a known one with invalid parameters.
    async fn on_custom_request(
        &self,
        request: CustomRequest,
        context: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        match request.method.as_str() {
            "tools/call" => {
                Err(convert::error(&Refusal::Malformed(convert::malformed_call(request.params.as_ref()))))
            }
            // Well-formed ones reach the methods below.
            "tasks/get" | "tasks/cancel" | "tasks/update" if self.has_tasks(&context) => {
                Err(task_result::malformed(&request.method, request.params.as_ref()))
            }
            method if self.serves(method, revision(&context)) => {
                let message = message::malformed(method, request.params.as_ref());
                let message = message.map_or_else(|| "the parameters are malformed".to_owned(), Into::into);
                Err(ErrorData::invalid_params(message, None))
            }
            _ => self.delegate(request, context).await,
        }
    }

    fn complete(
        &self,
        params: CompleteRequestParams,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Result<CompleteResult, ErrorData>> + Send + '_ {
        self.delegate(CompleteRequest::new(params), context)
    }

    async fn set_level(
        &self,
        params: SetLevelRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        if !self.shared.about.logging {
            return self.delegate(SetLevelRequest::new(params), context).await;
        }
        self.log.set(params.level);
        Ok(())
    }

    fn get_prompt(
        &self,
        params: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Result<GetPromptResponse, ErrorData>> + Send + '_ {
        self.delegate(GetPromptRequest::new(params), context)
    }

    fn list_prompts(
        &self,
        params: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Result<ListPromptsResult, ErrorData>> + Send + '_ {
        self.delegate(ClientRequest::ListPromptsRequest(paged(params)), context)
    }

    fn list_resources(
        &self,
        params: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Result<ListResourcesResult, ErrorData>> + Send + '_ {
        self.delegate(ClientRequest::ListResourcesRequest(paged(params)), context)
    }

    fn list_resource_templates(
        &self,
        params: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Result<ListResourceTemplatesResult, ErrorData>> + Send + '_ {
        self.delegate(ClientRequest::ListResourceTemplatesRequest(paged(params)), context)
    }

    fn read_resource(
        &self,
        params: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Result<ReadResourceResponse, ErrorData>> + Send + '_ {
        self.delegate(ReadResourceRequest::new(params), context)
    }

    fn subscribe(
        &self,
        params: SubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Result<(), ErrorData>> + Send + '_ {
        self.delegate(SubscribeRequest::new(params), context)
    }

    fn unsubscribe(
        &self,
        params: UnsubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Result<(), ErrorData>> + Send + '_ {
        self.delegate(UnsubscribeRequest::new(params), context)
    }

    fn get_task(
        &self,
        params: GetTaskParams,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Result<GetTaskResult, ErrorData>> + Send + '_ {
        self.task_get(params, context)
    }

    fn update_task(
        &self,
        params: UpdateTaskParams,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Result<(), ErrorData>> + Send + '_ {
        self.task_update(params, context)
    }

    fn cancel_task(
        &self,
        params: CancelTaskParams,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Result<(), ErrorData>> + Send + '_ {
        self.task_cancel(params, context)
    }

    fn list_skills(
        &self,
        params: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Result<ListSkillsResult, ErrorData>> + Send + '_ {
        self.delegate(ClientRequest::ListSkillsRequest(paged(params)), context)
    }

    fn get_skill(
        &self,
        params: GetSkillRequestParams,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Result<GetSkillResult, ErrorData>> + Send + '_ {
        self.delegate(GetSkillRequest::new(params), context)
    }

    fn read_resource_directory(
        &self,
        params: ReadResourceDirectoryRequestParams,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Result<ListResourcesResult, ErrorData>> + Send + '_ {
        self.delegate(ReadResourceDirectoryRequest::new(params), context)
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        self.shared.user_handler.as_ref()?.accepts(requested)
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        match &self.shared.user_handler {
            // A subscription has no end of its own, which a server that stops could wait for.
            Some(user_handler) => tokio::select! {
                ended = user_handler.listen(&self.shared.core, context) => ended,
                () = self.gone.cancelled() => Ok(()),
                () = self.stop.cancelled() => Ok(()),
            },
            None => Err(user_handler::unknown("subscriptions/listen")),
        }
    }

    async fn on_cancelled(
        &self,
        params: CancelledNotificationParam,
        context: NotificationContext<RoleServer>,
    ) {
        if let Some(user_handler) = &self.shared.user_handler {
            user_handler.tell(&self.shared.core, CancelledNotification::new(params), context).await;
        }
    }

    async fn on_progress(&self, params: ProgressNotificationParam, context: NotificationContext<RoleServer>) {
        if let Some(user_handler) = &self.shared.user_handler {
            user_handler.tell(&self.shared.core, ProgressNotification::new(params), context).await;
        }
    }

    async fn on_initialized(&self, context: NotificationContext<RoleServer>) {
        if let Some(user_handler) = &self.shared.user_handler {
            user_handler.tell(&self.shared.core, InitializedNotification::default(), context).await;
        }
    }

    async fn on_roots_list_changed(&self, context: NotificationContext<RoleServer>) {
        if let Some(user_handler) = &self.shared.user_handler {
            user_handler.tell(&self.shared.core, RootsListChangedNotification::default(), context).await;
        }
    }

    async fn on_custom_notification(
        &self,
        params: CustomNotification,
        context: NotificationContext<RoleServer>,
    ) {
        if let Some(user_handler) = &self.shared.user_handler {
            user_handler.tell(&self.shared.core, params, context).await;
        }
    }
}

impl McpHandler {
    pub(crate) fn new(
        shared: Arc<Shared>,
        callers: CallerSource,
        gone: CancellationToken,
        stop: CancellationToken,
    ) -> Self {
        let task_rounds = TaskTracker::new();
        let connection = callers.connection();
        Self {
            shared,
            callers,
            gone,
            stop,
            task_rounds,
            log: logging::MinLevel::new(),
            connection,
            session_state: Arc::default(),
        }
    }

    /// Whether this server has `method` in `revision`, so that a request that rmcp does not know has malformed parameters.
    fn serves(&self, method: &str, revision: Revision) -> bool {
        let is_known = message::malformed(method, None).is_some();
        match method {
            // SEP-2575 removes these methods.
            "initialize" | "logging/setLevel" | "resources/subscribe" | "resources/unsubscribe"
                if !revision.is_legacy() =>
            {
                false
            }
            "subscriptions/listen" if revision.is_legacy() => false,
            "tasks/get" | "tasks/cancel" | "tasks/update" => false,
            "initialize" | "tools/list" => true,
            "logging/setLevel" if self.shared.about.logging => true,
            _ => is_known && self.shared.user_handler.is_some(),
        }
    }

    /// Passes a request on to the user's own handler, if there is one.
    pub(super) fn delegate<T: MethodResult, R: Into<ClientRequest>>(
        &self,
        request: R,
        mut context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Result<T, ErrorData>> + Send + use<'_, T, R> {
        let is_modern = !revision(&context).is_legacy();
        let introduced = self.introduce(&mut context);
        let core = &self.shared.core;
        let answer = user_handler::request(core, self.shared.user_handler.as_ref(), request.into(), context);
        async move {
            introduced?;
            user_handler::signed(answer.await?, is_modern.then_some(&self.shared.server_info))
        }
    }
}

/// The revision of a request. rmcp has checked it against the supported revisions.
pub(super) fn revision(context: &RequestContext<RoleServer>) -> Revision {
    let named = |version: &ProtocolVersion| Revision::named(version.as_str());
    let per_request = context.meta.protocol_version();
    per_request
        .as_ref()
        .and_then(named)
        .or_else(|| context.peer.peer_info().and_then(|peer| named(&peer.protocol_version)))
        .unwrap_or(Revision::V2025_06_18)
}

fn paged<M: Default>(
    params: Option<PaginatedRequestParams>,
) -> RequestOptionalParam<M, PaginatedRequestParams> {
    RequestOptionalParam { method: M::default(), params, extensions: rmcp::model::Extensions::default() }
}
