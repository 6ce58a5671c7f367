//! Writes the whole definition of a tool, as the lock holds it, and its digest.

use serde_json::{Map, Value, json};

use super::normal;
use crate::{
    audit::{hex_text, sha256},
    canonical,
    registry::Definition,
    tool::descriptor::{Descriptor, Effect, Param, Task},
};

/// Returns everything that a tool declares. It is the same on every machine; a part without a value is left out.
pub(crate) fn definition(tool: &Definition) -> Map<String, Value> {
    let declared = tool.descriptor;
    let members = json!({
        "name": declared.name,
        "aliases": (!declared.aliases.is_empty()).then_some(declared.aliases),
        "title": declared.title,
        "description": declared.description,
        "annotations": annotations(declared),
        "effect": declared.effect.word(),
        "scopes": declared.scopes,
        "confirm": declared.confirm.to_string(),
        "idempotency_key": declared.idempotency_key.word(),
        "rate": declared.rate.map(|rate| rate.to_string()),
        "max_in_flight": declared.max_in_flight,
        "timeout_ms": u64::try_from(declared.timeout.as_millis()).unwrap_or(u64::MAX),
        "max_output_bytes": declared.max_output,
        "retry": declared.retry,
        "audit": declared.audit.word(),
        "task": declared.task.map(Task::word),
        "unsandboxed": declared.unsandboxed,
        "public_effect": declared.public_effect,
        "secret_parameters": marked(declared, |param| param.secret),
        "volatile_parameters": marked(declared, |param| param.volatile),
        "lenient_parameters": marked(declared, |param| param.lenient),
        "rules": declared.rules.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "deprecated": declared.deprecated.map(|deprecated| without_null(json!({
            "since": deprecated.since,
            "remove_in": deprecated.remove_in,
            "use_instead": deprecated.use_instead,
        }))),
    });
    let Value::Object(mut members) = without_null(members) else { unreachable!("an object above") };
    // Not in `json!`, which would write each schema out and read it again.
    let schemas = [
        ("input_schema", Some(Value::from(tool.input.schema.clone()))),
        ("enforced_input_schema", tool.input.enforced.clone().map(Value::from)),
        ("output_schema", tool.output.schema(false).map(Value::from)),
    ];
    for (name, schema) in schemas {
        members.extend(schema.map(|schema| (name.to_owned(), schema)));
    }
    members
}

/// The hints as clients read them.
pub(super) fn annotations(tool: &Descriptor) -> Value {
    json!({
        "readOnlyHint": tool.is_read_only(),
        "destructiveHint": tool.effect == Effect::Destructive,
        "idempotentHint": tool.may_repeat(),
        "openWorldHint": !tool.closed_world,
    })
}

pub(super) fn marked(tool: &Descriptor, is_marked: impl Fn(&Param) -> bool) -> Vec<&'static str> {
    tool.params.iter().filter(|param| is_marked(param)).map(|param| param.name).collect()
}

/// Removes the members of an object that are `null`.
pub(super) fn without_null(mut value: Value) -> Value {
    if let Value::Object(members) = &mut value {
        members.retain(|_, value| !value.is_null());
    }
    value
}

/// Returns the digest of a definition. White space, the order of keys, and whether a schema refers to a type or repeats it
/// make no difference.
pub(crate) fn digest(definition: &Map<String, Value>) -> String {
    let mut normal = definition.clone();
    for key in ["input_schema", "enforced_input_schema", "output_schema"] {
        if let Some(schema) = normal.get_mut(key) {
            *schema = normal::schema(schema);
        }
    }
    let mut text = String::new();
    canonical::write(&Value::Object(normal), &mut text);
    format!("sha256:{}", hex_text(&sha256(text.as_bytes())))
}

/// Returns the digest of a tool's definition.
pub(crate) fn digest_of(tool: &Definition) -> String {
    digest(&definition(tool))
}
