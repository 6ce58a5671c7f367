//! A server with a user's rmcp handler, which serves prompts and resources, while Candor serves the tools.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use candor::{
    Caller, Revision, Server, SessionName, State, mcp_tool,
    rmcp::{
        ErrorData, RoleServer, ServerHandler,
        model::{
            CallToolRequestParams, CallToolResponse, GetPromptRequestParams, GetPromptResponse,
            GetPromptResult, ListPromptsResult, ListResourcesResult, ListToolsResult, PaginatedRequestParams,
            Prompt, PromptMessage, Resource, ResourceUpdatedNotificationParam, Role, ServerCapabilities,
            ServerConfig, SubscribeRequestParams,
        },
        service::RequestContext,
    },
    tools,
};
use candor_tests::{
    messages::{modern, request},
    raw_client::{RawClient, for_each_revision},
};
use serde_json::json;

struct UserHandler;

impl ServerHandler for UserHandler {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(
            ServerCapabilities::builder().enable_prompts().enable_resources().enable_tools().build(),
        )
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        Ok(ListPromptsResult::with_all_items(vec![Prompt::new("greet", Some("Greets"), None)]))
    }

    async fn get_prompt(
        &self,
        _: GetPromptRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        Ok(GetPromptResult::new(vec![PromptMessage::new_text(Role::User, "ahoy")]).into())
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        Ok(ListResourcesResult::with_all_items(vec![Resource::new("mem://a", "a")]))
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        unreachable!("tools are declared")
    }

    async fn call_tool(
        &self,
        _: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        unreachable!("tools are declared")
    }
}

/// Say the time.
#[mcp_tool(read_only, closed_world, public)]
fn clock() -> &'static str {
    "noon"
}

/// Wind the clock.
#[mcp_tool(additive, closed_world, scope = "write:clock")]
fn wind() {}

fn server() -> Server {
    Server::new("clock", "1.0.0").unaudited().tools(tools![clock, wind]).handler(UserHandler)
}

/// The state of a server with a handler of its own.
#[derive(State)]
struct Memory {
    notes: std::sync::Mutex<Vec<String>>,
}

/// Serves each note as a resource, and announces changes to a client that has subscribed.
struct Notes(std::sync::Arc<Memory>);

impl ServerHandler for Notes {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(
            ServerCapabilities::builder().enable_resources().enable_resources_subscribe().build(),
        )
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let notes = self.0.notes.lock().unwrap();
        let resources = notes.iter().map(|note| Resource::new(format!("memo://{note}"), note));
        Ok(ListResourcesResult::with_all_items(resources.collect()))
    }

    async fn subscribe(
        &self,
        params: SubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let updated = ResourceUpdatedNotificationParam::new(params.uri);
        context
            .peer
            .notify_resource_updated(updated)
            .await
            .map_err(|error| ErrorData::internal_error(error.to_string(), None))
    }
}

/// Remember a note.
#[mcp_tool(additive, closed_world, public)]
fn remember(
    notes: &std::sync::Mutex<Vec<String>>,
    /// The note.
    note: String,
) {
    notes.lock().unwrap().push(note);
}

#[tokio::test]
async fn user_handler_with_the_state_sees_what_tools_do() {
    let server = Server::new("notes", "1").unaudited().state(Memory { notes: std::sync::Mutex::default() });
    let service = server.tools(tools![remember]).handler_with(Notes).build().unwrap();
    let mut client = RawClient::initialized(service).await;
    client.call("remember", json!({"note": "milk"})).await;
    let listed = client.exchange(request(&json!(1), "resources/list", json!({}))).await;
    assert_eq!(listed["result"]["resources"][0]["uri"], "memo://milk", "{listed}");
    client.send(request(&json!(2), "resources/subscribe", json!({"uri": "memo://milk"}))).await;
    let messages = [client.receive().await, client.receive().await];
    let updated = messages.iter().find(|message| message["method"] == "notifications/resources/updated");
    assert_eq!(updated.expect("the update")["params"]["uri"], "memo://milk", "{messages:?}");
}

/// Lists a resource for the caller, its scopes and its session.
struct Mirror;

impl ServerHandler for Mirror {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_resources().build())
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let caller = context.extensions.get::<Arc<Caller>>().expect("every request has a caller");
        let session = context.extensions.get::<SessionName>().map(SessionName::as_str);
        let known = [caller.subject()].into_iter().chain(caller.scopes()).chain(session);
        let resources = known.map(|name| Resource::new(format!("mem://{name}"), name));
        Ok(ListResourcesResult::with_all_items(resources.collect()))
    }
}

#[tokio::test]
async fn user_handler_knows_the_caller_and_the_session() {
    let service = Server::new("mirror", "1").unaudited().handler(Mirror).build().unwrap();
    let service = service.grant("read:a read:b");
    let mut sessions = Vec::new();
    for_each_revision(&service, async |revision, client| {
        let known = client.peer().list_all_resources().await.unwrap();
        let names: Vec<&str> = known.iter().map(|resource| &*resource.name).collect();
        assert_eq!(names[..3], ["local", "read:a", "read:b"], "{revision}");
        let again = client.peer().list_all_resources().await.unwrap();
        assert_eq!(again[3].name, names[3], "one connection");
        sessions.push(names[3].to_owned());
    })
    .await;
    sessions.dedup();
    assert_eq!(sessions.len(), Revision::ALL.len(), "each connection has a name of its own");
}

#[tokio::test]
async fn user_handler_serves_prompts_and_resources_but_no_tools() {
    for_each_revision(&server().build().unwrap(), async |revision, client| {
        let prompts = client.peer().list_all_prompts().await.unwrap();
        assert_eq!((prompts.len(), &*prompts[0].name), (1, "greet"), "{revision}");
        let prompt = client.peer().get_prompt(GetPromptRequestParams::new("greet")).await.unwrap();
        assert!(serde_json::to_string(&prompt).unwrap().contains("ahoy"), "{revision}");
        let resources = client.peer().list_all_resources().await.unwrap();
        assert_eq!(&*resources[0].uri, "mem://a", "{revision}");
        let tools = client.tools().await.unwrap();
        assert_eq!((tools.len(), &tools[0]["name"]), (1, &json!("clock")), "{revision}");
        assert_eq!(client.call("clock", json!({})).await.unwrap().text(), "noon");
        assert_eq!(client.call("wind", json!({})).await.unwrap_err().code, -31403);
        assert_eq!(client.call("nothing", json!({})).await.unwrap_err().code, -32602);
    })
    .await;
}

#[tokio::test]
async fn user_handler_adds_capabilities_and_keeps_the_server_name() {
    let mut client = RawClient::connect(server().build().unwrap());
    let result = client.initialize(Revision::V2025_11_25).await["result"].take();
    assert_eq!(result["capabilities"], json!({"prompts": {}, "resources": {}, "tools": {}}));
    assert_eq!(result["serverInfo"]["name"], "clock");
    let answer = client.exchange(request(&json!(1), "tools/call", json!({"name": 5}))).await;
    assert_eq!(answer["error"]["code"], -32602, "{answer}");
    let answer = client.exchange(request(&json!(1), "no/such", json!({}))).await;
    assert_eq!(answer["error"]["code"], -32601, "{answer}");
    let mut client = RawClient::connect(server().build().unwrap());
    let result =
        client.exchange(modern(&json!(1), "2026-07-28", "server/discover", json!({}))).await["result"].take();
    assert_eq!(result["capabilities"], json!({"prompts": {}, "resources": {}, "tools": {}}));
    let result =
        client.exchange(modern(&json!(1), "2026-07-28", "prompts/list", json!({}))).await["result"].take();
    assert_eq!(result["prompts"][0]["name"], "greet", "{result}");
    assert_eq!(
        result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "clock",
        "in a result of the handler"
    );
}

#[tokio::test]
async fn user_handler_gets_no_request_of_a_disabled_revision() {
    let mut client =
        RawClient::initialized(server().revisions([Revision::V2025_11_25]).build().unwrap()).await;
    let answer = client.exchange(modern(&json!(1), "2026-07-28", "prompts/list", json!({}))).await;
    assert_eq!(answer["error"]["code"], -32022, "{answer}");
}

/// Blocks the thread until the test goes on, or panics.
struct BadHandler(Arc<AtomicBool>);

impl ServerHandler for BadHandler {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_prompts().enable_resources().build())
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        let start = Instant::now();
        while !self.0.load(Ordering::Acquire) && start.elapsed() < Duration::from_secs(30) {
            thread::sleep(Duration::from_millis(1));
        }
        Ok(ListPromptsResult::with_all_items(Vec::new()))
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        panic!("on purpose")
    }
}

#[tokio::test]
async fn user_handler_that_blocks_or_panics_delays_no_other_answer() {
    let is_released = Arc::<AtomicBool>::default();
    let server = Server::new("clock", "1.0.0").unaudited().tools(tools![clock]);
    let service = server.handler(BadHandler(Arc::clone(&is_released))).build().unwrap();
    let mut client = RawClient::initialized(service).await;
    client.send(request(&json!("blocks"), "prompts/list", json!({}))).await;
    let answer = client.exchange(request(&json!("ping"), "ping", json!({}))).await;
    assert_eq!(answer["id"], "ping", "{answer}");
    assert_eq!(client.call("clock", json!({})).await["result"]["content"][0]["text"], "noon");
    let answer = client.exchange(request(&json!("panics"), "resources/list", json!({}))).await;
    assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!("panics"), &json!(-32603)), "{answer}");
    is_released.store(true, Ordering::Release);
    let answer = client.receive().await;
    assert_eq!((&answer["id"], &answer["result"]["prompts"]), (&json!("blocks"), &json!([])), "{answer}");
}
