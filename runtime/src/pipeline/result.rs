//! Stage: what the handler returned keeps to its schema and its bound, and reads well.

use crate::{
    registry::Definition,
    revision::Revision,
    schema::{OutputShape, wrap},
    tool::{
        descriptor::Descriptor,
        output::{Block, Reply, ToolError},
    },
};

/// The most that one result may hold, in bytes of text.
const BOUND: usize = 1024 * 1024;

pub(super) fn shape(tool: &Definition, mut reply: Reply, revision: Revision) -> Reply {
    if reply.error.is_none()
        && let Some(value) = reply.structured.take()
    {
        match (&tool.output, value) {
            (OutputShape::Unit, _) => reply.content = vec![Block::Text("done".to_owned())],
            (OutputShape::Text, serde_json::Value::String(text)) => reply.content = vec![Block::Text(text)],
            (OutputShape::Structured { checker, object, .. }, value) => {
                if !checker.accepts(&value) {
                    return dishonest(tool.descriptor);
                }
                reply.content = vec![Block::Text(reply.json.take().unwrap_or_else(|| value.to_string()))];
                let wrapped = !object && revision.is_legacy();
                reply.structured = Some(if wrapped { wrap(value) } else { value });
            }
            (OutputShape::Text | OutputShape::Content, _) => return dishonest(tool.descriptor),
        }
    }
    if size(&reply) > BOUND {
        return too_large(tool.descriptor);
    }
    reply
}

/// A result outside its own published schema. Clients that check would drop it without a word.
fn dishonest(tool: &Descriptor) -> Reply {
    ToolError::new(format!(
        "tool `{}` returned what its output schema does not allow\nhelp: tell whoever runs the server",
        tool.name
    ))
    .reason("output_schema")
    .into()
}

fn too_large(tool: &Descriptor) -> Reply {
    ToolError::new(format!(
        "what tool `{}` returned is larger than 1 MiB\nhelp: ask for less at once",
        tool.name
    ))
    .reason("output_too_large")
    .into()
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
