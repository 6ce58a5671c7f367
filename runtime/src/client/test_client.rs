//! Wraps rmcp's client for tests, with a server in the same process or over streams.

use std::{io, sync::Mutex};

use rmcp::{
    RoleClient,
    model::{CallToolRequestParams, RequestMetaObject},
    service::{RunningService, ServiceError},
};
use serde_json::{Map, Value};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{Answer, CallError, ClientBuilder, builder::Listener, tasks, thread_check::ThreadCheck};
use crate::{revision::Revision, serve::Service, wire_names};

/// A client that speaks the real protocol to a server.
///
/// ```
/// use candor::{Server, mcp_tool, testing::Client, tools};
/// use serde_json::json;
///
/// /// Add two numbers.
/// #[mcp_tool(read_only, closed_world, public)]
/// fn add(
///     /// The first.
///     a: i64,
///     /// The second.
///     b: i64,
/// ) -> i64 {
///     a + b
/// }
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let client = Client::of(Server::new("sums", "1.0.0").tools(tools![add])).await;
/// let answer = client.call("add", json!({"a": 2, "b": 3})).await.unwrap();
/// assert_eq!(answer.structured, Some(json!(5)));
/// # });
/// ```
pub struct Client {
    pub(super) running: RunningService<RoleClient, Listener>,
    /// Whether the client accepts tasks.
    pub(super) tasks: bool,
    /// The keys for the `_meta` of the next call.
    pub(super) meta: Mutex<Map<String, Value>>,
    /// Fails the test if tools of a server in this process leave threads behind.
    pub(super) _threads: Option<ThreadCheck>,
}

impl Client {
    /// Builds `server`, connects to it under the newest revision, and grants the caller no scopes. Calls are recorded only
    /// if the server has an audit log. Idempotency keys are kept in memory unless the server has a store.
    ///
    /// # Panics
    ///
    /// The server does not start, or the connection fails.
    pub async fn of<C: crate::tool::state::State>(server: crate::Server<C>) -> Self {
        let service = server
            .or_unaudited()
            .or_keys_in_memory()
            .build()
            .unwrap_or_else(|error| panic!("the server does not start: {error}"));
        Self::to(service, Revision::V2026_07_28).await
    }

    /// Connects to a built server, with the scopes that it grants, under `revision`.
    ///
    /// # Panics
    ///
    /// The connection fails.
    pub async fn to(service: Service, revision: Revision) -> Self {
        ClientBuilder::new().to(service, revision).await
    }

    /// Connects over byte streams. Without a revision, uses the newest that the server speaks.
    ///
    /// # Errors
    ///
    /// The other end is not an MCP server, or does not speak the revision.
    pub async fn connect<R, W>(read: R, write: W, revision: Option<Revision>) -> io::Result<Self>
    where
        R: AsyncRead + Send + Unpin + 'static,
        W: AsyncWrite + Send + Unpin + 'static,
    {
        ClientBuilder::new().connect(read, write, revision).await
    }

    /// Adds a key to the `_meta` of the next call.
    pub fn with_meta(&self, key: &str, value: impl Into<Value>) -> &Self {
        self.next_meta().insert(key.to_owned(), value.into());
        self
    }

    /// Sends the next call with an idempotency key.
    pub fn with_idempotency_key(&self, key: &str) -> &Self {
        self.with_meta(wire_names::IDEMPOTENCY_KEY, key)
    }

    fn next_meta(&self) -> std::sync::MutexGuard<'_, Map<String, Value>> {
        self.meta.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Returns every tool that the server lists for this caller, as JSON.
    ///
    /// # Errors
    ///
    /// The server answers with an error, or the connection fails.
    pub async fn tools(&self) -> Result<Vec<Value>, CallError> {
        let tools = self.running.list_all_tools().await?;
        Ok(tools.into_iter().map(|tool| serde_json::to_value(tool).unwrap_or_default()).collect())
    }

    /// Calls a tool with an object of arguments.
    ///
    /// # Errors
    ///
    /// A protocol error: an unknown tool, a missing scope, a malformed call. An error of the tool itself is an [`Answer`]
    /// with `is_error`.
    pub async fn call(&self, tool: &str, arguments: Value) -> Result<Answer, CallError> {
        let mut params = CallToolRequestParams::new(tool.to_owned());
        params.arguments = match arguments {
            Value::Object(arguments) => Some(arguments),
            Value::Null => None,
            _ => {
                let message = "arguments must be an object: json!({…})".to_owned();
                return Err(CallError { code: 0, message, data: None });
            }
        };
        let meta = std::mem::take(&mut *self.next_meta());
        if !meta.is_empty() {
            params.meta = Some(RequestMetaObject(rmcp::model::MetaObject(meta)));
        }
        let result = if self.tasks {
            tasks::call(&self.running, params).await?
        } else {
            self.running.call_tool(params).await?
        };
        Ok(Answer::of(result))
    }

    /// Returns the name of the negotiated revision.
    pub fn revision(&self) -> Option<String> {
        self.running.peer_info().map(|info| info.protocol_version.to_string())
    }

    /// Returns rmcp's client, for requests that this client does not offer.
    pub fn peer(&self) -> &rmcp::Peer<RoleClient> {
        self.running.peer()
    }

    /// Closes the connection.
    pub async fn close(self) {
        // The server may have closed the connection already.
        let _ = self.running.cancel().await;
    }
}

impl From<ServiceError> for CallError {
    fn from(error: ServiceError) -> Self {
        match error {
            ServiceError::McpError(error) => {
                Self { code: error.code.0, message: error.message.into_owned(), data: error.data }
            }
            other => Self { code: 0, message: other.to_string(), data: None },
        }
    }
}
