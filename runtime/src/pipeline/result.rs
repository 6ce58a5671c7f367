//! Shapes a handler's result: checks it against its schema and its size, and makes its text.

use crate::{
    message::Message,
    registry::Definition,
    revision::Revision,
    schema::{OutputShape, wrap},
    text,
    tool::{
        descriptor::Descriptor,
        error::ToolError,
        output::{Block, Reply},
    },
};

/// Checks and shapes a reply in the same way for every revision. `max_bytes` bounds the result of a tool that declares no
/// `output` of its own.
pub(super) fn shape(tool: &Definition, mut reply: Reply, max_bytes: usize) -> Reply {
    if reply.error.is_none()
        && let Some(value) = reply.structured.take()
    {
        let json = reply.json.take();
        match (&tool.output, value) {
            (OutputShape::Unit, _) => reply.content.insert(0, Block::Text("done".to_owned())),
            (OutputShape::Text, serde_json::Value::String(text)) => {
                reply.content.insert(0, Block::Text(text));
            }
            (OutputShape::Structured { checker, .. }, value) => {
                if !checker.accepts(&value) {
                    return dishonest(tool.descriptor);
                }
                if reply.content.is_empty() {
                    reply.content = vec![Block::Text(json.unwrap_or_else(|| value.to_string()))];
                } else {
                    reply.json = json;
                }
                reply.structured = Some(value);
            }
            (OutputShape::Text | OutputShape::Content, _) => return dishonest(tool.descriptor),
        }
    }
    let max_bytes =
        tool.descriptor.max_output.map_or(max_bytes, |max| usize::try_from(max).unwrap_or(usize::MAX));
    if size(&reply) > max_bytes {
        return too_large(tool.descriptor, max_bytes);
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

fn too_large(tool: &Descriptor, max_bytes: usize) -> Reply {
    let max = text::size(max_bytes);
    let message = Message::new(format!("the result of tool `{}` is larger than {max}", tool.name));
    let message = match tool.max_output {
        Some(_) => message.note("its author declares a limit with `output`").help("ask for less at once"),
        None => message.help(
            "ask for less at once; the operator can raise the limit with `--max-output`, and the tool's author with `output = \"8MiB\"`",
        ),
    };
    ToolError::new(message).reason("output_too_large").into()
}

/// The bytes of everything in `reply` that the handler chose, including names, addresses and MIME types.
fn size(reply: &Reply) -> usize {
    // The data are counted as text, which is there once: in the content, or beside it.
    let json = reply.json.as_ref().map_or(0, String::len);
    let meta = reply.meta.iter().map(|(key, value)| key.len() + value.to_string().len()).sum::<usize>();
    reply.content.iter().map(block_size).sum::<usize>() + json + meta
}

fn block_size(block: &Block) -> usize {
    let mime = |mime_type: &Option<String>| mime_type.as_ref().map_or(0, String::len);
    match block {
        Block::Text(text) => text.len(),
        Block::Resource { uri, mime_type, text: data } | Block::Blob { uri, mime_type, data } => {
            uri.len() + mime(mime_type) + data.len()
        }
        Block::Image { data, mime_type } | Block::Audio { data, mime_type } => data.len() + mime_type.len(),
        Block::ResourceLink { uri, name, mime_type } => uri.len() + name.len() + mime(mime_type),
        Block::Annotated { block, .. } => block_size(block),
    }
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
            (Block::Blob { uri: long.clone(), mime_type: None, data: long.clone() }, 2000),
            (Block::Text(long), 1000),
        ] {
            let reply = Reply { content: vec![block.clone()], ..Reply::default() };
            assert_eq!(size(&reply), bytes, "{block:?}");
        }
    }
}
