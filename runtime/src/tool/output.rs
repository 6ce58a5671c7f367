//! What a function returns → a reply: content a model reads, a structure a program reads, or an error.

use std::{any::Any, borrow::Cow, fmt::Display, time::Duration};

use base64::{Engine as _, prelude::BASE64_STANDARD as BASE64};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde_json::Value;

use super::ask::Ask;

/// What a call answers: the protocol's `CallToolResult`, before any revision shapes it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reply {
    /// What a model reads.
    pub content: Vec<Block>,
    /// What a program reads; described by the tool's output schema.
    pub structured: Option<Value>,
    /// The same as JSON text, its fields in the order of the declaration.
    pub json: Option<String>,
    /// The error, where the call failed (`isError`).
    pub error: Option<ToolError>,
}

impl Reply {
    /// Stands in for the reply of a declaration that did not compile.
    pub(crate) const FALLBACK: Self = Self { content: Vec::new(), structured: None, json: None, error: None };
}

/// The end of one run of a handler.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The handler answered, with a result or an error.
    Done(Reply),
    /// The handler cannot go on before the client has answered.
    Ask(Ask),
}

impl From<Reply> for Outcome {
    fn from(reply: Reply) -> Self {
        Self::Done(reply)
    }
}

impl From<ToolError> for Outcome {
    fn from(mut error: ToolError) -> Self {
        match error.ask.take() {
            Some(ask) => Self::Ask(*ask),
            None => Self::Done(error.into()),
        }
    }
}

/// One piece of content (MCP `ContentBlock`).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Block {
    /// Text.
    Text(String),
    /// A picture, in base64.
    Image {
        /// The bytes in base64.
        data: String,
        /// For example `image/png`.
        mime_type: String,
    },
    /// A recording, in base64.
    Audio {
        /// The bytes in base64.
        data: String,
        /// For example `audio/wav`.
        mime_type: String,
    },
    /// A text resource, sent along.
    Resource {
        /// Where it lives.
        uri: String,
        /// For example `text/csv`.
        mime_type: Option<String>,
        /// What it says.
        text: String,
    },
    /// A resource that the client may read by itself.
    ResourceLink {
        /// Where it lives.
        uri: String,
        /// Its name.
        name: String,
        /// For example `text/csv`.
        mime_type: Option<String>,
    },
}

/// Content in place of a structured result: text, pictures, sound, resources, in the order they were added.
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
    /// Content that starts with `text`. `Content::default()` starts with nothing.
    pub fn text(text: impl Into<String>) -> Self {
        Self::default().and_text(text)
    }

    /// Adds text.
    pub fn and_text(self, text: impl Into<String>) -> Self {
        self.and(Block::Text(text.into()))
    }

    /// Adds a picture; `mime_type` is for example `image/png`.
    pub fn image(self, bytes: impl AsRef<[u8]>, mime_type: impl Into<String>) -> Self {
        self.and(Block::Image { data: BASE64.encode(bytes), mime_type: mime_type.into() })
    }

    /// Adds a recording; `mime_type` is for example `audio/wav`.
    pub fn audio(self, bytes: impl AsRef<[u8]>, mime_type: impl Into<String>) -> Self {
        self.and(Block::Audio { data: BASE64.encode(bytes), mime_type: mime_type.into() })
    }

    /// Adds a text resource and what it says.
    pub fn resource(self, uri: impl Into<String>, mime_type: Option<&str>, text: impl Into<String>) -> Self {
        self.and(Block::Resource { uri: uri.into(), mime_type: mime_type.map(Into::into), text: text.into() })
    }

    /// Adds a link to a resource that the client may read by itself.
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

    /// The blocks so far.
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }
}

/// A failure that the caller is told (`isError: true`), with what it may do about it.
///
/// Any `E: Display` does as a handler's error; this one says more.
///
/// ```
/// use std::time::Duration;
/// use candor::ToolError;
///
/// let busy = ToolError::transient("the exchange is closed for maintenance")
///     .reason("exchange_closed")
///     .retry_after(Duration::from_secs(60));
/// assert!(busy.is_transient());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolError {
    message: String,
    reason: Option<Cow<'static, str>>,
    transient: bool,
    not_applied: bool,
    retry_after: Option<Duration>,
    /// The system refused something: on sandboxed threads, that is how a broken word shows.
    refused: bool,
    /// Questions that a handler returned with `?`. [`Outcome`] takes them out where the return value is read.
    ask: Option<Box<Ask>>,
}

/// What `std` says of `EACCES`, on every system with a sandbox.
const PERMISSION_DENIED: &str = "Permission denied (os error 13)";

impl ToolError {
    /// A failure that will be the same next time.
    pub fn new(message: impl Into<String>) -> Self {
        let message = message.into();
        let refused = message.contains(PERMISSION_DENIED);
        Self {
            message,
            reason: None,
            transient: false,
            not_applied: false,
            retry_after: None,
            refused,
            ask: None,
        }
    }

    /// A failure that may pass: the same call can succeed later.
    pub fn transient(message: impl Into<String>) -> Self {
        Self { transient: true, ..Self::new(message) }
    }

    /// A failure before anything was changed.
    pub fn not_applied(message: impl Into<String>) -> Self {
        Self { not_applied: true, ..Self::new(message) }
    }

    /// A word for programs, for example `unknown_symbol`; it stands in the result's `_meta` as
    /// `io.github.candor-mcp/reason`.
    pub fn reason(mut self, reason: impl Into<Cow<'static, str>>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// How long the caller should wait; it stands in the result's `_meta` in seconds.
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// What the caller reads.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The word for programs, where there is one.
    pub fn reason_word(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// The word for programs, where it was written in the program and not made of a caller's values.
    pub(crate) fn fixed_reason(&self) -> Option<&'static str> {
        match self.reason {
            Some(Cow::Borrowed(reason)) => Some(reason),
            _ => None,
        }
    }

    /// Whether the same call can succeed later.
    pub fn is_transient(&self) -> bool {
        self.transient
    }

    /// Whether nothing was changed.
    pub fn is_not_applied(&self) -> bool {
        self.not_applied
    }

    /// Whether the system refused something with `EACCES`.
    pub(crate) fn is_refused(&self) -> bool {
        self.refused
    }

    pub(crate) fn asking(mut self, ask: Ask) -> Self {
        self.ask = Some(Box::new(ask));
        self
    }

    /// How long the caller should wait.
    pub fn wait(&self) -> Option<Duration> {
        self.retry_after
    }
}

impl Display for ToolError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ToolError {}

impl From<ToolError> for Reply {
    fn from(error: ToolError) -> Self {
        Self { content: vec![Block::Text(error.message.clone())], error: Some(error), ..Self::default() }
    }
}

/// What a tool may return: anything that derives `Serialize` and `JsonSchema`, `()`, or [`Content`].
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
            (Ok(value), Ok(json)) => Reply { structured: Some(value), json: Some(json), ..Reply::default() },
            // A map with keys that are no strings, or a `Serialize` that fails by itself. The reason may hold a
            // value, so it stays here.
            _ => ToolError::new("the tool's result could not be written as JSON").reason("output").into(),
        }
    }
}

#[diagnostic::do_not_recommend]
impl Output for Content {
    fn schema(_: &mut SchemaGenerator) -> Option<Schema> {
        None
    }

    fn reply(self) -> Reply {
        Reply { content: self.blocks, ..Reply::default() }
    }
}

/// What a function returned, for telling a `Result` from everything else without looking at tokens: an inherent
/// method is found before one of a trait.
#[doc(hidden)]
#[derive(Debug)]
pub struct Returned<T>(pub T);

#[doc(hidden)]
impl<T, E> Returned<Result<T, E>> {
    pub fn schema(generator: &mut SchemaGenerator) -> Option<Schema>
    where
        T: Output,
    {
        T::schema(generator)
    }

    pub fn outcome(self) -> Outcome
    where
        T: Output,
        E: Display + 'static,
    {
        match self.0 {
            Ok(value) => value.reply().into(),
            Err(error) => {
                let any = &error as &dyn Any;
                if let Some(error) = any.downcast_ref::<ToolError>() {
                    return error.clone().into();
                }
                if let Some(ask) = any.downcast_ref::<Ask>() {
                    return Outcome::Ask(ask.clone());
                }
                let mut said = ToolError::new(error.to_string());
                // An I/O error knows its kind; any other tells it by the words that `std` gives it.
                said.refused = match any.downcast_ref::<std::io::Error>() {
                    Some(error) => error.kind() == std::io::ErrorKind::PermissionDenied,
                    None => said.message.contains(PERMISSION_DENIED),
                };
                said.into()
            }
        }
    }
}

/// [`Returned`] for what is no `Result`.
#[doc(hidden)]
pub trait Plainly {
    type Output;
    fn schema(generator: &mut SchemaGenerator) -> Option<Schema>
    where
        Self::Output: Output;
    fn outcome(self) -> Outcome
    where
        Self::Output: Output;
}

impl<T> Plainly for Returned<T> {
    type Output = T;

    fn schema(generator: &mut SchemaGenerator) -> Option<Schema>
    where
        T: Output,
    {
        T::schema(generator)
    }

    fn outcome(self) -> Outcome
    where
        T: Output,
    {
        self.0.reply().into()
    }
}
