//! Prints the manifest of a server: canonical JSON with sorted keys, two spaces and one newline at the end.

use serde_json::{Map, Value, json};

use super::{
    cost,
    definition::{annotations, marked, without_null},
    enforcement,
    outline::Outline,
};
use crate::{
    ordered::CollectOrdered as _,
    registry::Definition,
    scopes::Visibility,
    store::KEY_RETENTION,
    tool::descriptor::{Descriptor, IdempotencyKey},
};

/// Prints the manifest of a server.
pub(crate) fn manifest(outline: &Outline) -> String {
    let about = &outline.about;
    let manifest = json!({
        "candor": env!("CARGO_PKG_VERSION"),
        "server": without_null(json!({
            "name": about.name,
            "version": about.version,
            "title": about.title,
            "instructions": about.instructions,
        })),
        "protocol_revisions": outline.revisions.iter().map(|revision| revision.as_str()).collect::<Vec<_>>(),
        "conceal": outline.visibility == Visibility::Concealed,
        "list_all": outline.visibility == Visibility::Listed,
        "basic_scopes": outline.scopes.basic(),
        "scope_implies": outline.scopes.implied(),
        "list_tokens": outline.listed.iter().map(cost::tokens).sum::<u64>(),
        "tools": outline.registry.tools().iter().zip(&outline.listed)
            .map(|(definition, listed)| tool(definition, listed, outline)).collect::<Vec<_>>(),
    });
    // Maps of serde_json sort their keys, so equal declarations have equal manifests, byte for byte.
    let mut text = serde_json::to_string_pretty(&manifest).expect("JSON values have string keys");
    text.push('\n');
    text
}

fn tool(definition: &Definition, listed: &Value, outline: &Outline) -> Value {
    let mut tool = declaration(definition);
    tool["list_tokens"] = cost::tokens(listed).into();
    tool["enforced_by"] = enforced_by(definition.descriptor, outline).into();
    if outline.keys.is_some() && definition.descriptor.idempotency_key != IdempotencyKey::None {
        tool["idempotency_key_retention_seconds"] = KEY_RETENTION.as_secs().into();
    }
    tool
}

/// Returns what a tool declares, which is the same on every machine.
pub(crate) fn declaration(definition: &Definition) -> Value {
    let tool = definition.descriptor;
    without_null(json!({
        "name": tool.name,
        "aliases": (!tool.aliases.is_empty()).then_some(tool.aliases),
        "title": tool.title,
        "description": tool.description,
        "effect": tool.effect.word(),
        "idempotent": tool.idempotent,
        "closed_world": tool.closed_world,
        "public": tool.scopes.is_empty(),
        "scopes": tool.scopes,
        "confirm": tool.confirm.to_string(),
        "idempotency_key": tool.idempotency_key.word(),
        "rate": tool.rate.map(|rate| rate.to_string()),
        "max_in_flight": tool.max_in_flight,
        "timeout_seconds": tool.timeout.as_secs_f64(),
        "max_output_bytes": tool.max_output,
        "retry": tool.retry,
        "audit": tool.audit.word(),
        "task": tool.task.map(crate::tool::descriptor::Task::word),
        "deprecated": tool.deprecated.map(|deprecated| without_null(json!({
            "since": deprecated.since,
            "remove_in": deprecated.remove_in,
            "use_instead": deprecated.use_instead,
        }))),
        "unsandboxed": tool.unsandboxed,
        "public_effect": tool.public_effect,
        "hints": annotations(tool),
        "secret_parameters": marked(tool, |param| param.secret),
        "volatile_parameters": marked(tool, |param| param.volatile),
        "rules": rules(tool),
        "input_schema": definition.input.schema,
        "output_schema": definition.output.schema(false),
    }))
}

fn enforced_by(tool: &Descriptor, outline: &Outline) -> Map<String, Value> {
    let keys = enforcement(tool, &outline.support, outline.recorded, outline.keys.is_some()).into_iter();
    keys.map(|(key, by)| (key.to_owned(), by.iter().map(|by| by.word()).collect())).collect_ordered()
}

fn rules(tool: &Descriptor) -> Option<Vec<String>> {
    (!tool.rules.is_empty()).then(|| tool.rules.iter().map(ToString::to_string).collect())
}
