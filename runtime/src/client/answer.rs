//! Converts the result or error of a call for tests and the terminal.

use rmcp::{
    model::{CallToolResult, ContentBlock, ResourceContents},
    service::ServiceError,
};
use serde_json::{Map, Value};

use crate::{serve::convert, tool::output::Block, wire_names};

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
    pub(super) fn of(result: CallToolResult) -> Self {
        let raw = serde_json::to_value(&result).unwrap_or_default();
        Self {
            is_error: result.is_error == Some(true),
            content: result.content.into_iter().map(block).collect(),
            structured: result.structured_content,
            meta: result.meta.map(|meta| meta.0).unwrap_or_default(),
            raw,
        }
    }

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

fn block(block: ContentBlock) -> Block {
    let (block, annotations) = match block {
        ContentBlock::Text(text) => (Block::Text(text.text), text.annotations),
        ContentBlock::Image(image) => {
            (Block::Image { data: image.data, mime_type: image.mime_type }, image.annotations)
        }
        ContentBlock::Audio(audio) => {
            (Block::Audio { data: audio.data, mime_type: audio.mime_type }, audio.annotations)
        }
        ContentBlock::Resource(embedded) => (resource(embedded.resource), embedded.annotations),
        ContentBlock::ResourceLink(link) => {
            let block = Block::ResourceLink { uri: link.uri, name: link.name, mime_type: link.mime_type };
            (block, link.annotations)
        }
        other => (Block::Text(serde_json::to_string(&other).unwrap_or_default()), None),
    };
    match annotations {
        Some(annotations) => {
            Block::Annotated { block: Box::new(block), annotations: convert::annotations(annotations) }
        }
        None => block,
    }
}

fn resource(contents: ResourceContents) -> Block {
    match contents {
        ResourceContents::TextResourceContents { uri, mime_type, text, .. } => {
            Block::Resource { uri, mime_type, text }
        }
        ResourceContents::BlobResourceContents { uri, mime_type, blob, .. } => {
            Block::Blob { uri, mime_type, data: blob }
        }
        other => Block::Text(serde_json::to_string(&other).unwrap_or_default()),
    }
}
