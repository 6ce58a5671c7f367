//! Answers the methods other than `tools/call`: lists tools, and passes most requests on to the user's own handler.

#![expect(deprecated, reason = "older revisions still have logging levels")]

use rmcp::{
    RoleServer,
    model::{
        ClientRequest, CustomRequest, CustomResult, ErrorData, ListToolsResult, MetaObject,
        PaginatedRequestParams, SetLevelRequest, SetLevelRequestParams,
    },
    service::{RequestContext, SubscriptionContext},
};

use super::{
    handler::{McpHandler, revision},
    observed, task_result,
};
use crate::{
    pipeline::Refusal,
    revision::Revision,
    serve::{
        convert, message,
        user_handler::{self, MethodResult},
    },
    telemetry::McpMethod,
};

/// The time for which a client may cache a list of tools, in milliseconds. Tools do not change while the process lives.
const LIST_TTL_MS: u64 = 300_000;

impl McpHandler {
    /// Lists the tools that the caller may see.
    pub(super) fn tool_list(
        &self,
        request: Option<PaginatedRequestParams>,
        context: &RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        // All tools stand on one page, so the empty cursor is the only valid one.
        if request.and_then(|request| request.cursor).is_some_and(|cursor| !cursor.is_empty()) {
            return Err(ErrorData::invalid_params(
                "this list has one page, and the cursor is not valid for it",
                None,
            ));
        }
        let revision = revision(context);
        let (caller, _) = self.identify(context)?;
        let mut list = ListToolsResult::with_all_items(self.shared.lists.of(&caller, revision));
        if !revision.is_legacy() {
            list.ttl_ms = Some(LIST_TTL_MS);
            list.cache_scope = Some(self.shared.lists.cache_scope());
            list.meta = Some(MetaObject(self.shared.meta(revision)));
        }
        Ok(list)
    }

    /// Answers a request whose method or parameters rmcp does not know. rmcp treats a malformed `tools/call` as an unknown
    /// method; it is a known one with invalid parameters.
    pub(super) async fn unknown_to_rmcp(
        &self,
        request: CustomRequest,
        context: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        match request.method.as_str() {
            "tools/call" => {
                Err(convert::error(&Refusal::Malformed(convert::malformed_call(request.params.as_ref()))))
            }
            // Well-formed ones reach methods of their own.
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

    /// Sets the level of a client's log.
    pub(super) async fn log_level(
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

    /// Serves a subscription until its client or the server ends it.
    pub(super) async fn subscription(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
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

    /// Passes a request on to the user's own handler, and observes it.
    pub(super) fn delegated<T: MethodResult, R: Into<ClientRequest>>(
        &self,
        request: R,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Result<T, ErrorData>> + Send + use<'_, T, R> {
        let request = request.into();
        let observation = self.observe(McpMethod::named(request.method()), &context);
        observed::answer(observation, self.delegate(request, context))
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
