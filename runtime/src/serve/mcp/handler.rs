//! Implements rmcp's handler: tools go to the pipeline, everything else to the user's own handler.

#![expect(deprecated, reason = "older revisions still have logging levels and single subscriptions")]

use std::{borrow::Cow, future, sync::Arc};

use rmcp::{
    RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CancelTaskParams, CancelledNotification,
        CancelledNotificationParam, ClientRequest, CompleteRequest, CompleteRequestParams, CompleteResult,
        CustomNotification, CustomRequest, CustomResult, DiscoverResult, ErrorData, GetPromptRequest,
        GetPromptRequestParams, GetPromptResponse, GetSkillRequest, GetSkillRequestParams, GetSkillResult,
        GetTaskParams, GetTaskResult, InitializeRequestParams, InitializeResult, InitializedNotification,
        ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult, ListSkillsResult,
        ListToolsResult, PaginatedRequestParams, ProgressNotification, ProgressNotificationParam,
        ProtocolVersion, ReadResourceDirectoryRequest, ReadResourceDirectoryRequestParams,
        ReadResourceRequest, ReadResourceRequestParams, ReadResourceResponse, RequestOptionalParam,
        RootsListChangedNotification, ServerCapabilities, ServerConfig, SetLevelRequestParams,
        SubscribeRequest, SubscribeRequestParams, SubscriptionFilter, TASKS_EXTENSION_ID, Tool,
        UnsubscribeRequest, UnsubscribeRequestParams, UpdateTaskParams,
    },
    service::{NotificationContext, RequestContext, SubscriptionContext},
};
use serde_json::Map;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub(crate) use super::callers::CallerSource;
#[cfg(feature = "http")]
use super::callers::HttpIdentity;
use super::{logging, observed};
use crate::{
    revision::Revision,
    serve::{convert, shared::Shared},
    spans::IncomingTrace,
    telemetry::{McpMethod, Observation, RequestFacts},
    tool::session_state::SessionState,
};

/// Answers the requests of one connection, or of one HTTP request.
pub(crate) struct McpHandler {
    pub(super) shared: Arc<Shared>,
    pub(super) callers: CallerSource,
    /// Cancelled when the client closes its end.
    pub(super) gone: CancellationToken,
    /// Cancelled when the server stops.
    pub(super) stop: CancellationToken,
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

    fn ping(
        &self,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Result<(), ErrorData>> + Send + '_ {
        let observation = self.observe(McpMethod::Ping, &context);
        observed::answer(observation, future::ready(Ok(())))
    }

    async fn initialize(
        &self,
        request: InitializeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<InitializeResult, ErrorData> {
        let observation = self.observe(McpMethod::Initialize, &context);
        context.peer.set_peer_info(request.clone());
        observed::answer(observation, async { self.negotiate_initialize(&request) }).await
    }

    async fn discover(&self, context: RequestContext<RoleServer>) -> Result<DiscoverResult, ErrorData> {
        let observation = self.observe(McpMethod::Discover, &context);
        let versions = self.shared.revisions.clone();
        let found = async { Ok(DiscoverResult::from_server_info(versions, self.get_info())) };
        observed::answer(observation, found).await
    }

    fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Result<ListToolsResult, ErrorData>> + Send + '_ {
        let observation = self.observe(McpMethod::ToolsList, &context);
        observed::answer(observation, async move { self.tool_list(request, &context) })
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

    async fn on_custom_request(
        &self,
        request: CustomRequest,
        context: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        let observation = self.observe(McpMethod::named(&request.method), &context);
        observed::answer(observation, self.unknown_to_rmcp(request, context)).await
    }

    fn complete(
        &self,
        params: CompleteRequestParams,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Result<CompleteResult, ErrorData>> + Send + '_ {
        self.delegated(CompleteRequest::new(params), context)
    }

    fn set_level(
        &self,
        params: SetLevelRequestParams,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Result<(), ErrorData>> + Send + '_ {
        let observation = self.observe(McpMethod::SetLevel, &context);
        observed::answer(observation, self.log_level(params, context))
    }

    fn get_prompt(
        &self,
        params: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Result<GetPromptResponse, ErrorData>> + Send + '_ {
        self.delegated(GetPromptRequest::new(params), context)
    }

    fn list_prompts(
        &self,
        params: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Result<ListPromptsResult, ErrorData>> + Send + '_ {
        self.delegated(ClientRequest::ListPromptsRequest(paged(params)), context)
    }

    fn list_resources(
        &self,
        params: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Result<ListResourcesResult, ErrorData>> + Send + '_ {
        self.delegated(ClientRequest::ListResourcesRequest(paged(params)), context)
    }

    fn list_resource_templates(
        &self,
        params: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Result<ListResourceTemplatesResult, ErrorData>> + Send + '_ {
        self.delegated(ClientRequest::ListResourceTemplatesRequest(paged(params)), context)
    }

    fn read_resource(
        &self,
        params: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Result<ReadResourceResponse, ErrorData>> + Send + '_ {
        self.delegated(ReadResourceRequest::new(params), context)
    }

    fn subscribe(
        &self,
        params: SubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Result<(), ErrorData>> + Send + '_ {
        self.delegated(SubscribeRequest::new(params), context)
    }

    fn unsubscribe(
        &self,
        params: UnsubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Result<(), ErrorData>> + Send + '_ {
        self.delegated(UnsubscribeRequest::new(params), context)
    }

    fn get_task(
        &self,
        params: GetTaskParams,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Result<GetTaskResult, ErrorData>> + Send + '_ {
        let observation = self.observe(McpMethod::TasksGet, &context);
        observed::answer(observation, self.task_get(params, context))
    }

    fn update_task(
        &self,
        params: UpdateTaskParams,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Result<(), ErrorData>> + Send + '_ {
        let observation = self.observe(McpMethod::TasksUpdate, &context);
        observed::answer(observation, self.task_update(params, context))
    }

    fn cancel_task(
        &self,
        params: CancelTaskParams,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Result<(), ErrorData>> + Send + '_ {
        let observation = self.observe(McpMethod::TasksCancel, &context);
        observed::answer(observation, self.task_cancel(params, context))
    }

    fn list_skills(
        &self,
        params: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Result<ListSkillsResult, ErrorData>> + Send + '_ {
        self.delegated(ClientRequest::ListSkillsRequest(paged(params)), context)
    }

    fn get_skill(
        &self,
        params: GetSkillRequestParams,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Result<GetSkillResult, ErrorData>> + Send + '_ {
        self.delegated(GetSkillRequest::new(params), context)
    }

    fn read_resource_directory(
        &self,
        params: ReadResourceDirectoryRequestParams,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Result<ListResourcesResult, ErrorData>> + Send + '_ {
        self.delegated(ReadResourceDirectoryRequest::new(params), context)
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        self.shared.user_handler.as_ref()?.accepts(requested)
    }

    fn listen(
        &self,
        context: SubscriptionContext,
    ) -> impl Future<Output = Result<(), ErrorData>> + Send + '_ {
        let observation = self.begin(McpMethod::SubscriptionsListen, Revision::V2026_07_28, None);
        observed::answer(observation, self.subscription(context))
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

    /// Begins to observe a request that is not a well-formed call.
    pub(super) fn observe(&self, method: McpMethod, context: &RequestContext<RoleServer>) -> Observation<'_> {
        #[cfg(feature = "http")]
        if let Some(identity) = HttpIdentity::of(context) {
            identity.note_observed();
        }
        self.begin(method, revision(context), self.incoming(context))
    }

    fn begin(
        &self,
        method: McpMethod,
        revision: Revision,
        incoming: Option<Arc<IncomingTrace>>,
    ) -> Observation<'_> {
        self.shared.core.telemetry.begin(RequestFacts {
            method,
            tool: None,
            transport: self.callers.transport(),
            revision: Some(revision),
            trace: None,
            incoming,
            caller: None,
        })
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
