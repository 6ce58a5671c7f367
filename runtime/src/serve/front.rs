//! One connection's requests → the pipeline, or the user's own handler for what is no tool.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    mem,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
};

use rmcp::{
    RoleServer, ServerHandler, Service,
    model::{
        CacheScope, CallToolRequestParams, CallToolResponse, ClientNotification, ClientRequest,
        CustomRequest, CustomResult, ErrorCode, ErrorData, Implementation, ListToolsResult, MetaObject,
        PaginatedRequestParams, ProgressNotificationParam, ProgressToken, ProtocolVersion,
        ServerCapabilities, ServerConfig, ServerResult,
    },
    service::{NotificationContext, RequestContext},
};
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    Shared, log,
    visitor::{self, Visitor},
    wire,
};
use crate::{
    call::{Caller, Reports},
    pipeline::{self, Answer, Refusal, Request},
    report::{Level, Report, Wanted},
    revision::Revision,
    text,
};

/// The key of SEP-2575's server identity in a result's `_meta`.
const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";
/// How long a client may keep a list of tools, in milliseconds: they do not change while the process lives.
const LIST_TTL_MS: u64 = 300_000;
/// Reports that may wait for the client.
const REPORTS_WAITING: usize = 32;
/// How often a tool may ask in one call of a client that does not come back by itself.
const ROUNDS: usize = 10;

/// What answers one connection.
pub(super) struct Front {
    tools: Desk,
}

/// The part of a connection that rmcp's handler trait dispatches: the handshake and the tools.
struct Desk {
    shared: Arc<Shared>,
    caller: Arc<Caller>,
    /// The client has closed its end.
    gone: CancellationToken,
    /// The least grave message that the client wants for its log (`logging/setLevel`).
    level: AtomicU8,
    /// `serverInfo` for the `_meta` of every modern result (SHOULD in 2026-07-28).
    server_info: Value,
}

impl Front {
    pub(super) fn new(shared: Arc<Shared>, caller: Arc<Caller>, gone: CancellationToken) -> Self {
        let server_info = json!(implementation(&shared));
        let level = AtomicU8::new(Level::Info as u8);
        Self { tools: Desk { shared, caller, gone, level, server_info } }
    }

    /// Whether the request is for the tools' desk; everything else is the user's handler's.
    fn is_ours(&self, request: &ClientRequest) -> bool {
        match request {
            ClientRequest::SetLevelRequest(_) => self.tools.shared.about.logging,
            ClientRequest::InitializeRequest(_)
            | ClientRequest::DiscoverRequest(_)
            | ClientRequest::PingRequest(_)
            | ClientRequest::CallToolRequest(_)
            | ClientRequest::ListToolsRequest(_) => true,
            ClientRequest::CustomRequest(custom) => {
                matches!(custom.method.as_str(), "tools/call" | "tools/list")
            }
            _ => false,
        }
    }
}

impl Service<RoleServer> for Front {
    async fn handle_request(
        &self,
        request: ClientRequest,
        context: RequestContext<RoleServer>,
    ) -> Result<ServerResult, ErrorData> {
        let shared = &self.tools.shared;
        let pinned =
            context.meta.protocol_version().is_none_or(|version| shared.revisions.contains(&version));
        match &shared.extra {
            // The desk also answers a revision that is not pinned: with the list of those that are.
            _ if self.is_ours(&request) || !pinned => {
                Service::handle_request(&self.tools, request, context).await
            }
            Some(extra) => {
                let revision = revision(&context);
                let result = extra.0.handle_request(request, context).await?;
                if revision.wants_objects() { Ok(result) } else { self.tools.signed(result) }
            }
            None => Err(ErrorData::new(ErrorCode::METHOD_NOT_FOUND, text::shown(request.method()), None)),
        }
    }

    async fn handle_notification(
        &self,
        notification: ClientNotification,
        context: NotificationContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        match &self.tools.shared.extra {
            Some(extra) => extra.0.handle_notification(notification, context).await,
            None => Ok(()),
        }
    }

    fn get_info(&self) -> ServerConfig {
        ServerHandler::get_info(&self.tools)
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        ServerHandler::supported_protocol_versions(&self.tools)
    }
}

impl ServerHandler for Desk {
    fn get_info(&self) -> ServerConfig {
        let mut capabilities = match &self.shared.extra {
            Some(extra) => extra.0.get_info().capabilities,
            None => ServerCapabilities::default(),
        };
        capabilities.tools = ServerCapabilities::builder().enable_tools().build().tools;
        if self.shared.about.logging {
            capabilities.logging = Some(serde_json::Map::new());
        }
        let mut config = ServerConfig::new(capabilities);
        config.protocol_version = self
            .shared
            .revisions
            .iter()
            .rfind(|version| version.has_initialize())
            .cloned()
            .unwrap_or_default();
        config.server_info = implementation(&self.shared);
        config.instructions.clone_from(&self.shared.about.instructions);
        config
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        self.shared.revisions.clone().into()
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        // All tools stand on one page, so no cursor but the empty one was ever handed out.
        if request.and_then(|request| request.cursor).is_some_and(|cursor| !cursor.is_empty()) {
            return Err(ErrorData::invalid_params(
                "this list has one page, and the cursor names another",
                None,
            ));
        }
        let revision = revision(&context);
        let mut list = ListToolsResult::with_all_items(self.shared.lists.of(&self.caller, revision));
        if !revision.wants_objects() {
            list.ttl_ms = Some(LIST_TTL_MS);
            // The list is cut to what this caller may call.
            list.cache_scope = Some(CacheScope::Private);
            list.meta = Some(MetaObject(self.meta(revision)));
        }
        Ok(list)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        mut context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let revision = revision(&context);
        let token = context.meta.get_progress_token();
        let wanted = Wanted { progress: token.is_some(), log: self.log_level(&context, revision) };
        let idempotency_key = context.meta.remove("candor/idempotency-key");
        if !wanted.any() {
            return self.rounds(request, &context, revision, idempotency_key, None).await;
        }
        let (sender, reports) = mpsc::channel(REPORTS_WAITING);
        let answer =
            self.rounds(request, &context, revision, idempotency_key, Some(Reports { sender, wanted }));
        reporting(answer, token, reports, &context).await
    }

    async fn set_level(&self, request: log::Asked, _: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        self.level.store(log::asked(&request) as u8, Ordering::Relaxed);
        Ok(())
    }

    /// rmcp reads a `tools/call` that is none as a method it does not know; it is a call with invalid parameters.
    async fn on_custom_request(
        &self,
        request: CustomRequest,
        _: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        Err(match request.method.as_str() {
            "tools/call" => wire::error(&Refusal::Malformed(why_no_call(request.params.as_ref()))),
            "tools/list" => {
                ErrorData::invalid_params("`tools/list` takes an object with a `cursor`, or nothing", None)
            }
            method => ErrorData::new(ErrorCode::METHOD_NOT_FOUND, text::shown(method), None),
        })
    }
}

impl Desk {
    /// The call, and before 2026-07-28 its questions: put here, as later clients put them by themselves.
    async fn rounds(
        &self,
        call: CallToolRequestParams,
        context: &RequestContext<RoleServer>,
        revision: Revision,
        idempotency_key: Option<Value>,
        reports: Option<Reports>,
    ) -> Result<CallToolResponse, ErrorData> {
        let in_rounds = !revision.wants_objects();
        let abilities = visitor::abilities(context.client_capabilities());
        let mut person = Visitor {
            context,
            gone: &self.gone,
            in_rounds,
            abilities,
            // Earlier clients do not come back.
            state: call.request_state.filter(|_| in_rounds),
            responses: call.input_responses.filter(|_| in_rounds).unwrap_or_default(),
        };
        let mut arguments = call.arguments.unwrap_or_default();
        let may_ask = !in_rounds && abilities.any();
        for _ in 0..ROUNDS {
            let request = Request {
                tool: call.name.clone().into_owned(),
                arguments: if may_ask { arguments.clone() } else { mem::take(&mut arguments) },
                caller: Arc::clone(&self.caller),
                revision,
                idempotency_key: idempotency_key.clone(),
                reports: reports.clone(),
                cancelled: context.ct.child_token(),
                person: &person,
            };
            match pipeline::call(&self.shared.core, request).await {
                Ok(Answer::Reply(reply)) => return Ok(wire::result(reply, self.meta(revision)).into()),
                Ok(Answer::Ask { questions, state }) if in_rounds => {
                    return Ok(visitor::round(questions, state, self.meta(revision))?.into());
                }
                Ok(Answer::Ask { questions, state }) => {
                    let mut responses = BTreeMap::new();
                    for (key, question) in questions {
                        if let Some(answer) = person.put(question).await? {
                            responses.insert(key, answer);
                        }
                    }
                    person = person.back(state, responses);
                }
                Err(refusal) => return Err(wire::error(&refusal)),
            }
        }
        Err(ErrorData::internal_error("the tool asked ten times, and still has no answer", None))
    }

    /// From which level on this client wants messages for its log.
    fn log_level(&self, context: &RequestContext<RoleServer>, revision: Revision) -> Option<Level> {
        if !self.shared.about.logging {
            None
        } else if revision.wants_objects() {
            Level::ALL.get(usize::from(self.level.load(Ordering::Relaxed))).copied()
        } else {
            log::of(context)
        }
    }

    /// A result of the user's handler, with this server's name on it.
    fn signed(&self, result: ServerResult) -> Result<ServerResult, ErrorData> {
        let unwritable =
            |_| ErrorData::internal_error("the handler's result could not be written as JSON", None);
        let mut result = serde_json::to_value(result).map_err(unwritable)?;
        if let Some(result) = result.as_object_mut()
            && let Some(meta) = result.entry("_meta").or_insert_with(|| json!({})).as_object_mut()
        {
            meta.entry(SERVER_INFO).or_insert_with(|| self.server_info.clone());
        }
        Ok(ServerResult::CustomResult(CustomResult(result)))
    }

    /// The `_meta` that every result of this revision starts with.
    fn meta(&self, revision: Revision) -> Map<String, Value> {
        let mut meta = Map::new();
        if !revision.wants_objects() {
            meta.insert(SERVER_INFO.to_owned(), self.server_info.clone());
        }
        meta
    }
}

fn implementation(shared: &Shared) -> Implementation {
    let mut implementation = Implementation::new(&shared.about.name, &shared.about.version);
    implementation.title.clone_from(&shared.about.title);
    implementation
}

/// The revision a request is under. The pinned list was checked before, so an unknown one cannot come this far.
fn revision(context: &RequestContext<RoleServer>) -> Revision {
    let named = |version: &ProtocolVersion| Revision::named(version.as_str());
    let said = context.meta.protocol_version();
    said.as_ref()
        .and_then(named)
        .or_else(|| context.peer.peer_info().and_then(|peer| named(&peer.protocol_version)))
        .unwrap_or(Revision::V2025_06_18)
}

/// Runs a call and passes its reports on, in order, the last before the answer.
async fn reporting<T>(
    answer: impl Future<Output = T>,
    token: Option<ProgressToken>,
    mut reports: mpsc::Receiver<Report>,
    context: &RequestContext<RoleServer>,
) -> T {
    let mut answer = pin!(answer);
    let mut furthest = f64::NEG_INFINITY;
    loop {
        tokio::select! {
            biased;
            Some(report) = reports.recv() => tell(report, token.as_ref(), &mut furthest, context).await,
            answer = &mut answer => {
                while let Ok(report) = reports.try_recv() {
                    tell(report, token.as_ref(), &mut furthest, context).await;
                }
                return answer;
            }
        }
    }
}

/// A client that has gone is no reason to stop the handler here: the transport ends the call.
async fn tell(
    report: Report,
    token: Option<&ProgressToken>,
    furthest: &mut f64,
    context: &RequestContext<RoleServer>,
) {
    match (report, token) {
        // `progress` has to increase with each notification (MCP, progress), and JSON has no infinity.
        (Report::Progress { done, total, message }, Some(token)) if done.is_finite() && done > *furthest => {
            *furthest = done;
            let mut params = ProgressNotificationParam::new(token.clone(), done);
            params.total = total.filter(|total| total.is_finite());
            params.message = Some(message);
            let _ = context.peer.notify_progress(params).await;
        }
        (Report::Progress { .. }, _) => {}
        (Report::Log { level, message }, _) => {
            log::send(&context.peer, level, message).await;
        }
    }
}

fn why_no_call(params: Option<&Value>) -> String {
    let why = match params {
        None => "it has no `params`",
        Some(Value::Object(params)) => match (params.get("name"), params.get("arguments")) {
            (None, _) => "`name` is missing",
            (Some(Value::String(_)), Some(arguments)) if !arguments.is_object() => "`arguments` is no object",
            (Some(Value::String(_)), _) => "a field of `params` has the wrong type",
            (Some(_), _) => "`name` is no string",
        },
        Some(_) => "`params` is no object",
    };
    format!("this is no `tools/call`: {why}\nhelp: send {{\"name\": \"…\", \"arguments\": {{…}}}}")
}
