//! Defines the answers of handlers: content for a model and structured data for a program.

use base64::{Engine as _, prelude::BASE64_STANDARD as BASE64};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde_json::{Map, Value};

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
    /// The result's `_meta`, without what the server itself writes there.
    pub meta: Map<String, Value>,
    /// The error if the call failed (`isError`).
    pub error: Option<ToolError>,
    /// Whether this is the answer to an earlier call with the same idempotency key.
    pub replayed: bool,
}

impl From<ToolError> for Reply {
    fn from(error: ToolError) -> Self {
        Self { content: vec![Block::Text(error.message().to_owned())], error: Some(error), ..Self::default() }
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
    /// A binary resource with its content.
    Blob {
        /// The address of the resource.
        uri: String,
        /// For example `application/pdf`.
        mime_type: Option<String>,
        /// The bytes in base64.
        data: String,
    },
    /// Another block, with hints for the client.
    Annotated {
        /// The block.
        block: Box<Block>,
        /// The hints.
        annotations: Annotations,
    },
}

impl Block {
    /// Returns the block without its annotations.
    pub fn plain(&self) -> &Self {
        match self {
            Self::Annotated { block, .. } => block.plain(),
            block => block,
        }
    }
}

/// Hints for the client about a block of content (MCP `Annotations`).
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Annotations {
    /// The readers that the block is meant for; all if it is empty.
    pub audience: Vec<Audience>,
    /// The importance of the block, from 0 (optional) to 1 (required).
    pub priority: Option<f32>,
}

/// A reader of content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// The person in front of the client.
    User,
    /// The model.
    Assistant,
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
    meta: Map<String, Value>,
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

    /// Adds a binary resource with its content.
    pub fn blob(self, uri: impl Into<String>, mime_type: Option<&str>, bytes: impl AsRef<[u8]>) -> Self {
        let (mime_type, data) = (mime_type.map(Into::into), BASE64.encode(bytes));
        self.and(Block::Blob { uri: uri.into(), mime_type, data })
    }

    /// Says which readers the block is meant for that was added last.
    ///
    /// ```
    /// use candor::{Audience, Content};
    ///
    /// let answer = Content::text("done").priority(1.0).and_text("took 3 ms").audience([Audience::User]).priority(0.1);
    /// ```
    pub fn audience(self, readers: impl IntoIterator<Item = Audience>) -> Self {
        self.annotate(|annotations| annotations.audience = readers.into_iter().collect())
    }

    /// Sets the importance of the block that was added last, from 0 (optional) to 1 (required).
    pub fn priority(self, priority: f32) -> Self {
        let priority = if priority.is_nan() { 0.0 } else { priority.clamp(0.0, 1.0) };
        self.annotate(|annotations| annotations.priority = Some(priority))
    }

    fn annotate(mut self, set: impl FnOnce(&mut Annotations)) -> Self {
        let (block, mut annotations) = match self.blocks.pop() {
            None => return self,
            Some(Block::Annotated { block, annotations }) => (block, annotations),
            Some(block) => (Box::new(block), Annotations::default()),
        };
        set(&mut annotations);
        self.and(Block::Annotated { block, annotations })
    }

    /// Sets a value of the result's `_meta`, for programs that know the key. Its name begins with a domain of the author:
    /// `com.example/rows`.
    pub fn meta(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.meta.insert(key.into(), value.into());
        self
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

/// A structured result with content of its own: data for a program, and beside it what a model or a person should read.
///
/// Without content, the model reads the data as JSON text, as for any other structured result.
///
/// ```
/// use candor::{Content, Structured, mcp_tool};
///
/// #[derive(serde::Serialize, schemars::JsonSchema)]
/// struct Row {
///     symbol: String,
///     price: f64,
/// }
///
/// /// Prices as a table and as a picture.
/// #[mcp_tool(read_only, closed_world, public)]
/// fn prices() -> Structured<Vec<Row>> {
///     let rows = vec![Row { symbol: "AAPL".into(), price: 223.02 }];
///     Structured::new(rows).content(Content::text("AAPL closed at 223.02").image(b"\x89PNG", "image/png"))
/// }
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Structured<T> {
    value: T,
    content: Content,
}

impl<T> Structured<T> {
    /// Creates a result with the data `value`.
    pub fn new(value: T) -> Self {
        Self { value, content: Content::default() }
    }

    /// Sets the content that a model reads instead of the data.
    pub fn content(mut self, content: Content) -> Self {
        let meta = std::mem::take(&mut self.content.meta);
        self.content = content;
        self.content.meta.extend(meta);
        self
    }

    /// Sets a value of the result's `_meta`, as [`Content::meta`] does.
    pub fn meta(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.content = self.content.meta(key, value);
        self
    }

    /// Returns the data.
    pub fn value(&self) -> &T {
        &self.value
    }
}

/// The result of a tool: any type that derives `Serialize` and `JsonSchema`, `()`, [`Content`], or [`Structured`].
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
                _ => Reply { structured: Some(value), json: Some(json), ..Reply::default() },
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
        Reply { content: self.blocks, meta: self.meta, ..Reply::default() }
    }
}

#[diagnostic::do_not_recommend]
impl<T: Serialize + JsonSchema> Output for Structured<T> {
    fn schema(generator: &mut SchemaGenerator) -> Option<Schema> {
        <T as Output>::schema(generator)
    }

    fn reply(self) -> Reply {
        let mut reply = self.value.reply();
        if reply.error.is_none() {
            reply.content = self.content.blocks;
            reply.meta = self.content.meta;
        }
        reply
    }
}
