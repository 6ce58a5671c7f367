//! Shapes a handler's result: checks it against its schema and its size, and makes its text.

use crate::{
    message::Message,
    registry::Definition,
    revision::Revision,
    schema::{OutputShape, wrap},
    tool::{
        descriptor::Descriptor,
        error::ToolError,
        output::{Block, Reply},
    },
};

/// The size of one result, in bytes of text.
const MAX_RESULT_BYTES: usize = 1024 * 1024;

/// Shapes a result in the same way for every revision.
pub(super) fn shape(tool: &Definition, mut reply: Reply) -> Reply {
    if reply.error.is_none()
        && let Some(value) = reply.structured.take()
    {
        match (&tool.output, value) {
            (OutputShape::Unit, _) => reply.content = vec![Block::Text("done".to_owned())],
            (OutputShape::Text, serde_json::Value::String(text)) => reply.content = vec![Block::Text(text)],
            (OutputShape::Structured { checker, .. }, value) => {
                if !checker.accepts(&value) {
                    return dishonest(tool.descriptor);
                }
                reply.content = vec![Block::Text(reply.json.take().unwrap_or_else(|| value.to_string()))];
                reply.structured = Some(value);
            }
            (OutputShape::Text | OutputShape::Content, _) => return dishonest(tool.descriptor),
        }
    }
    if size(&reply) > MAX_RESULT_BYTES {
        return too_large(tool.descriptor);
    }
    reply
}

/// Puts a shaped result into the form that clients of `revision` take.
pub(super) fn for_revision(tool: &Definition, mut reply: Reply, revision: Revision) -> Reply {
    if revision.is_legacy() && matches!(tool.output, OutputShape::Structured { object: false, .. }) {
        reply.structured = reply.structured.map(wrap);
    }
    reply
}

/// The error of a result that its own published schema does not allow. Clients that check would drop the result.
fn dishonest(tool: &Descriptor) -> Reply {
    let message =
        Message::new(format!("tool `{}` returned a result that its output schema does not allow", tool.name))
            .help("report it to the operator of the server");
    ToolError::new(message).reason("output_schema").into()
}

fn too_large(tool: &Descriptor) -> Reply {
    let message = Message::new(format!("the result of tool `{}` is larger than 1 MiB", tool.name))
        .help("ask for less at once");
    ToolError::new(message).reason("output_too_large").into()
}

/// The bytes of everything in `reply` that the handler chose, including names, addresses and MIME types.
fn size(reply: &Reply) -> usize {
    let mime = |mime_type: &Option<String>| mime_type.as_ref().map_or(0, String::len);
    let block = |block: &Block| match block {
        Block::Text(text) => text.len(),
        Block::Resource { uri, mime_type, text } => uri.len() + mime(mime_type) + text.len(),
        Block::Image { data, mime_type } | Block::Audio { data, mime_type } => data.len() + mime_type.len(),
        Block::ResourceLink { uri, name, mime_type } => uri.len() + name.len() + mime(mime_type),
    };
    reply.content.iter().map(block).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_counts_names_addresses_and_types() {
        let long = "x".repeat(1000);
        let (uri, mime_type) = (long.clone(), long.clone());
        for (block, bytes) in [
            (Block::Image { data: long.clone(), mime_type: mime_type.clone() }, 2000),
            (Block::Audio { data: long.clone(), mime_type: mime_type.clone() }, 2000),
            (
                Block::Resource { uri: uri.clone(), mime_type: Some(mime_type.clone()), text: long.clone() },
                3000,
            ),
            (Block::Resource { uri: uri.clone(), mime_type: None, text: long.clone() }, 2000),
            (Block::ResourceLink { uri, name: long.clone(), mime_type: Some(mime_type) }, 3000),
            (Block::Text(long), 1000),
        ] {
            let reply = Reply { content: vec![block.clone()], ..Reply::default() };
            assert_eq!(size(&reply), bytes, "{block:?}");
        }
    }
}
