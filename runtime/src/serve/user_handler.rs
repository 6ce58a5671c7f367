//! Passes prompts, resources and everything else besides tools on to the user's own handler.

use std::sync::Arc;

use futures::future::BoxFuture;
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

use super::convert::SERVER_INFO;
use crate::{pipeline::Core, text};

/// The user's own handler of prompts, resources and other methods. Like a tool without a sandbox, it shares no thread with
/// the service.
pub(crate) struct UserHandler(Arc<dyn AnyHandler>);

impl UserHandler {
    pub(crate) fn new(handler: impl ServerHandler) -> Self {
        Self(Arc::new(handler))
    }

    pub(crate) fn info(&self) -> ServerConfig {
        self.0.info()
    }

    pub(crate) async fn tell(
        &self,
        core: &Core,
        notification: impl Into<ClientNotification>,
        context: NotificationContext<RoleServer>,
    ) {
        let (handler, notification) = (Arc::clone(&self.0), notification.into());
        // Notifications have no answer that could carry an error.
        let told = async move { handler.notification(notification, context).await };
        let _ = core.sandboxes.unsandboxed().run(told, false).await;
    }

    pub(crate) fn accepts(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        self.0.accepts(requested)
    }

    pub(crate) async fn listen(&self, core: &Core, context: SubscriptionContext) -> Result<(), ErrorData> {
        let handler = Arc::clone(&self.0);
        let listening = async move { handler.listen(context).await };
        core.sandboxes.unsandboxed().run(listening, true).await.unwrap_or_else(|| Err(failed()))
    }
}

/// Passes a request on; without a handler its method is unknown.
pub(crate) async fn request(
    core: &Core,
    user_handler: Option<&UserHandler>,
    request: ClientRequest,
    context: RequestContext<RoleServer>,
) -> Result<ServerResult, ErrorData> {
    let Some(user_handler) = user_handler else { return Err(unknown(request.method())) };
    let handler = Arc::clone(&user_handler.0);
    let answer = async move { handler.request(request, context).await };
    core.sandboxes.unsandboxed().run(answer, true).await.unwrap_or_else(|| Err(failed()))
}

/// The error of a handler that panicked, or that has no threads.
fn failed() -> ErrorData {
    ErrorData::internal_error("the handler failed inside; the server goes on", None)
}

/// The handler's answer, with the server's identity in its `_meta`.
pub(crate) fn signed<T: MethodResult>(
    result: ServerResult,
    server_info: Option<&Value>,
) -> Result<T, ErrorData> {
    let wrong = || ErrorData::internal_error("the handler returned the result of another method", None);
    let mut answer = T::of(result).ok_or_else(wrong)?;
    if let Some(server_info) = server_info {
        answer.sign(server_info);
    }
    Ok(answer)
}

/// The error of a method that this server does not serve.
pub(crate) fn unknown(method: &str) -> ErrorData {
    ErrorData::new(ErrorCode::METHOD_NOT_FOUND, text::shown(method), None)
}

/// A handler of any type.
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

/// The result of one method.
pub(crate) trait MethodResult: Sized {
    /// Takes the result, if it is of this method.
    fn of(result: ServerResult) -> Option<Self>;
    /// Adds the server's identity.
    fn sign(&mut self, server_info: &Value);
}

macro_rules! method_results {
    ($($result:ident)*) => {$(
        impl MethodResult for $result {
            fn of(result: ServerResult) -> Option<Self> {
                if let ServerResult::$result(result) = result { Some(result) } else { None }
            }

            fn sign(&mut self, server_info: &Value) {
                sign(&mut self.meta, server_info);
            }
        }
    )*};
}

method_results! {
    CompleteResult GetSkillResult GetTaskResult ListPromptsResult ListResourceTemplatesResult ListResourcesResult
    ListSkillsResult
}

macro_rules! multi_round_results {
    ($($response:ident from $result:ident)*) => {$(
        impl MethodResult for $response {
            fn of(result: ServerResult) -> Option<Self> {
                match result {
                    ServerResult::$result(result) => Some(Self::Complete(result)),
                    ServerResult::InputRequiredResult(result) => Some(Self::InputRequired(result)),
                    _ => None,
                }
            }

            fn sign(&mut self, server_info: &Value) {
                match self {
                    Self::Complete(result) => sign(&mut result.meta, server_info),
                    Self::InputRequired(result) => sign(&mut result.meta, server_info),
                    _ => {}
                }
            }
        }
    )*};
}

multi_round_results! {
    GetPromptResponse from GetPromptResult
    ReadResourceResponse from ReadResourceResult
}

/// An acknowledgement, which has no `_meta`.
impl MethodResult for () {
    fn of(result: ServerResult) -> Option<Self> {
        matches!(result, ServerResult::EmptyResult(_) | ServerResult::TaskAckResult(_)).then_some(())
    }

    fn sign(&mut self, _: &Value) {}
}

impl MethodResult for CustomResult {
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
