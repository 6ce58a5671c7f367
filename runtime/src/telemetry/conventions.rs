//! Names the attributes and metrics of the OpenTelemetry conventions for MCP that the server emits.
//!
//! Revision: `open-telemetry/semantic-conventions-genai`, `model/mcp/common.yaml` at `0e5e6a8d59d3`, `spans.yaml` at
//! `5c50d346f1c9`, `metrics.yaml` at `14567fad6858`; status *development*. The same names in crate
//! `opentelemetry-semantic-conventions` are deprecated, since they moved to that repository. `tests/telemetry/conventions.tsv`
//! has the requirement level of each name.

/// The method of the request.
pub(crate) const METHOD_NAME: &str = "mcp.method.name";
/// The revision of the protocol.
pub(crate) const PROTOCOL_VERSION: &str = "mcp.protocol.version";
/// The session, in revisions that have sessions.
pub(crate) const SESSION_ID: &str = "mcp.session.id";
/// The registered name of the called tool.
pub(crate) const TOOL_NAME: &str = "gen_ai.tool.name";
/// Set on tool calls alone, to [`EXECUTE_TOOL`].
pub(crate) const OPERATION_NAME: &str = "gen_ai.operation.name";
/// The id of the JSON-RPC request as text.
pub(crate) const REQUEST_ID: &str = "jsonrpc.request.id";
/// The code of a JSON-RPC error as text.
pub(crate) const STATUS_CODE: &str = "rpc.response.status_code";
/// The kind of failure: a JSON-RPC code that counts as an error, or `tool_error`.
pub(crate) const ERROR_TYPE: &str = "error.type";
/// The transport: [`PIPE`] or [`TCP`].
pub(crate) const TRANSPORT: &str = "network.transport";

/// The stage that refused a call: a name of our own.
pub(crate) const DENIED_BY: &str = "candor.denied_by";

/// The value of [`OPERATION_NAME`].
pub(crate) const EXECUTE_TOOL: &str = "execute_tool";
/// The value of [`TRANSPORT`] for stdio.
pub(crate) const PIPE: &str = "pipe";
/// The value of [`TRANSPORT`] for HTTP.
pub(crate) const TCP: &str = "tcp";

/// The histogram of the time from a request to its answer, in seconds.
#[cfg(all(feature = "otel", feature = "cli"))]
pub(crate) const OPERATION_DURATION: &str = "mcp.server.operation.duration";

/// The JSON-RPC codes that are the caller's mistakes: a server must not count them as errors.
const CALLER_MISTAKES: [i32; 5] = [-32700, -32600, -32601, -32602, -32002];

/// Returns whether a JSON-RPC code counts as an error of the server (`rpc.response.status_code` on server spans).
pub(crate) fn is_server_error(code: i32) -> bool {
    !CALLER_MISTAKES.contains(&code)
}
