//! Requests → the pipeline, or the user's own handler for what is no tool.

#![expect(deprecated, reason = "older revisions still have logging levels and single subscriptions")]

use std::{borrow::Cow, sync::Arc};

use rmcp::{
    RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CancelTaskParams, CancelledNotification,
        CancelledNotificationParam, ClientRequest, CompleteRequest, CompleteRequestParams, CompleteResult,
        CustomNotification, CustomRequest, CustomResult, ErrorData, GetPromptRequest, GetPromptRequestParams,
        GetPromptResponse, GetSkillRequest, GetSkillRequestParams, GetSkillResult, GetTaskParams,
        GetTaskResult, Implementation, InitializedNotification, ListPromptsResult,
        ListResourceTemplatesResult, ListResourcesResult, ListSkillsResult, ListToolsResult, MetaObject,
        PaginatedRequestParams, ProgressNotification, ProgressNotificationParam, ProtocolVersion,
        ReadResourceDirectoryRequest, ReadResourceDirectoryRequestParams, ReadResourceRequest,
        ReadResourceRequestParams, ReadResourceResponse, RequestOptionalParam, RootsListChangedNotification,
        ServerCapabilities, ServerConfig, SetLevelRequest, SetLevelRequestParams, SubscribeRequest,
        SubscribeRequestParams, SubscriptionFilter, TASKS_EXTENSION_ID, Tool, UnsubscribeRequest,
        UnsubscribeRequestParams, UpdateTaskParams,
    },
    service::{NotificationContext, RequestContext, SubscriptionContext},
};
use serde_json::Map;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    call, convert,
    delegate::{self, Answered},
    logging, task_call,
};
#[cfg(feature = "http")]
use crate::pipeline::Admission;
use crate::{
    about::About, pipeline::Refusal, revision::Revision, sandbox::UnsandboxedHandle, serve::Shared,
    tool::call::Caller,
};

/// How long a client may keep a list of tools, in milliseconds: they do not change while the process lives.
const LIST_TTL_MS: u64 = 300_000;

/// What answers requests.
pub(crate) struct McpHandler {
    pub(super) shared: Arc<Shared>,
    pub(super) sender: Sender,
    /// The client has closed its end.
    pub(super) gone: CancellationToken,
    /// Rounds of tasks that began here and are at work.
    pub(crate) task_rounds: TaskTracker,
    pub(super) log: logging::Wish,
    /// The threads without a sandbox, where the connection is served on sandboxed ones.
    pub(super) unsandboxed: Option<Arc<UnsandboxedHandle>>,
}

/// Who sends requests.
pub(crate) enum Sender {
    /// One caller sends all of a connection's.
    Connection(Arc<Caller>),
    /// Each comes with its own: [`HttpIdentity`].
    #[cfg(feature = "http")]
    Request,
}

impl Sender {
    /// How they send them.
    pub(super) fn transport(&self) -> &'static str {
        match self {
            Self::Connection(_) => "stdio",
            #[cfg(feature = "http")]
            Self::Request => "http",
        }
    }
}

/// What the transport found out about one request before it came here.
#[cfg(feature = "http")]
#[derive(Clone)]
pub(crate) struct HttpIdentity {
    pub(crate) caller: Arc<Caller>,
    /// Of a call that was let in; taken once.
    pub(crate) admission: Arc<std::sync::Mutex<Option<Admission>>>,
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
        config.server_info = implementation(&self.shared.about);
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
        // All tools stand on one page, so no cursor but the empty one was ever handed out.
        if request.and_then(|request| request.cursor).is_some_and(|cursor| !cursor.is_empty()) {
            return Err(ErrorData::invalid_params(
                "this list has one page, and the cursor names another",
                None,
            ));
        }
        let revision = revision(&context);
        let (caller, _) = self.visit(&context)?;
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

    /// Asked for nothing but what headers have to say.
    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.shared.lists.headed(name)
    }

    /// rmcp reads a `tools/call` that is none as a method it does not know; it is a call with invalid parameters.
    async fn on_custom_request(
        &self,
        request: CustomRequest,
        context: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        match request.method.as_str() {
            "tools/call" => Err(convert::error(&Refusal::Malformed(call::why_none(request.params.as_ref())))),
            "tools/list" => Err(ErrorData::invalid_params(
                "`tools/list` takes an object with a `cursor`, or nothing",
                None,
            )),
            // Well-formed ones come by methods of their own.
            "tasks/get" | "tasks/cancel" | "tasks/update" if self.has_tasks(&context) => {
                Err(task_call::malformed(&request.method))
            }
            _ => self.own(request, context).await,
        }
    }

    fn complete(
        &self,
        params: CompleteRequestParams,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Result<CompleteResult, ErrorData>> + Send + '_ {
        self.own(CompleteRequest::new(params), context)
    }

    async fn set_level(
        &self,
        params: SetLevelRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        if !self.shared.about.logging {
            return self.own(SetLevelRequest::new(params), context).await;
        }
        self.log.set(params.level);
        Ok(())
    }

    fn get_prompt(
        &self,
        params: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Result<GetPromptResponse, ErrorData>> + Send + '_ {
        self.own(GetPromptRequest::new(params), context)
    }

    fn list_prompts(
        &self,
        params: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Result<ListPromptsResult, ErrorData>> + Send + '_ {
        self.own(ClientRequest::ListPromptsRequest(paged(params)), context)
    }

    fn list_resources(
        &self,
        params: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Result<ListResourcesResult, ErrorData>> + Send + '_ {
        self.own(ClientRequest::ListResourcesRequest(paged(params)), context)
    }

    fn list_resource_templates(
        &self,
        params: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Result<ListResourceTemplatesResult, ErrorData>> + Send + '_ {
        self.own(ClientRequest::ListResourceTemplatesRequest(paged(params)), context)
    }

    fn read_resource(
        &self,
        params: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Result<ReadResourceResponse, ErrorData>> + Send + '_ {
        self.own(ReadResourceRequest::new(params), context)
    }

    fn subscribe(
        &self,
        params: SubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Result<(), ErrorData>> + Send + '_ {
        self.own(SubscribeRequest::new(params), context)
    }

    fn unsubscribe(
        &self,
        params: UnsubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Result<(), ErrorData>> + Send + '_ {
        self.own(UnsubscribeRequest::new(params), context)
    }

    fn get_task(
        &self,
        params: GetTaskParams,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Result<GetTaskResult, ErrorData>> + Send + '_ {
        self.task(params, context)
    }

    fn update_task(
        &self,
        params: UpdateTaskParams,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Result<(), ErrorData>> + Send + '_ {
        self.answers_of_task(params, context)
    }

    fn cancel_task(
        &self,
        params: CancelTaskParams,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Result<(), ErrorData>> + Send + '_ {
        self.end_of_task(params, context)
    }

    fn list_skills(
        &self,
        params: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Result<ListSkillsResult, ErrorData>> + Send + '_ {
        self.own(ClientRequest::ListSkillsRequest(paged(params)), context)
    }

    fn get_skill(
        &self,
        params: GetSkillRequestParams,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Result<GetSkillResult, ErrorData>> + Send + '_ {
        self.own(GetSkillRequest::new(params), context)
    }

    fn read_resource_directory(
        &self,
        params: ReadResourceDirectoryRequestParams,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Result<ListResourcesResult, ErrorData>> + Send + '_ {
        self.own(ReadResourceDirectoryRequest::new(params), context)
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        self.shared.user_handler.as_ref()?.accepts(requested)
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        match &self.shared.user_handler {
            Some(user_handler) => user_handler.listen(context).await,
            None => Err(delegate::unknown("subscriptions/listen")),
        }
    }

    async fn on_cancelled(
        &self,
        params: CancelledNotificationParam,
        context: NotificationContext<RoleServer>,
    ) {
        if let Some(user_handler) = &self.shared.user_handler {
            user_handler.tell(CancelledNotification::new(params), context).await;
        }
    }

    async fn on_progress(&self, params: ProgressNotificationParam, context: NotificationContext<RoleServer>) {
        if let Some(user_handler) = &self.shared.user_handler {
            user_handler.tell(ProgressNotification::new(params), context).await;
        }
    }

    async fn on_initialized(&self, context: NotificationContext<RoleServer>) {
        if let Some(user_handler) = &self.shared.user_handler {
            user_handler.tell(InitializedNotification::default(), context).await;
        }
    }

    async fn on_roots_list_changed(&self, context: NotificationContext<RoleServer>) {
        if let Some(user_handler) = &self.shared.user_handler {
            user_handler.tell(RootsListChangedNotification::default(), context).await;
        }
    }

    async fn on_custom_notification(
        &self,
        params: CustomNotification,
        context: NotificationContext<RoleServer>,
    ) {
        if let Some(user_handler) = &self.shared.user_handler {
            user_handler.tell(params, context).await;
        }
    }
}

impl McpHandler {
    pub(crate) fn new(shared: Arc<Shared>, sender: Sender, gone: CancellationToken) -> Self {
        let task_rounds = TaskTracker::new();
        Self { shared, sender, gone, task_rounds, log: logging::Wish::new(), unsandboxed: None }
    }

    /// The same, on sandboxed threads.
    pub(crate) fn on_sandboxed_threads(self, unsandboxed: Option<UnsandboxedHandle>) -> Self {
        Self { unsandboxed: unsandboxed.map(Arc::new), ..self }
    }

    /// What the user's own handler answers, where there is one.
    pub(super) fn own<T: Answered, R: Into<ClientRequest>>(
        &self,
        request: R,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Result<T, ErrorData>> + Send + use<'_, T, R> {
        let is_modern = !revision(&context).is_legacy();
        let answer = delegate::ask(self.shared.user_handler.as_ref(), request.into(), context);
        async move { delegate::signed(answer.await?, is_modern.then_some(&self.shared.server_info)) }
    }
}

pub(crate) fn implementation(about: &About) -> Implementation {
    let mut implementation = Implementation::new(&about.name, &about.version);
    implementation.title.clone_from(&about.title);
    implementation
}

/// The revision a request is under. The pinned list was checked before, so an unknown one cannot come this far.
pub(super) fn revision(context: &RequestContext<RoleServer>) -> Revision {
    let named = |version: &ProtocolVersion| Revision::named(version.as_str());
    let said = context.meta.protocol_version();
    said.as_ref()
        .and_then(named)
        .or_else(|| context.peer.peer_info().and_then(|peer| named(&peer.protocol_version)))
        .unwrap_or(Revision::V2025_06_18)
}

fn paged<M: Default>(
    params: Option<PaginatedRequestParams>,
) -> RequestOptionalParam<M, PaginatedRequestParams> {
    RequestOptionalParam { method: M::default(), params, extensions: rmcp::model::Extensions::default() }
}
