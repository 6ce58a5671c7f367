//! A client for the command line: one request after another, over lines of JSON.

use std::{io, time::Duration};

use futures::FutureExt as _;
use rmcp::model::CallToolResult;
use serde_json::{Map, Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader, Lines};

use super::{Answer, CallError, reactions::Reactions};
use crate::{revision::Revision, serve::Service, wire_names};

/// The buffer of a connection in memory.
const CLIENT_PIPE_BYTES: usize = 64 * 1024;
/// The number of rounds of questions before a call fails.
const MAX_QUESTION_ROUNDS: usize = 10;
/// The number of pages of a list before it is not read further.
const MAX_LIST_PAGES: usize = 1000;
/// The interval of polls of a task if the server does not set one.
const DEFAULT_POLL_INTERVAL: Duration = Duration::from_secs(1);
/// JSON-RPC: the method is not there.
const METHOD_NOT_FOUND: i32 = -32601;

/// A client of a server of this same program, so that both know its revisions.
pub(crate) struct LineClient {
    read: Lines<BufReader<Box<dyn AsyncRead + Send + Unpin>>>,
    write: Box<dyn AsyncWrite + Send + Unpin>,
    revision: Revision,
    reactions: Reactions,
    /// Whether the client accepts tasks.
    tasks: bool,
    last_id: u64,
}

impl LineClient {
    /// Connects over byte streams under `revision`. With `tasks`, a call may be answered with a task, which is waited for.
    pub(crate) async fn connect(
        read: impl AsyncRead + Send + Unpin + 'static,
        write: impl AsyncWrite + Send + Unpin + 'static,
        revision: Revision,
        reactions: Reactions,
        tasks: bool,
    ) -> Result<Self, CallError> {
        let read: Box<dyn AsyncRead + Send + Unpin> = Box::new(read);
        let read = BufReader::new(read).lines();
        let mut client = Self { read, write: Box::new(write), revision, reactions, tasks, last_id: 0 };
        // Revisions from 2026-07-28 on have no handshake.
        if revision.is_legacy() {
            let params = json!({
                "protocolVersion": revision.as_str(),
                "capabilities": client.capabilities(),
                "clientInfo": client_info(),
            });
            client.request("initialize", params).await?;
            client.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await?;
        }
        Ok(client)
    }

    /// Connects to a built server in memory, with the scopes that it grants.
    pub(crate) async fn to(service: Service, revision: Revision) -> Result<Self, CallError> {
        let (client, server) = tokio::io::duplex(CLIENT_PIPE_BYTES);
        let (server_read, server_write) = tokio::io::split(server);
        tokio::spawn(service.serve(server_read, server_write).map(drop).boxed());
        let (read, write) = tokio::io::split(client);
        Self::connect(read, write, revision, Reactions::default(), true).await
    }

    /// Returns every tool that the server lists for this caller.
    pub(crate) async fn tools(&mut self) -> Result<Vec<Value>, CallError> {
        let mut tools = Vec::new();
        let mut params = json!({});
        for _ in 0..MAX_LIST_PAGES {
            let mut page = self.request("tools/list", params).await?;
            if let Value::Array(listed) = page["tools"].take() {
                tools.extend(listed);
            }
            match page["nextCursor"].take() {
                cursor @ Value::String(_) => params = json!({"cursor": cursor}),
                _ => break,
            }
        }
        Ok(tools)
    }

    /// Calls a tool, answers its questions, and waits for its task if it is answered with one.
    pub(crate) async fn call(
        &mut self,
        tool: &str,
        arguments: Map<String, Value>,
        idempotency_key: Option<&str>,
    ) -> Result<Answer, CallError> {
        let mut params = json!({"name": tool, "arguments": arguments, "_meta": {}});
        if let Some(key) = idempotency_key {
            params["_meta"][wire_names::IDEMPOTENCY_KEY] = key.into();
        }
        for _ in 0..MAX_QUESTION_ROUNDS {
            let mut result = self.request("tools/call", params.clone()).await?;
            match result["resultType"].as_str() {
                Some("input_required") => {
                    params["inputResponses"] = self.answers(&result["inputRequests"]);
                    params["requestState"] = result["requestState"].take();
                }
                Some("task") => {
                    let id = result["taskId"].take();
                    return answer(self.task_result(&id).await?);
                }
                _ => return answer(result),
            }
        }
        Err(failed(format!("the server asked {MAX_QUESTION_ROUNDS} times")))
    }

    /// Closes the connection.
    pub(crate) async fn close(mut self) {
        // The server may have closed it already.
        let _ = self.write.shutdown().await;
    }

    /// Waits for the result of a task.
    async fn task_result(&mut self, id: &Value) -> Result<Value, CallError> {
        let mut last_status = String::new();
        loop {
            let mut task = self.request("tasks/get", json!({"taskId": id})).await?;
            if let Some(status) = task["statusMessage"].as_str().filter(|status| *status != last_status) {
                self.reactions.report_status(status);
                status.clone_into(&mut last_status);
            }
            match task["status"].as_str() {
                Some("completed") => return Ok(task["result"].take()),
                Some("failed") => return Err(refused(&mut task["error"])),
                Some("cancelled") => return Err(failed("the task was cancelled")),
                Some("input_required") => {
                    let answers = self.answers(&task["inputRequests"]);
                    self.request("tasks/update", json!({"taskId": id, "inputResponses": answers})).await?;
                }
                _ => {
                    let interval = task["pollIntervalMs"].as_u64().map(Duration::from_millis);
                    tokio::time::sleep(interval.unwrap_or(DEFAULT_POLL_INTERVAL)).await;
                }
            }
        }
    }

    /// Answers each question of a round.
    fn answers(&self, questions: &Value) -> Value {
        let questions = questions.as_object().into_iter().flatten();
        let answer = |question: &Value| self.reactions.elicit_params(&question["params"]);
        questions.map(|(key, question)| (key.clone(), answer(question))).collect()
    }

    /// Sends a request and waits for its answer, while it reacts to everything else that the server sends.
    async fn request(&mut self, method: &str, mut params: Value) -> Result<Value, CallError> {
        self.last_id += 1;
        let id = Value::from(self.last_id);
        if method != "initialize" {
            params["_meta"]["progressToken"] = id.clone();
        }
        if !self.revision.is_legacy() {
            let meta = &mut params["_meta"];
            meta["io.modelcontextprotocol/protocolVersion"] = self.revision.as_str().into();
            meta["io.modelcontextprotocol/clientCapabilities"] = self.capabilities();
            meta["io.modelcontextprotocol/clientInfo"] = client_info();
        }
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})).await?;
        loop {
            let mut message = self.receive().await?;
            if message.get("method").is_some() {
                self.react(&message).await?;
            } else if message["id"] == id {
                return match message.get_mut("error") {
                    Some(error) => Err(refused(error)),
                    None => Ok(message["result"].take()),
                };
            }
        }
    }

    /// Answers a request of the server, and passes on its reports.
    async fn react(&mut self, message: &Value) -> Result<(), CallError> {
        let (method, params, id) = (message["method"].as_str(), &message["params"], message.get("id"));
        let answer = match (method, id) {
            (Some("notifications/progress"), None) => {
                let done = params["progress"].as_f64().unwrap_or_default();
                let text = params["message"].as_str().unwrap_or_default();
                self.reactions.report_progress(done, params["total"].as_f64(), text);
                return Ok(());
            }
            (_, None) => return Ok(()),
            (Some("ping"), Some(id)) => json!({"jsonrpc": "2.0", "id": id, "result": {}}),
            (Some("elicitation/create"), Some(id)) => {
                json!({"jsonrpc": "2.0", "id": id, "result": self.reactions.elicit_params(params)})
            }
            (_, Some(id)) => {
                let error = json!({"code": METHOD_NOT_FOUND, "message": "this client does not offer it"});
                json!({"jsonrpc": "2.0", "id": id, "error": error})
            }
        };
        self.send(&answer).await
    }

    fn capabilities(&self) -> Value {
        let mut capabilities = json!({});
        if self.reactions.can_answer() {
            capabilities["elicitation"] = json!({});
        }
        if self.tasks {
            capabilities["extensions"] = json!({"io.modelcontextprotocol/tasks": {}});
        }
        capabilities
    }

    async fn send(&mut self, message: &Value) -> Result<(), CallError> {
        let line = format!("{message}\n");
        let sent = async {
            self.write.write_all(line.as_bytes()).await?;
            self.write.flush().await
        };
        sent.await.map_err(|error| lost(&error))
    }

    async fn receive(&mut self) -> Result<Value, CallError> {
        let line = self.read.next_line().await.map_err(|error| lost(&error))?;
        let line = line.ok_or_else(|| failed("the connection was closed"))?;
        serde_json::from_str(&line).map_err(|error| failed(format!("the answer is not JSON: {error}")))
    }
}

fn client_info() -> Value {
    json!({"name": "candor", "version": env!("CARGO_PKG_VERSION")})
}

/// Reads the result of a call.
fn answer(result: Value) -> Result<Answer, CallError> {
    let read: CallToolResult = serde_json::from_value(result)
        .map_err(|error| failed(format!("the answer is not the result of a tool: {error}")))?;
    Ok(Answer::of(read))
}

/// Reads a JSON-RPC error.
fn refused(error: &mut Value) -> CallError {
    CallError {
        code: error["code"].as_i64().and_then(|code| i32::try_from(code).ok()).unwrap_or_default(),
        message: error["message"].as_str().unwrap_or_default().to_owned(),
        data: error.get_mut("data").map(Value::take),
    }
}

fn lost(error: &io::Error) -> CallError {
    failed(format!("the connection was lost: {error}"))
}

fn failed(message: impl Into<String>) -> CallError {
    CallError { code: 0, message: message.into(), data: None }
}
