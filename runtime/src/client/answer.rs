//! Holds the result or error of a call, for tests and the terminal.

use serde_json::{Map, Value};

use crate::{tool::output::Block, wire_names};

/// The answer of a tool.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Whether the tool reports a failure.
    pub is_error: bool,
    /// The content for a model.
    pub content: Vec<Block>,
    /// The data for a program.
    pub structured: Option<Value>,
    /// The result's `_meta`.
    pub meta: Map<String, Value>,
    /// The whole result as it was received.
    pub raw: Value,
}

impl Answer {
    /// Returns all text of the answer.
    pub fn text(&self) -> String {
        let text = self.content.iter().filter_map(|block| match block.plain() {
            Block::Text(text) => Some(text.as_str()),
            _ => None,
        });
        text.collect::<Vec<_>>().join("\n")
    }

    /// Returns whether this is the answer to an earlier call with the same idempotency key.
    pub fn is_replayed(&self) -> bool {
        self.meta.get(wire_names::REPLAYED) == Some(&Value::Bool(true))
    }

    /// Returns the reason code of a failure (`_meta["io.github.candor-mcp/reason"]`).
    pub fn reason(&self) -> Option<&str> {
        self.meta.get(wire_names::REASON).and_then(Value::as_str)
    }
}

/// The error of a call that was answered with a protocol error, or not answered.
#[derive(Clone, Debug, PartialEq)]
pub struct CallError {
    /// The JSON-RPC error code; 0 if the connection failed.
    pub code: i32,
    /// The message of the server.
    pub message: String,
    /// The error's data for programs.
    pub data: Option<Value>,
}

impl std::fmt::Display for CallError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.message, self.code)
    }
}

impl std::error::Error for CallError {}
