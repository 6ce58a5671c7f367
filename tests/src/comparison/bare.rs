//! The server on bare rmcp: its macros, a router that is made once and stored, and no enforcement.

use rmcp::{
    ErrorData, Json, RoleServer, ServerHandler,
    handler::server::{router::tool::ToolRouter, tool::ToolCallContext, wrapper::Parameters},
    model::{
        CallToolRequestParams, CallToolResponse, Implementation, ListToolsResult, PaginatedRequestParams,
        ServerCapabilities, ServerConfig,
    },
    schemars::JsonSchema,
    service::RequestContext,
    tool, tool_router,
};
use serde::Deserialize;

use super::{Prices, Quote};

/// The handler of one connection.
#[derive(Clone, Debug)]
pub struct BareServer {
    prices: Prices,
    pub(super) router: ToolRouter<Self>,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct PriceArgs {
    /// Ticker symbol, for example `AAPL`.
    #[schemars(regex(pattern = "^[A-Z]{1,5}$"))]
    symbol: String,
    /// How many shares.
    #[schemars(range(min = 1, max = 100))]
    lots: u32,
}

#[tool_router]
impl BareServer {
    /// Newest price of one symbol.
    #[tool(
        title = "Get price",
        annotations(
            title = "Get price",
            read_only_hint = true,
            destructive_hint = false,
            idempotent_hint = true,
            open_world_hint = false
        )
    )]
    fn get_price(&self, Parameters(args): Parameters<PriceArgs>) -> Result<Json<Quote>, String> {
        self.prices.quote(args.symbol, args.lots).map(Json)
    }

    /// Newest price of one symbol, from a function that may wait.
    #[tool(
        title = "Get price async",
        annotations(
            title = "Get price async",
            read_only_hint = true,
            destructive_hint = false,
            idempotent_hint = true,
            open_world_hint = false
        )
    )]
    async fn get_price_async(&self, Parameters(args): Parameters<PriceArgs>) -> Result<Json<Quote>, String> {
        self.prices.quote(args.symbol, args.lots).map(Json)
    }
}

impl ServerHandler for BareServer {
    fn get_info(&self) -> ServerConfig {
        let mut config = ServerConfig::new(ServerCapabilities::builder().enable_tools().build());
        config.server_info = Implementation::new("prices", "1.0.0");
        config
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        self.router.call(ToolCallContext::new(self, request, context)).await
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(self.router.list_all()))
    }
}

/// Makes the server.
pub fn server() -> BareServer {
    BareServer { prices: Prices::default(), router: BareServer::tool_router() }
}
