//! The user's own handler → what a handler answers with: prompts, resources and everything else that is no tool.

use futures::future::{self, BoxFuture};
use rmcp::{
    RoleServer, ServerHandler, Service,
    model::{
        ClientNotification, ClientRequest, CompleteResult, CustomResult, ErrorCode, ErrorData,
        GetPromptResponse, GetSkillResult, GetTaskResult, ListPromptsResult, ListResourceTemplatesResult,
        ListResourcesResult, ListSkillsResult, MetaObject, ReadResourceResponse, ServerConfig, ServerResult,
        SubscriptionFilter,
    },
    service::{NotificationContext, RequestContext, SubscriptionContext},
};
use serde_json::{Value, json};

use crate::text;

/// The key of SEP-2575's server identity in a result's `_meta`.
pub(crate) const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";

/// A user's own handler of prompts, resources and the rest.
pub(crate) struct UserHandler(Box<dyn AnyHandler>);

impl UserHandler {
    pub(crate) fn new(handler: impl ServerHandler) -> Self {
        Self(Box::new(handler))
    }

    pub(crate) fn info(&self) -> ServerConfig {
        self.0.info()
    }

    pub(crate) async fn tell(
        &self,
        notification: impl Into<ClientNotification>,
        context: NotificationContext<RoleServer>,
    ) {
        // Nobody waits for an answer to a notification.
        let _ = self.0.notification(notification.into(), context).await;
    }

    pub(crate) fn accepts(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        self.0.accepts(requested)
    }

    pub(crate) async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        self.0.listen(context).await
    }
}

/// Asks the user's own handler, where there is one.
pub(crate) fn ask(
    user_handler: Option<&UserHandler>,
    request: ClientRequest,
    context: RequestContext<RoleServer>,
) -> BoxFuture<'_, Result<ServerResult, ErrorData>> {
    match user_handler {
        Some(user_handler) => user_handler.0.request(request, context),
        None => Box::pin(future::ready(Err(unknown(request.method())))),
    }
}

/// The handler's answer, with the server's name on it.
pub(crate) fn signed<T: Answered>(result: ServerResult, server_info: Option<&Value>) -> Result<T, ErrorData> {
    let wrong = || ErrorData::internal_error("the handler answered with the result of another method", None);
    let mut answer = T::of(result).ok_or_else(wrong)?;
    if let Some(server_info) = server_info {
        answer.sign(server_info);
    }
    Ok(answer)
}

/// What a server without a handler of this method says.
pub(crate) fn unknown(method: &str) -> ErrorData {
    ErrorData::new(ErrorCode::METHOD_NOT_FOUND, text::shown(method), None)
}

/// Any handler, whatever its type.
trait AnyHandler: Send + Sync {
    fn request(
        &self,
        request: ClientRequest,
        context: RequestContext<RoleServer>,
    ) -> BoxFuture<'_, Result<ServerResult, ErrorData>>;
    fn notification(
        &self,
        notification: ClientNotification,
        context: NotificationContext<RoleServer>,
    ) -> BoxFuture<'_, Result<(), ErrorData>>;
    fn info(&self) -> ServerConfig;
    fn accepts(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter>;
    fn listen(&self, context: SubscriptionContext) -> BoxFuture<'_, Result<(), ErrorData>>;
}

impl<H: ServerHandler> AnyHandler for H {
    fn request(
        &self,
        request: ClientRequest,
        context: RequestContext<RoleServer>,
    ) -> BoxFuture<'_, Result<ServerResult, ErrorData>> {
        Box::pin(Service::handle_request(self, request, context))
    }

    fn notification(
        &self,
        notification: ClientNotification,
        context: NotificationContext<RoleServer>,
    ) -> BoxFuture<'_, Result<(), ErrorData>> {
        Box::pin(Service::handle_notification(self, notification, context))
    }

    fn info(&self) -> ServerConfig {
        ServerHandler::get_info(self)
    }

    fn accepts(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        self.accepted_subscription_filter(requested)
    }

    fn listen(&self, context: SubscriptionContext) -> BoxFuture<'_, Result<(), ErrorData>> {
        Box::pin(ServerHandler::listen(self, context))
    }
}

/// A result of one method.
pub(crate) trait Answered: Sized {
    /// It, where it is of this method.
    fn of(result: ServerResult) -> Option<Self>;
    /// Writes the server's name on it.
    fn sign(&mut self, server_info: &Value);
}

macro_rules! answered {
    ($($result:ident)*) => {$(
        impl Answered for $result {
            fn of(result: ServerResult) -> Option<Self> {
                if let ServerResult::$result(result) = result { Some(result) } else { None }
            }

            fn sign(&mut self, server_info: &Value) {
                sign(&mut self.meta, server_info);
            }
        }
    )*};
}

answered! {
    CompleteResult GetSkillResult GetTaskResult ListPromptsResult ListResourceTemplatesResult ListResourcesResult
    ListSkillsResult
}

macro_rules! is_stateless {
    ($($response:ident from $result:ident)*) => {$(
        impl Answered for $response {
            fn of(result: ServerResult) -> Option<Self> {
                match result {
                    ServerResult::$result(result) => Some(Self::Complete(result)),
                    ServerResult::InputRequiredResult(round) => Some(Self::InputRequired(round)),
                    _ => None,
                }
            }

            fn sign(&mut self, server_info: &Value) {
                match self {
                    Self::Complete(result) => sign(&mut result.meta, server_info),
                    Self::InputRequired(round) => sign(&mut round.meta, server_info),
                    _ => {}
                }
            }
        }
    )*};
}

is_stateless! {
    GetPromptResponse from GetPromptResult
    ReadResourceResponse from ReadResourceResult
}

/// An acknowledgement, which has no room for a name.
impl Answered for () {
    fn of(result: ServerResult) -> Option<Self> {
        matches!(result, ServerResult::EmptyResult(_) | ServerResult::TaskAckResult(_)).then_some(())
    }

    fn sign(&mut self, _: &Value) {}
}

impl Answered for CustomResult {
    fn of(result: ServerResult) -> Option<Self> {
        if let ServerResult::CustomResult(result) = result { Some(result) } else { None }
    }

    fn sign(&mut self, server_info: &Value) {
        if let Some(result) = self.0.as_object_mut()
            && let Some(meta) = result.entry("_meta").or_insert_with(|| json!({})).as_object_mut()
        {
            meta.entry(SERVER_INFO).or_insert_with(|| server_info.clone());
        }
    }
}

fn sign(meta: &mut Option<MetaObject>, server_info: &Value) {
    let meta = meta.get_or_insert_default();
    meta.0.entry(SERVER_INFO).or_insert_with(|| server_info.clone());
}
