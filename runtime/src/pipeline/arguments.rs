//! Checks the arguments against the published schema.

use serde_json::{Map, Value};

use crate::{
    registry::Definition,
    tool::{args::refusal, output::Reply},
};

pub(super) fn check(
    tool: &Definition,
    mut arguments: Map<String, Value>,
) -> Result<Map<String, Value>, Box<Reply>> {
    // Models that must name every parameter send `null` for one that they leave out.
    for param in tool.descriptor.params.iter().filter(|param| param.optional) {
        if arguments.get(param.name) == Some(&Value::Null) {
            arguments.remove(param.name);
        }
    }
    for param in tool.descriptor.params.iter().filter(|param| param.lenient) {
        if let Some(value) = arguments.get_mut(param.name) {
            read_text(value);
        }
    }
    let arguments = Value::Object(arguments);
    if !tool.input.accepts(&arguments) {
        let faults = tool.input.faults(tool.descriptor, &arguments);
        return Err(Box::new(refusal(tool.descriptor, &faults, tool.input.usage())));
    }
    match arguments {
        Value::Object(arguments) => Ok(arguments),
        _ => unreachable!("wrapped as an object above"),
    }
}

/// Replaces text that holds a list or an object in JSON by what it holds.
fn read_text(value: &mut Value) {
    if let Value::String(text) = value
        && let Ok(read @ (Value::Array(_) | Value::Object(_))) = serde_json::from_str(text)
    {
        *value = read;
    }
}
