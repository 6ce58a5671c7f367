//! Converts Candor's types to rmcp's: results, refusals, revisions, the server's identity.

use rmcp::model::{
    CallToolResult, ContentBlock, ErrorCode, ErrorData, Implementation, MetaObject, ProtocolVersion,
    Resource, ResourceContents, Role,
};
use serde_json::{Map, Value};

use super::message::malformed_field;
use crate::{
    about::About,
    message::Message,
    pipeline::Refusal,
    revision::Revision,
    text,
    tool::output::{Annotations, Audience, Block, Reply},
    wire_names,
};

/// The key of the server's identity in a result's `_meta` (SEP-2575).
pub(crate) const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";

/// Converts a reply to the protocol's result; `meta` is the start of its `_meta`.
pub(crate) fn result(reply: Reply, mut meta: Map<String, Value>) -> CallToolResult {
    let content = reply.content.into_iter().map(block).collect();
    let mut result = match &reply.error {
        None => CallToolResult::success(content),
        Some(_) => CallToolResult::error(content),
    };
    result.structured_content = reply.structured;
    for (key, value) in reply.meta {
        // The server's own identity stands.
        meta.entry(key).or_insert(value);
    }
    if reply.replayed {
        meta.insert(wire_names::REPLAYED.to_owned(), true.into());
    }
    if let Some(error) = reply.error {
        if let Some(reason) = error.reason_code() {
            meta.insert(wire_names::REASON.to_owned(), reason.into());
        }
        if error.is_transient() {
            meta.insert(wire_names::TRANSIENT.to_owned(), true.into());
        }
        if let Some(wait) = error.wait() {
            meta.insert(wire_names::RETRY_AFTER_SECONDS.to_owned(), text::whole_seconds(wait).into());
        }
    }
    result.meta = (!meta.is_empty()).then_some(MetaObject(meta));
    result
}

fn block(block: Block) -> ContentBlock {
    match block {
        Block::Text(text) => ContentBlock::text(text),
        Block::Image { data, mime_type } => ContentBlock::image(data, mime_type),
        Block::Audio { data, mime_type } => ContentBlock::audio(data, mime_type),
        Block::Resource { uri, mime_type, text } => resource(ResourceContents::text(text, uri), mime_type),
        Block::Blob { uri, mime_type, data } => resource(ResourceContents::blob(data, uri), mime_type),
        Block::ResourceLink { uri, name, mime_type } => {
            let mut link = Resource::new(uri, name);
            link.mime_type = mime_type;
            ContentBlock::resource_link(link)
        }
        Block::Annotated { block: plain, annotations } => annotated(self::block(*plain), annotations),
    }
}

fn resource(contents: ResourceContents, mime_type: Option<String>) -> ContentBlock {
    ContentBlock::resource(match mime_type {
        Some(mime_type) => contents.with_mime_type(mime_type),
        None => contents,
    })
}

fn annotated(mut block: ContentBlock, annotations: Annotations) -> ContentBlock {
    let Annotations { audience, priority } = annotations;
    let role = |reader| match reader {
        Audience::User => Role::User,
        Audience::Assistant => Role::Assistant,
    };
    let mut converted = rmcp::model::Annotations::default();
    converted.audience = (!audience.is_empty()).then(|| audience.into_iter().map(role).collect());
    converted.priority = priority;
    let place = match &mut block {
        ContentBlock::Text(text) => &mut text.annotations,
        ContentBlock::Image(image) => &mut image.annotations,
        ContentBlock::Audio(audio) => &mut audio.annotations,
        ContentBlock::Resource(resource) => &mut resource.annotations,
        ContentBlock::ResourceLink(link) => &mut link.annotations,
        _ => return block,
    };
    *place = Some(converted);
    block
}

pub(crate) fn error(refusal: &Refusal) -> ErrorData {
    ErrorData::new(ErrorCode(refusal.code()), refusal.message(), refusal.data())
}

/// The seconds that a client has to wait, if the error is a limit's refusal.
#[cfg(feature = "http")]
pub(crate) fn retry_after(error: &ErrorData) -> Option<u64> {
    let data = error.data.as_ref().filter(|_| error.code == ErrorCode(Refusal::LIMIT_EXCEEDED));
    data?.get("retryAfterSeconds")?.as_u64()
}

pub(crate) fn version(revision: Revision) -> ProtocolVersion {
    match revision {
        Revision::V2025_06_18 => ProtocolVersion::V_2025_06_18,
        Revision::V2025_11_25 => ProtocolVersion::V_2025_11_25,
        Revision::V2026_07_28 => ProtocolVersion::V_2026_07_28,
    }
}

/// Says what is malformed about the parameters of a `tools/call`.
pub(crate) fn malformed_call(params: Option<&Value>) -> Message {
    let fault = malformed_field("tools/call", params).unwrap_or_default();
    Message::new(format!("this `tools/call` is malformed: {fault}"))
        .help("send {\"name\": \"…\", \"arguments\": {…}}")
}

/// The server's identity.
pub(crate) fn implementation(about: &About) -> Implementation {
    let mut implementation = Implementation::new(&about.name, &about.version);
    implementation.title.clone_from(&about.title);
    implementation
}
