//! Lists what declarations leave open although a server can run with it.

use regex_syntax::hir::Look;
use serde_json::Value;

use crate::{message::Message, registry::Definition, schema};

/// The warnings about these tools, in their order, and about their schemas.
pub(crate) fn warnings(tools: &[Definition]) -> Vec<Message> {
    tools.iter().filter_map(unbounded_in_question).chain(unsafe_integers(tools)).collect()
}

/// A warning of integers in schemas that JavaScript clients round, for all tools together.
fn unsafe_integers(tools: &[Definition]) -> Option<Message> {
    let places = |tool: &Definition| {
        let places = schema::unsafe_integers(&tool.input, &tool.output);
        (!places.is_empty()).then(|| format!("`{}`: {}", tool.name(), places.join(", ")))
    };
    let places: Vec<String> = tools.iter().filter_map(places).collect();
    (!places.is_empty()).then(|| {
        Message::new("integers beyond 2^53 in schemas, which JavaScript clients round")
            .note(places.join("; "))
            .help(
                "choose bounds within ±(2^53 − 1), or take and return such numbers as `candor::AsText<u64>`",
            )
    })
}

/// A warning for a tool that must be confirmed and accepts text or lists of any length: its question cannot show all.
fn unbounded_in_question(tool: &Definition) -> Option<Message> {
    if !tool.descriptor.confirm.asks() {
        return None;
    }
    let properties = tool.input.schema.get("properties")?;
    let params = tool.descriptor.params.iter().filter(|param| !param.secret);
    let unbounded = params.filter(|param| properties.get(param.name).is_some_and(is_unbounded));
    let names: Vec<String> = unbounded.map(|param| format!("`{}`", param.name)).collect();
    let parameters = match names.as_slice() {
        [] => return None,
        [name] => format!("parameter {name} has"),
        names => format!("parameters {} have", names.join(", ")),
    };
    let fact = format!("tool `{}` asks for confirmation, and its {parameters} no `max_len`", tool.name());
    Some(
        Message::new(fact)
            .note("of a long value, the question shows the start, the end, the length and a digest")
            .help("add `#[param(max_len = 200)]`, with a length that a person can read"),
    )
}

/// Whether a schema accepts text or lists of any length.
fn is_unbounded(schema: &Value) -> bool {
    let has = |key: &str| schema.get(key).is_some();
    match schema.get("type").and_then(Value::as_str) {
        Some("string") => {
            let pattern = schema.get("pattern").and_then(Value::as_str);
            !["maxLength", "enum", "const", "format"].into_iter().any(has)
                && !pattern.is_some_and(is_bounding)
        }
        Some("array") => !has("maxItems"),
        _ => false,
    }
}

/// Whether a pattern matches whole texts only, and none of any length.
fn is_bounding(pattern: &str) -> bool {
    regex_syntax::parse(pattern).is_ok_and(|pattern| {
        let properties = pattern.properties();
        properties.maximum_len().is_some()
            && properties.look_set_prefix().contains(Look::Start)
            && properties.look_set_suffix().contains(Look::End)
    })
}
