//! Observes requests that are refused before they reach a method: by a transport, or by rmcp.

use std::borrow::Cow;

use rmcp::{
    RoleServer,
    model::{ClientNotification, ClientRequest, ErrorData, ProtocolVersion, ServerConfig, ServerResult},
    service::{NotificationContext, RequestContext, Service},
};

use super::handler::McpHandler;
use crate::{
    pipeline::Core,
    telemetry::{self, McpMethod, RequestEnd, RequestFacts},
};

/// Observes a request that was refused with this JSON-RPC code. A message that names no method counts as one of another.
pub(crate) fn observe(core: &Core, transport: &'static str, method: McpMethod, code: i32) {
    let facts = RequestFacts {
        method,
        tool: None,
        transport,
        revision: None,
        trace: None,
        incoming: None,
        caller: None,
    };
    core.telemetry.begin(facts).end(RequestEnd::Error(code).into());
}

/// The handler of a connection, which observes the requests that rmcp refuses before it calls the handler.
pub(crate) struct WatchedHandler(pub(crate) McpHandler);

impl Service<RoleServer> for WatchedHandler {
    async fn handle_request(
        &self,
        request: ClientRequest,
        context: RequestContext<RoleServer>,
    ) -> Result<ServerResult, ErrorData> {
        let method = McpMethod::named(request.method());
        let answer = || Service::handle_request(&self.0, request, context);
        let (answer, was_observed) = telemetry::watched(answer).await;
        if let (Err(error), false) = (&answer, was_observed) {
            observe(&self.0.shared.core, "stdio", method, error.code.0);
        }
        answer
    }

    async fn handle_notification(
        &self,
        notification: ClientNotification,
        context: NotificationContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        Service::handle_notification(&self.0, notification, context).await
    }

    fn get_info(&self) -> ServerConfig {
        Service::get_info(&self.0)
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        Service::supported_protocol_versions(&self.0)
    }
}
