//! Configures a client and connects it.

use std::{io, sync::Mutex};

use rmcp::{
    ClientHandler, RoleClient,
    model::{
        ClientCapabilities, ClientConfig, ElicitRequestParams, ElicitResult, ElicitationAction, ErrorData,
        Implementation, ProgressNotificationParam, ProtocolVersion, ResourceUpdatedNotificationParam,
        TASKS_EXTENSION_ID,
    },
    service::{ClientLifecycleMode, ClientServiceExt as _, NotificationContext, RequestContext},
};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{Client, ElicitAction, FilledForm, reactions::Reactions, thread_check::ThreadCheck};
use crate::{
    revision::Revision,
    serve::{Service, convert},
};

/// The buffer of an in-memory connection.
const PIPE_BYTES: usize = 64 * 1024;

/// The builder of a client, with its reactions to questions and reports of the server.
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
    reactions: Reactions,
    updated: Option<Box<OnUpdated>>,
    tasks: bool,
    may_leave_threads: bool,
}

impl ClientBuilder {
    /// Creates a client that cannot answer questions.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the answer to questions without fields, such as a confirmation. The client declares the capability
    /// `elicitation`.
    pub fn on_confirm(mut self, confirm: impl Fn(&str) -> ElicitAction + Send + Sync + 'static) -> Self {
        self.reactions.confirm = Some(Box::new(confirm));
        self
    }

    /// Sets the answer to the forms of tools that ask ([`Ask`](crate::Ask)): the fields, or `None` to decline. The client
    /// declares the capability `elicitation`.
    pub fn on_form(self, form: impl Fn(&str) -> Option<Value> + Send + Sync + 'static) -> Self {
        self.on_fields(move |question, _| form(question).map_or(FilledForm::Declined, FilledForm::Filled))
    }

    /// As [`ClientBuilder::on_form`], for a reaction that reads the fields of the form (its JSON Schema), and tells a form
    /// that was declined from one that was dismissed.
    pub fn on_fields(mut self, form: impl Fn(&str, &Value) -> FilledForm + Send + Sync + 'static) -> Self {
        self.reactions.form = Some(Box::new(form));
        self
    }

    /// Sets the reader of progress reports: the work done, the total, and a short message.
    pub fn on_progress(mut self, progress: impl Fn(f64, Option<f64>, &str) + Send + Sync + 'static) -> Self {
        self.reactions.progress = Some(Box::new(progress));
        self
    }

    /// Accepts a task as the answer to a call, and waits for its result. The client declares the extension
    /// `io.modelcontextprotocol/tasks`.
    pub fn with_tasks(mut self) -> Self {
        self.tasks = true;
        self
    }

    /// Lets sandboxed tools of a server in this process leave threads behind. By default, a test fails when its client is
    /// dropped and a thread that such a tool started still runs.
    pub fn may_leave_threads(mut self) -> Self {
        self.may_leave_threads = true;
        self
    }

    /// Sets the reader of a task's status message, which is called at each change.
    pub fn on_status(mut self, status: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.reactions.status = Some(Box::new(status));
        self
    }

    /// Sets the reader of notifications that a resource has changed (`notifications/resources/updated`), which is called
    /// with its address. Before 2026-07-28, `client.peer().subscribe(…)` asks for them; since then,
    /// `client.peer().listen(…)` does, and returns them.
    pub fn on_updated(mut self, updated: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.updated = Some(Box::new(updated));
        self
    }

    /// Connects to a built server in memory, with the scopes that it grants, under `revision`.
    ///
    /// # Panics
    ///
    /// The connection fails.
    pub async fn to(self, service: Service, revision: Revision) -> Client {
        let ((read, write), (server_read, server_write)) = {
            let (client, server) = tokio::io::duplex(PIPE_BYTES);
            (tokio::io::split(client), tokio::io::split(server))
        };
        let threads = (!self.may_leave_threads).then(|| ThreadCheck::new(service.thread_watch()));
        tokio::spawn(service.serve(server_read, server_write));
        let client = self.connect(read, write, Some(revision)).await;
        let client = client.unwrap_or_else(|error| panic!("no connection: {error}"));
        Client { _threads: threads, ..client }
    }

    /// Connects over byte streams. Without a revision, uses the newest that the server speaks.
    ///
    /// # Errors
    ///
    /// The other end is not an MCP server, or does not speak the revision.
    pub async fn connect<R, W>(self, read: R, write: W, revision: Option<Revision>) -> io::Result<Client>
    where
        R: AsyncRead + Send + Unpin + 'static,
        W: AsyncWrite + Send + Unpin + 'static,
    {
        self.connect_boxed(Box::new(read), Box::new(write), revision).await
    }

    /// Connects over boxed streams: rmcp's state machine is then compiled once, and not for each pair of types in each
    /// program.
    async fn connect_boxed(
        self,
        read: Box<dyn AsyncRead + Send + Unpin>,
        write: Box<dyn AsyncWrite + Send + Unpin>,
        revision: Option<Revision>,
    ) -> io::Result<Client> {
        let newest = revision.unwrap_or(Revision::V2026_07_28);
        let mut config = ClientConfig::default();
        config.client_info = Implementation::new("candor", env!("CARGO_PKG_VERSION"));
        config.protocol_version = match convert::version(newest) {
            version if version.has_initialize() => version,
            _ => ProtocolVersion::V_2025_11_25,
        };
        if self.reactions.can_answer() {
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
        let listener = Listener { config, reactions: self.reactions, updated: self.updated };
        let running =
            listener.serve_with_lifecycle((read, write), lifecycle).await.map_err(io::Error::other)?;
        Ok(Client { running, tasks: self.tasks, meta: Mutex::default(), _threads: None })
    }
}

/// The handler of the server's requests and notifications.
pub(super) struct Listener {
    config: ClientConfig,
    reactions: Reactions,
    updated: Option<Box<OnUpdated>>,
}

type OnUpdated = dyn Fn(&str) + Send + Sync;

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
        let message = report.message.as_deref().unwrap_or_default();
        self.reactions.report_progress(report.progress, report.total, message);
    }

    async fn on_resource_updated(
        &self,
        change: ResourceUpdatedNotificationParam,
        _: NotificationContext<RoleClient>,
    ) {
        if let Some(updated) = &self.updated {
            updated(&change.uri);
        }
    }
}

impl Listener {
    /// Passes on the status message of a task.
    pub(super) fn report_status(&self, status: &str) {
        self.reactions.report_status(status);
    }

    /// Answers a question.
    pub(super) fn elicit(&self, request: &ElicitRequestParams) -> ElicitResult {
        let ElicitRequestParams::FormElicitationParams { message: question, requested_schema, .. } = request
        else {
            return ElicitResult::new(ElicitationAction::Cancel);
        };
        let schema = serde_json::to_value(requested_schema).unwrap_or_default();
        let answer = self.reactions.elicit(question, &schema);
        serde_json::from_value(answer).unwrap_or_else(|_| ElicitResult::new(ElicitationAction::Cancel))
    }
}
