//! Writes the JSON-RPC messages that clients send, as lines.

#![expect(clippy::needless_pass_by_value, reason = "a `json!` literal reads better without a `&`")]

use serde_json::{Value, json};

/// The notification that ends the handshake.
pub const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

/// Writes the request that opens a handshake, of a client without capabilities.
pub fn initialize(revision: &str) -> String {
    initialize_with(revision, json!({}))
}

/// Writes the request that opens a handshake, of a client that declares `capabilities`.
pub fn initialize_with(revision: &str, capabilities: Value) -> String {
    let params =
        json!({"protocolVersion": revision, "capabilities": capabilities, "clientInfo": client_info()});
    request(&json!("initialize"), "initialize", params)
}

/// Writes a `tools/call`.
pub fn call(id: &Value, tool: &str, arguments: Value) -> String {
    request(id, "tools/call", json!({"name": tool, "arguments": arguments}))
}

/// Writes a request.
pub fn request(id: &Value, method: &str, params: Value) -> String {
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string()
}

/// Writes a request of a revision without a handshake, of a client without capabilities.
pub fn modern(id: &Value, revision: &str, method: &str, mut params: Value) -> String {
    params["_meta"] = metadata(revision, &json!({}));
    request(id, method, params)
}

/// The `_meta` of a request of a revision without a handshake.
pub fn metadata(revision: &str, capabilities: &Value) -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": revision,
        "io.modelcontextprotocol/clientCapabilities": capabilities,
        "io.modelcontextprotocol/clientInfo": client_info(),
    })
}

/// Writes the notification that cancels a request.
pub fn cancel(id: &Value) -> String {
    let params = json!({"requestId": id, "reason": "enough"});
    json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}).to_string()
}

/// The answer to a form that the user filled in.
pub fn accept(content: Value) -> Value {
    json!({"action": "accept", "content": content})
}

fn client_info() -> Value {
    json!({"name": "tests", "version": "0"})
}
