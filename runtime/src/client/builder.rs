//! Who sits at a client and hears of progress → a client that is connected.

use std::{io, sync::Mutex};

use rmcp::{
    ClientHandler, RoleClient,
    model::{
        ClientCapabilities, ClientConfig, ElicitRequestParams, ElicitResult, ElicitationAction, ErrorData,
        Implementation, ProgressNotificationParam, ProtocolVersion, TASKS_EXTENSION_ID,
    },
    service::{ClientLifecycleMode, ClientServiceExt as _, NotificationContext, RequestContext},
};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{Client, Service};
use crate::{revision::Revision, serve::convert};

/// The bytes that an in-memory connection holds.
const PIPE: usize = 64 * 1024;

/// A client before it connects: who sits at it, and who hears of progress.
///
/// ```
/// use candor::{Revision, Server, mcp_tool, testing::{ClientBuilder, ElicitAction}, tools};
/// use serde_json::json;
///
/// /// Forget everything.
/// #[mcp_tool(destructive, idempotent, closed_world, public)]
/// fn forget() {}
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let service = Server::new("memory", "1.0.0").unaudited().tools(tools![forget]).build().unwrap();
/// let client = ClientBuilder::new().on_confirm(|_question| ElicitAction::Decline).to(service, Revision::V2026_07_28).await;
/// let answer = client.call("forget", json!({})).await.unwrap();
/// assert_eq!(answer.reason(), Some("confirmation_declined"));
/// # });
/// ```
#[derive(Default)]
#[must_use = "a client does nothing until it connects"]
pub struct ClientBuilder {
    person: Option<Box<OnConfirm>>,
    forms: Option<Box<OnForm>>,
    progress: Option<Box<OnProgress>>,
    status: Option<Box<OnStatus>>,
    tasks: bool,
}

impl ClientBuilder {
    /// A client that nobody sits at.
    pub fn new() -> Self {
        Self::default()
    }

    /// Somebody answers the server's questions: the client declares the `elicitation` capability.
    pub fn on_confirm(mut self, person: impl Fn(&str) -> ElicitAction + Send + Sync + 'static) -> Self {
        self.person = Some(Box::new(person));
        self
    }

    /// Somebody fills in the forms of tools that ask ([`Ask`](crate::Ask)): the fields, or `None` to decline. The client
    /// declares the `elicitation` capability.
    pub fn on_form(mut self, forms: impl Fn(&str) -> Option<Value> + Send + Sync + 'static) -> Self {
        self.forms = Some(Box::new(forms));
        self
    }

    /// Somebody hears of progress: how much is done, of how much, and a word about it.
    pub fn on_progress(mut self, progress: impl Fn(f64, Option<f64>, &str) + Send + Sync + 'static) -> Self {
        self.progress = Some(Box::new(progress));
        self
    }

    /// Takes a task for an answer, and waits for its result: the client declares the extension
    /// `io.modelcontextprotocol/tasks`.
    pub fn with_tasks(mut self) -> Self {
        self.tasks = true;
        self
    }

    /// Somebody reads how far a task is, in the tool's own words, each time that they change.
    pub fn on_status(mut self, status: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.status = Some(Box::new(status));
        self
    }

    /// Connects to a built server in memory, with what was granted to it, under `revision`.
    ///
    /// # Panics
    ///
    /// The connection fails.
    pub async fn to(self, service: Service, revision: Revision) -> Client {
        let ((read, write), (server_read, server_write)) = {
            let (client, server) = tokio::io::duplex(PIPE);
            (tokio::io::split(client), tokio::io::split(server))
        };
        tokio::spawn(service.serve(server_read, server_write));
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
        config.protocol_version = match convert::version(newest) {
            version if version.has_initialize() => version,
            _ => ProtocolVersion::V_2025_11_25,
        };
        if self.person.is_some() || self.forms.is_some() {
            config.capabilities = ClientCapabilities::builder().enable_elicitation().build();
        }
        if self.tasks {
            let extensions = config.capabilities.extensions.get_or_insert_default();
            extensions.entry(TASKS_EXTENSION_ID.to_owned()).or_default();
        }
        let lifecycle = match revision {
            Some(Revision::V2026_07_28) => ClientLifecycleMode::Discover {
                preferred_versions: vec![convert::version(Revision::V2026_07_28)],
            },
            Some(_) => ClientLifecycleMode::Initialize,
            None => ClientLifecycleMode::Auto {
                preferred_versions: vec![convert::version(newest)],
                legacy_version: Some(ProtocolVersion::V_2025_11_25),
            },
        };
        let Self { person, forms, progress, status, .. } = self;
        let listener = Listener { config, person, forms, progress, status };
        let running =
            listener.serve_with_lifecycle((read, write), lifecycle).await.map_err(io::Error::other)?;
        Ok(Client { running, tasks: self.tasks, meta: Mutex::default() })
    }
}

/// What a person says to a question of the server's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElicitAction {
    /// Yes.
    Accept,
    /// No.
    Decline,
    /// Neither: the whole thing is called off.
    Cancel,
}

/// The client's own ear: what the server asks or reports inside a call.
pub(super) struct Listener {
    config: ClientConfig,
    person: Option<Box<OnConfirm>>,
    forms: Option<Box<OnForm>>,
    progress: Option<Box<OnProgress>>,
    status: Option<Box<OnStatus>>,
}

type OnConfirm = dyn Fn(&str) -> ElicitAction + Send + Sync;
type OnForm = dyn Fn(&str) -> Option<Value> + Send + Sync;
type OnProgress = dyn Fn(f64, Option<f64>, &str) + Send + Sync;
type OnStatus = dyn Fn(&str) + Send + Sync;

impl ClientHandler for Listener {
    fn get_info(&self) -> ClientConfig {
        self.config.clone()
    }

    async fn create_elicitation(
        &self,
        request: ElicitRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        Ok(self.elicit(&request))
    }

    async fn on_progress(&self, report: ProgressNotificationParam, _: NotificationContext<RoleClient>) {
        if let Some(progress) = &self.progress {
            progress(report.progress, report.total, report.message.as_deref().unwrap_or_default());
        }
    }
}

impl Listener {
    /// Tells whoever sits here how far a task is.
    pub(super) fn tell(&self, status: &str) {
        if let Some(reads) = &self.status {
            reads(status);
        }
    }

    /// What whoever sits here says.
    pub(super) fn elicit(&self, request: &ElicitRequestParams) -> ElicitResult {
        let ElicitRequestParams::FormElicitationParams { message: question, requested_schema, .. } = request
        else {
            return ElicitResult::new(ElicitationAction::Cancel);
        };
        if !requested_schema.properties.is_empty() {
            // Nobody says yes to fields that they cannot fill in.
            let filled = self.forms.as_ref().and_then(|forms| forms(question));
            return match filled {
                Some(content) => ElicitResult::new(ElicitationAction::Accept).with_content(content),
                None => ElicitResult::new(ElicitationAction::Decline),
            };
        }
        match self.person.as_ref().map(|person| person(question)) {
            Some(ElicitAction::Accept) => {
                ElicitResult::new(ElicitationAction::Accept).with_content(serde_json::json!({}))
            }
            Some(ElicitAction::Decline) => ElicitResult::new(ElicitationAction::Decline),
            Some(ElicitAction::Cancel) | None => ElicitResult::new(ElicitationAction::Cancel),
        }
    }
}
