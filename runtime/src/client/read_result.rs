//! Converts the result of a call from rmcp's types.

use rmcp::model::{CallToolResult, ContentBlock, ResourceContents, Role};

use super::Answer;
use crate::tool::output::{Annotations, Audience, Block};

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
            Block::Annotated { block: Box::new(block), annotations: self::annotations(annotations) }
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

/// Reads the annotations of a block that a server sent.
fn annotations(received: rmcp::model::Annotations) -> Annotations {
    let reader = |role| match role {
        Role::User => Audience::User,
        Role::Assistant => Audience::Assistant,
    };
    let audience = received.audience.unwrap_or_default().into_iter().map(reader).collect();
    Annotations { audience, priority: received.priority }
}
