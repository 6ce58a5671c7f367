//! Defines the answers of handlers: content for a model and structured data for a program.

use base64::{Engine as _, prelude::BASE64_STANDARD as BASE64};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde_json::Value;

use super::{error::ToolError, finite};
use crate::message::Message;

/// The answer to a call: the protocol's `CallToolResult`, independent of its revision.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reply {
    /// Content for a model.
    pub content: Vec<Block>,
    /// Data for a program, described by the tool's output schema.
    pub structured: Option<Value>,
    /// The same data as JSON text, with its fields in the order of the declaration.
    pub json: Option<String>,
    /// The error if the call failed (`isError`).
    pub error: Option<ToolError>,
}

impl Reply {
    /// An answer without content.
    pub(crate) const EMPTY: Self = Self { content: Vec::new(), structured: None, json: None, error: None };
}

impl From<ToolError> for Reply {
    fn from(error: ToolError) -> Self {
        Self { content: vec![Block::Text(error.message().to_owned())], error: Some(error), ..Self::EMPTY }
    }
}

/// One piece of content (MCP `ContentBlock`).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Block {
    /// Text.
    Text(String),
    /// An image.
    Image {
        /// The bytes in base64.
        data: String,
        /// For example `image/png`.
        mime_type: String,
    },
    /// An audio recording.
    Audio {
        /// The bytes in base64.
        data: String,
        /// For example `audio/wav`.
        mime_type: String,
    },
    /// A text resource with its content.
    Resource {
        /// The address of the resource.
        uri: String,
        /// For example `text/csv`.
        mime_type: Option<String>,
        /// The content.
        text: String,
    },
    /// A link to a resource that the client can read itself.
    ResourceLink {
        /// The address of the resource.
        uri: String,
        /// The name of the resource.
        name: String,
        /// For example `text/csv`.
        mime_type: Option<String>,
    },
}

/// Content in place of a structured result: text, images, audio and resources, in the order they were added.
///
/// ```
/// use candor::Content;
///
/// let plot: &[u8] = b"\x89PNG";
/// let answer = Content::text("The year 2004").image(plot, "image/png");
/// assert_eq!(answer.blocks().len(), 2);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Content {
    blocks: Vec<Block>,
}

impl Content {
    /// Creates content that starts with `text`. `Content::default()` starts empty.
    pub fn text(text: impl Into<String>) -> Self {
        Self::default().and_text(text)
    }

    /// Adds text.
    pub fn and_text(self, text: impl Into<String>) -> Self {
        self.and(Block::Text(text.into()))
    }

    /// Adds an image. `mime_type` is for example `image/png`.
    pub fn image(self, bytes: impl AsRef<[u8]>, mime_type: impl Into<String>) -> Self {
        self.and(Block::Image { data: BASE64.encode(bytes), mime_type: mime_type.into() })
    }

    /// Adds an audio recording. `mime_type` is for example `audio/wav`.
    pub fn audio(self, bytes: impl AsRef<[u8]>, mime_type: impl Into<String>) -> Self {
        self.and(Block::Audio { data: BASE64.encode(bytes), mime_type: mime_type.into() })
    }

    /// Adds a text resource with its content.
    pub fn resource(self, uri: impl Into<String>, mime_type: Option<&str>, text: impl Into<String>) -> Self {
        self.and(Block::Resource { uri: uri.into(), mime_type: mime_type.map(Into::into), text: text.into() })
    }

    /// Adds a link to a resource that the client can read itself.
    pub fn link(self, uri: impl Into<String>, name: impl Into<String>, mime_type: Option<&str>) -> Self {
        self.and(Block::ResourceLink {
            uri: uri.into(),
            name: name.into(),
            mime_type: mime_type.map(Into::into),
        })
    }

    /// Adds one block.
    pub fn and(mut self, block: Block) -> Self {
        self.blocks.push(block);
        self
    }

    /// Returns the blocks so far.
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }
}

/// The result of a tool: any type that derives `Serialize` and `JsonSchema`, `()`, or [`Content`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a tool's result",
    label = "returned by a tool",
    note = "derive `serde::Serialize` and `schemars::JsonSchema` on it, or return one `candor::Content`, which holds any number of blocks"
)]
pub trait Output {
    #[doc(hidden)]
    fn schema(generator: &mut SchemaGenerator) -> Option<Schema>;
    #[doc(hidden)]
    fn reply(self) -> Reply;
}

#[diagnostic::do_not_recommend]
impl<T: Serialize + JsonSchema> Output for T {
    fn schema(generator: &mut SchemaGenerator) -> Option<Schema> {
        Some(generator.subschema_for::<T>())
    }

    fn reply(self) -> Reply {
        match (serde_json::to_value(&self), serde_json::to_string(&self)) {
            (Ok(value), Ok(json)) => match finite::holds_null(&value).then(|| finite::not_finite(&self)) {
                Some(Some(place)) => not_finite(&place).into(),
                _ => Reply { structured: Some(value), json: Some(json), ..Reply::EMPTY },
            },
            // A map has keys that are not strings, or a `Serialize` fails by itself. The caller does not read the
            // reason, since it may quote a value.
            _ => ToolError::new("the tool's result could not be written as JSON").reason("output").into(),
        }
    }
}

/// The error of a result with NaN or an infinity, which JSON does not have.
fn not_finite(place: &str) -> ToolError {
    let message = Message::new(format!("the tool's result has a number at `{place}` that is not finite"))
        .note("JSON has neither NaN nor infinity")
        .help("report it to the operator of the server");
    ToolError::new(message).reason("output_schema")
}

#[diagnostic::do_not_recommend]
impl Output for Content {
    fn schema(_: &mut SchemaGenerator) -> Option<Schema> {
        None
    }

    fn reply(self) -> Reply {
        Reply { content: self.blocks, ..Reply::EMPTY }
    }
}
