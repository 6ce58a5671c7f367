//! Reads the contract of a running server from its list of tools, over streamable HTTP.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use serde_json::{Map, Value, json};

use crate::{
    cli::exchange::{Endpoint, HttpAnswer},
    contract::{Lock, Uncompared, listed_tool},
    message::Message,
    ordered::CollectOrdered as _,
    serve::convert::SERVER_INFO,
    text,
};

/// The pages of one list.
const MAX_PAGES: usize = 1_000;
const MODERN: &str = "2026-07-28";
const LEGACY: &str = "2025-11-25";
/// The environment variable with the token of a server that needs one.
const TOKEN_VARIABLE: &str = "CANDOR_DIFF_TOKEN";

/// Asks the server for its name and all its tools.
pub(super) fn fetch(url: &str) -> Result<Lock, Uncompared> {
    let unreachable = |message| Uncompared { id: "server-unreachable", message };
    let help = "give the address of its MCP endpoint, such as `http://127.0.0.1:8080/mcp`";
    let endpoint = Endpoint::new(url, help).map_err(unreachable)?;
    let token = endpoint.token(TOKEN_VARIABLE).map_err(unreachable)?;
    let mut connection = ListingClient { endpoint, token, revision: MODERN, session: None, next_id: 1 };
    let listed = match connection.list() {
        // A server of earlier revisions does not know a request without a session.
        Err(modern) => connection.open_session().and_then(|server| Ok((server, connection.list()?.1))).map_err(|legacy| {
            Message::new(format!("{} does not list its tools: {legacy}", text::shown(url)))
                .note(format!("under {MODERN}, it said: {modern}"))
                .help(format!("give the address of the MCP endpoint, such as `http://127.0.0.1:8080/mcp`; a token goes into `{TOKEN_VARIABLE}`"))
        }),
        Ok(listed) => Ok(listed),
    };
    let (server, tools) = listed.map_err(unreachable)?;
    let part = |key: &str| server.get(key).and_then(Value::as_str).map(str::to_owned);
    let (Some(name), Some(version)) = (part("name"), part("version")) else {
        let message = Message::new(format!("{} does not say which server it is", text::shown(url)))
            .note("its answers have no `serverInfo` with a name and a version");
        return Err(Uncompared { id: "server-unnamed", message });
    };
    let tools = tools.into_iter().filter_map(listed_tool).collect_ordered();
    let mut settings = Map::new();
    settings.extend(server.get("title").map(|title| ("title".to_owned(), title.clone())));
    Ok(Lock { name, version, settings, tools, is_listed: true })
}

struct ListingClient {
    endpoint: Endpoint,
    token: Option<String>,
    revision: &'static str,
    session: Option<HeaderValue>,
    next_id: u64,
}

impl ListingClient {
    /// Asks for every page of the list. Returns the server's identity, if the answers hold it, and the tools.
    fn list(&mut self) -> Result<(Value, Vec<Value>), Message> {
        let (mut server, mut tools, mut cursor) = (Value::Null, Vec::new(), None::<String>);
        for _ in 0..MAX_PAGES {
            let mut params = json!({});
            if let Some(cursor) = cursor {
                params["cursor"] = cursor.into();
            }
            let mut result = self.request("tools/list", params)?.1;
            if let Some(identity) = result["_meta"].get(SERVER_INFO) {
                server = identity.clone();
            }
            match result["tools"].take() {
                Value::Array(page) => tools.extend(page),
                _ => return Err(Message::new("its list has no `tools`")),
            }
            cursor = result["nextCursor"].as_str().map(str::to_owned);
            if cursor.is_none() {
                return Ok((server, tools));
            }
        }
        Err(Message::new(format!("its list has more than {MAX_PAGES} pages")))
    }

    /// Opens a session of an earlier revision. Returns the server's identity.
    fn open_session(&mut self) -> Result<Value, Message> {
        self.revision = LEGACY;
        let client = json!({"name": "candor", "version": env!("CARGO_PKG_VERSION")});
        let params = json!({"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": client});
        let (headers, mut result) = self.request("initialize", params)?;
        self.session = headers.get("mcp-session-id").cloned();
        self.post(
            &json!({"jsonrpc": "2.0", "method": "notifications/initialized"}),
            "notifications/initialized",
        )?;
        Ok(result["serverInfo"].take())
    }

    fn request(&mut self, method: &str, mut params: Value) -> Result<(HeaderMap, Value), Message> {
        if self.revision == MODERN {
            params["_meta"] = json!({
                "io.modelcontextprotocol/protocolVersion": MODERN,
                "io.modelcontextprotocol/clientCapabilities": {},
                "io.modelcontextprotocol/clientInfo": {"name": "candor", "version": env!("CARGO_PKG_VERSION")},
            });
        }
        let id = self.next_id;
        self.next_id += 1;
        let request = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        let HttpAnswer { status, headers, body } = self.post(&request, method)?;
        let Some(mut answer) = answer_in(&body, id) else {
            return Err(Message::new(format!(
                "it answers `{method}` with status {status}, and not with JSON-RPC"
            )));
        };
        if let Some(error) = answer["error"]["message"].as_str() {
            // Its notes and its help are for clients of that server.
            let error = error.lines().next().unwrap_or_default();
            return Err(Message::new(format!("it refuses `{method}`: {}", text::shown(error))));
        }
        Ok((headers, answer["result"].take()))
    }

    fn post(&self, message: &Value, method: &str) -> Result<HttpAnswer, Message> {
        let mut headers = HeaderMap::new();
        let mut add = |name: HeaderName, value: &str| {
            // Only a token can hold characters that a header does not take; the server then refuses the request.
            headers.extend(HeaderValue::from_str(value).ok().map(|value| (name, value)));
        };
        add(header::CONTENT_TYPE, "application/json");
        add(header::ACCEPT, "application/json, text/event-stream");
        add(header::USER_AGENT, concat!("candor/", env!("CARGO_PKG_VERSION")));
        if method != "initialize" {
            add(HeaderName::from_static("mcp-protocol-version"), self.revision);
        }
        if self.revision == MODERN {
            add(HeaderName::from_static("mcp-method"), method);
        }
        if let Some(token) = &self.token {
            add(header::AUTHORIZATION, &format!("Bearer {token}"));
        }
        headers
            .extend(self.session.clone().map(|session| (HeaderName::from_static("mcp-session-id"), session)));
        self.endpoint.post(&headers, message.to_string())
    }
}

/// Finds the answer to the request `id` in a body: a JSON object, or a stream of events that holds it.
fn answer_in(body: &str, id: u64) -> Option<Value> {
    let is_answer =
        |value: &Value| value["id"] == id && (value["result"].is_object() || value["error"].is_object());
    if let Ok(value) = serde_json::from_str::<Value>(body) {
        // An answer to a request that could not be read has no id.
        return (is_answer(&value) || value["error"].is_object()).then_some(value);
    }
    let lines: Vec<&str> = body.lines().collect();
    let events = lines.split(|line| line.is_empty()).map(|event| {
        let data = event.iter().filter_map(|line| line.strip_prefix("data:"));
        data.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect::<Vec<_>>().join("\n")
    });
    events.filter_map(|data| serde_json::from_str::<Value>(&data).ok()).find(is_answer)
}
