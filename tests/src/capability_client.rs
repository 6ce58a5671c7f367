//! A raw client that declares capabilities: in the handshake, or from 2026-07-28 on in each request.

use candor::{Revision, Service};
use serde_json::{Value, json};

use crate::{
    messages::{metadata, request},
    raw_client::RawClient,
};

/// A client with capabilities.
pub struct CapabilityClient {
    /// The connection, for lines of the test's own.
    pub connection: RawClient,
    /// The capabilities that the next request declares, from 2026-07-28 on.
    pub capabilities: Value,
    /// The log level that the next request asks for, from 2026-07-28 on.
    pub log_level: Option<&'static str>,
    revision: Revision,
}

impl CapabilityClient {
    /// Connects to a server in this process, with a handshake if the revision has one.
    pub async fn connect(service: Service, revision: Revision, capabilities: Value) -> Self {
        let mut connection = RawClient::connect(service);
        if revision != Revision::V2026_07_28 {
            connection.initialize_with(revision, capabilities.clone()).await;
        }
        Self { connection, capabilities, log_level: None, revision }
    }

    /// Writes a request, with the client's capabilities if the revision wants them in each request.
    pub fn request_line(&self, id: &Value, method: &str, mut params: Value) -> String {
        if self.revision == Revision::V2026_07_28 {
            let mut meta = metadata(self.revision.as_str(), &self.capabilities);
            if let Some(level) = self.log_level {
                meta["io.modelcontextprotocol/logLevel"] = level.into();
            }
            // The request may have metadata already, for example an idempotency key.
            match params["_meta"].as_object_mut() {
                Some(own) => own.extend(meta.as_object().cloned().unwrap_or_default()),
                None => params["_meta"] = meta,
            }
        }
        request(id, method, params)
    }

    /// Sends a request, and receives the next message, which may be a question before the answer.
    pub async fn request(&mut self, method: &str, params: Value) -> Value {
        let line = self.request_line(&json!("request"), method, params);
        self.connection.exchange(line).await
    }

    /// Calls a tool with these further parameters, and receives the next message.
    pub async fn call(&mut self, tool: &str, more: Value) -> Value {
        let mut params = json!({"name": tool, "arguments": {}});
        params.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
        self.request("tools/call", params).await
    }

    /// Answers a question that came inside a call, and receives the next message.
    pub async fn answer(&mut self, question: &Value, result: Value) -> Value {
        let answer = json!({"jsonrpc": "2.0", "id": question["id"], "result": result});
        self.connection.exchange(answer.to_string()).await
    }
}
