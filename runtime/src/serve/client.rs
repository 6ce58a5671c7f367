//! A client of our own making on rmcp's: for tests in the same process, and for `call` with a child process.

use std::{io, sync::Mutex};

use rmcp::{
    ClientHandler, RoleClient,
    model::{
        CallToolRequestParams, ClientCapabilities, ClientConfig, ContentBlock, ElicitRequestParams,
        ElicitResult, ElicitationAction, ErrorData, Implementation, ProgressNotificationParam,
        ProtocolVersion, RequestMetaObject, ResourceContents,
    },
    service::{
        ClientLifecycleMode, ClientServiceExt as _, NotificationContext, RequestContext, RunningService,
        ServiceError,
    },
};
use serde_json::{Map, Value};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{Built, wire};
use crate::{output::Block, revision::Revision};

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
    running: RunningService<RoleClient, Listener>,
    /// Keys for the `_meta` of the next call.
    meta: Mutex<Map<String, Value>>,
}

/// The client's own ear: what the server asks or reports inside a call.
struct Listener {
    config: ClientConfig,
    person: Option<Box<Answers>>,
    forms: Option<Box<Fills>>,
    progress: Option<Box<Hears>>,
}

type Answers = dyn Fn(&str) -> Said + Send + Sync;
type Fills = dyn Fn(&str) -> Option<Value> + Send + Sync;
type Hears = dyn Fn(f64, Option<f64>, &str) + Send + Sync;

/// What a person says to a question of the server's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// Yes.
    Accept,
    /// No.
    Decline,
    /// Neither: the whole thing is called off.
    Cancel,
}

impl ClientHandler for Listener {
    fn get_info(&self) -> ClientConfig {
        self.config.clone()
    }

    async fn create_elicitation(
        &self,
        request: ElicitRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        let ElicitRequestParams::FormElicitationParams { message: question, requested_schema, .. } = &request
        else {
            return Ok(ElicitResult::new(ElicitationAction::Cancel));
        };
        if !requested_schema.properties.is_empty() {
            // Nobody says yes to fields that they cannot fill in.
            let filled = self.forms.as_ref().and_then(|forms| forms(question));
            return Ok(match filled {
                Some(content) => ElicitResult::new(ElicitationAction::Accept).with_content(content),
                None => ElicitResult::new(ElicitationAction::Decline),
            });
        }
        Ok(match self.person.as_ref().map(|person| person(question)) {
            Some(Said::Accept) => {
                ElicitResult::new(ElicitationAction::Accept).with_content(serde_json::json!({}))
            }
            Some(Said::Decline) => ElicitResult::new(ElicitationAction::Decline),
            Some(Said::Cancel) | None => ElicitResult::new(ElicitationAction::Cancel),
        })
    }

    async fn on_progress(&self, report: ProgressNotificationParam, _: NotificationContext<RoleClient>) {
        if let Some(progress) = &self.progress {
            progress(report.progress, report.total, report.message.as_deref().unwrap_or_default());
        }
    }
}

/// A client before it connects: who sits at it, and who hears of progress.
///
/// ```
/// use candor::{Revision, Server, mcp_tool, testing::{Guest, Said}, tools};
/// use serde_json::json;
///
/// /// Forget everything.
/// #[mcp_tool(destructive, idempotent, closed_world, public)]
/// fn forget() {}
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let built = Server::new("memory", "1.0.0").unaudited().tools(tools![forget]).build().unwrap();
/// let client = Guest::new().answers(|_question| Said::Decline).to(built, Revision::V2026_07_28).await;
/// let answer = client.call("forget", json!({})).await.unwrap();
/// assert_eq!(answer.reason(), Some("confirmation_declined"));
/// # });
/// ```
#[derive(Default)]
#[must_use = "a guest does nothing until it connects"]
pub struct Guest {
    person: Option<Box<Answers>>,
    forms: Option<Box<Fills>>,
    progress: Option<Box<Hears>>,
}

impl Guest {
    /// A client that nobody sits at.
    pub fn new() -> Self {
        Self::default()
    }

    /// Somebody answers the server's questions: the client declares the `elicitation` capability.
    pub fn answers(mut self, person: impl Fn(&str) -> Said + Send + Sync + 'static) -> Self {
        self.person = Some(Box::new(person));
        self
    }

    /// Somebody fills in the forms of tools that ask ([`Ask`](crate::Ask)): the fields, or `None` to decline. The client
    /// declares the `elicitation` capability.
    pub fn fills_in(mut self, forms: impl Fn(&str) -> Option<Value> + Send + Sync + 'static) -> Self {
        self.forms = Some(Box::new(forms));
        self
    }

    /// Somebody hears of progress: how much is done, of how much, and a word about it.
    pub fn hears(mut self, progress: impl Fn(f64, Option<f64>, &str) + Send + Sync + 'static) -> Self {
        self.progress = Some(Box::new(progress));
        self
    }

    /// Connects to a built server in memory, with what was granted to it, under `revision`.
    ///
    /// # Panics
    ///
    /// The connection fails.
    pub async fn to(self, built: Built, revision: Revision) -> Client {
        let ((read, write), (server_read, server_write)) = {
            let (client, server) = tokio::io::duplex(PIPE);
            (tokio::io::split(client), tokio::io::split(server))
        };
        tokio::spawn(built.serve(server_read, server_write));
        self.connect(read, write, Some(revision))
            .await
            .unwrap_or_else(|error| panic!("no connection: {error}"))
    }

    /// Connects over byte streams; without a revision, under the newest that the server speaks.
    ///
    /// # Errors
    ///
    /// The other end is no MCP server, or speaks none of the revisions.
    pub async fn connect<R, W>(self, read: R, write: W, revision: Option<Revision>) -> io::Result<Client>
    where
        R: AsyncRead + Send + Unpin + 'static,
        W: AsyncWrite + Send + Unpin + 'static,
    {
        let newest = revision.unwrap_or(Revision::V2026_07_28);
        let mut config = ClientConfig::default();
        config.client_info = Implementation::new("candor", env!("CARGO_PKG_VERSION"));
        config.protocol_version = match wire::version(newest) {
            version if version.has_initialize() => version,
            _ => ProtocolVersion::V_2025_11_25,
        };
        if self.person.is_some() || self.forms.is_some() {
            config.capabilities = ClientCapabilities::builder().enable_elicitation().build();
        }
        let lifecycle = match revision {
            Some(Revision::V2026_07_28) => ClientLifecycleMode::Discover {
                preferred_versions: vec![wire::version(Revision::V2026_07_28)],
            },
            Some(_) => ClientLifecycleMode::Initialize,
            None => ClientLifecycleMode::Auto {
                preferred_versions: vec![wire::version(newest)],
                legacy_version: Some(ProtocolVersion::V_2025_11_25),
            },
        };
        let listener = Listener { config, person: self.person, forms: self.forms, progress: self.progress };
        let running =
            listener.serve_with_lifecycle((read, write), lifecycle).await.map_err(io::Error::other)?;
        Ok(Client { running, meta: Mutex::default() })
    }
}

/// What a tool answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Whether the tool reports a failure.
    pub is_error: bool,
    /// What a model reads.
    pub content: Vec<Block>,
    /// What a program reads.
    pub structured: Option<Value>,
    /// The result's `_meta`.
    pub meta: Map<String, Value>,
    /// The whole result as it came.
    pub raw: Value,
}

impl Answer {
    /// All text of the answer.
    pub fn text(&self) -> String {
        let text = self.content.iter().filter_map(|block| match block {
            Block::Text(text) => Some(text.as_str()),
            _ => None,
        });
        text.collect::<Vec<_>>().join("\n")
    }

    /// The word for programs in a failure (`_meta["candor/reason"]`).
    pub fn reason(&self) -> Option<&str> {
        self.meta.get("candor/reason").and_then(Value::as_str)
    }
}

/// A call that was answered with a protocol error, or not at all.
#[derive(Clone, Debug, PartialEq)]
pub struct Refused {
    /// The JSON-RPC error code; 0 where the connection broke.
    pub code: i32,
    /// What the server said.
    pub message: String,
    /// More of it, for programs.
    pub data: Option<Value>,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.message, self.code)
    }
}

impl std::error::Error for Refused {}

impl From<ServiceError> for Refused {
    fn from(error: ServiceError) -> Self {
        match error {
            ServiceError::McpError(error) => {
                Self { code: error.code.0, message: error.message.into_owned(), data: error.data }
            }
            other => Self { code: 0, message: other.to_string(), data: None },
        }
    }
}

/// The bytes that an in-memory connection holds.
const PIPE: usize = 64 * 1024;

impl Client {
    /// Builds `server`, grants it nothing, and connects under the newest revision. Unless the server has an audit log of
    /// its own, nothing is recorded.
    ///
    /// # Panics
    ///
    /// The server does not build, or the connection fails: in a test, both are failures.
    pub async fn of<C: crate::state::State>(server: crate::Server<C>) -> Self {
        let built = server
            .or_unaudited()
            .build()
            .unwrap_or_else(|error| panic!("the server does not start: {error}"));
        Self::to(built, Revision::V2026_07_28).await
    }

    /// Connects to a built server, with what was granted to it, under `revision`.
    ///
    /// # Panics
    ///
    /// The connection fails.
    pub async fn to(built: Built, revision: Revision) -> Self {
        Guest::new().to(built, revision).await
    }

    /// Connects over byte streams; without a revision, under the newest that the server speaks.
    ///
    /// # Errors
    ///
    /// The other end is no MCP server, or speaks none of the revisions.
    pub async fn connect<R, W>(read: R, write: W, revision: Option<Revision>) -> io::Result<Self>
    where
        R: AsyncRead + Send + Unpin + 'static,
        W: AsyncWrite + Send + Unpin + 'static,
    {
        Guest::new().connect(read, write, revision).await
    }

    /// Adds a key to the `_meta` of the next call.
    pub fn with_meta(&self, key: &str, value: impl Into<Value>) -> &Self {
        self.next_meta().insert(key.to_owned(), value.into());
        self
    }

    fn next_meta(&self) -> std::sync::MutexGuard<'_, Map<String, Value>> {
        self.meta.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Every tool that the server lists for this caller, as JSON.
    ///
    /// # Errors
    ///
    /// The server refuses, or the connection breaks.
    pub async fn tools(&self) -> Result<Vec<Value>, Refused> {
        let tools = self.running.list_all_tools().await?;
        Ok(tools.into_iter().map(|tool| serde_json::to_value(tool).unwrap_or_default()).collect())
    }

    /// Calls a tool with an object of arguments.
    ///
    /// # Errors
    ///
    /// A protocol error: no such tool, a missing scope, no call at all. What the tool itself reports is an [`Answer`]
    /// with `is_error`.
    pub async fn call(&self, tool: &str, arguments: Value) -> Result<Answer, Refused> {
        let mut params = CallToolRequestParams::new(tool.to_owned());
        params.arguments = match arguments {
            Value::Object(arguments) => Some(arguments),
            Value::Null => None,
            _ => {
                let message = "arguments are an object: json!({…})".to_owned();
                return Err(Refused { code: 0, message, data: None });
            }
        };
        let meta = std::mem::take(&mut *self.next_meta());
        if !meta.is_empty() {
            params.meta = Some(RequestMetaObject(rmcp::model::MetaObject(meta)));
        }
        let result = self.running.call_tool(params).await?;
        let raw = serde_json::to_value(&result).unwrap_or_default();
        Ok(Answer {
            is_error: result.is_error == Some(true),
            content: result.content.into_iter().map(block).collect(),
            structured: result.structured_content,
            meta: result.meta.map(|meta| meta.0).unwrap_or_default(),
            raw,
        })
    }

    /// The revision that both ends agreed on, as it was named.
    pub fn revision(&self) -> Option<String> {
        self.running.peer_info().map(|info| info.protocol_version.to_string())
    }

    /// The client underneath, for everything this one does not do.
    pub fn peer(&self) -> &rmcp::Peer<RoleClient> {
        self.running.peer()
    }

    /// Closes the connection in good order.
    pub async fn close(self) {
        // The server's end of a closed connection is no error of this one.
        let _ = self.running.cancel().await;
    }
}

fn block(block: ContentBlock) -> Block {
    match block {
        ContentBlock::Text(text) => Block::Text(text.text),
        ContentBlock::Image(image) => Block::Image { data: image.data, mime_type: image.mime_type },
        ContentBlock::Audio(audio) => Block::Audio { data: audio.data, mime_type: audio.mime_type },
        ContentBlock::Resource(embedded) => match embedded.resource {
            ResourceContents::TextResourceContents { uri, mime_type, text, .. } => {
                Block::Resource { uri, mime_type, text }
            }
            other => Block::Text(serde_json::to_string(&other).unwrap_or_default()),
        },
        ContentBlock::ResourceLink(link) => {
            Block::ResourceLink { uri: link.uri, name: link.name, mime_type: link.mime_type }
        }
        other => Block::Text(serde_json::to_string(&other).unwrap_or_default()),
    }
}
