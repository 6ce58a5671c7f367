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

fn size(reply: &Reply) -> usize {
    let block = |block: &Block| match block {
        Block::Text(text) | Block::Resource { text, .. } => text.len(),
        Block::Image { data, .. } | Block::Audio { data, .. } => data.len(),
        Block::ResourceLink { uri, .. } => uri.len(),
    };
    reply.content.iter().map(block).sum()
}
