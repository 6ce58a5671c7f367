//! Reads the definition of a tool from an entry of `tools/list`, as far as it is there.

use serde_json::{Map, Value, json};

use super::lock::LockedTool;
use crate::wire_names;

/// The members of a schema that wraps a result for revisions before 2026-07-28.
const WRAPPER_MEMBERS: [&str; 6] =
    ["type", "properties", "required", "additionalProperties", "$schema", "$defs"];

/// Reads one entry. `None` if it has no name.
pub(crate) fn listed_tool(mut entry: Value) -> Option<(String, LockedTool)> {
    let name = entry.get("name")?.as_str()?.to_owned();
    let meta = entry.get_mut("_meta").map(Value::take).unwrap_or_default();
    let digest = meta.get(wire_names::DIGEST).and_then(Value::as_str).map(str::to_owned);
    let mut definition = Map::new();
    definition.insert("name".to_owned(), name.as_str().into());
    let hints = entry.get_mut("annotations").map(Value::take).unwrap_or_default();
    let title = entry.get("title").filter(|title| title.is_string()).or_else(|| hints.get("title"));
    let mut add = |part: &str, value: Option<Value>| {
        definition.extend(value.map(|value| (part.to_owned(), value)));
    };
    add("title", title.cloned());
    add("annotations", Some(hints));
    let deprecated = meta.get(wire_names::DEPRECATED).map(deprecated);
    add(
        "description",
        entry.get("description").and_then(Value::as_str).map(|text| plain(text, deprecated.as_ref())),
    );
    add("deprecated", deprecated);
    // A tool of Candor without scopes is public; other servers say nothing about scopes.
    let scopes = meta.get(wire_names::SCOPES).cloned();
    add("scopes", scopes.or_else(|| digest.is_some().then(|| json!([]))));
    add("aliases", meta.get(wire_names::ALIASES).cloned().or_else(|| digest.is_some().then(|| json!([]))));
    let key = meta.get(wire_names::IDEMPOTENCY_KEY).and_then(|key| key.get("use")).cloned();
    add("idempotency_key", key.map(|key| if key == "ignored" { "none".into() } else { key }));
    add("input_schema", entry.get_mut("inputSchema").map(Value::take));
    let output = entry.get_mut("outputSchema").map(Value::take);
    add("output_schema", if digest.is_some() { output.map(unwrapped) } else { output });
    Some((name, LockedTool { digest, definition }))
}

fn deprecated(meta: &Value) -> Value {
    let mut deprecated = Map::new();
    for (from, to) in [("since", "since"), ("removeIn", "remove_in"), ("useInstead", "use_instead")] {
        if let Some(value) = meta.get(from).filter(|value| !value.is_null()) {
            deprecated.insert(to.to_owned(), value.clone());
        }
    }
    deprecated.into()
}

/// The description without the banner of a deprecation.
fn plain(description: &str, deprecated: Option<&Value>) -> Value {
    let after = deprecated.and_then(|_| description.strip_prefix('[')?.split_once("] "));
    after.map_or(description, |(_, text)| text).into()
}

/// The schema of a result that stands under `result` for older clients.
fn unwrapped(schema: Value) -> Value {
    let Value::Object(members) = &schema else { return schema };
    let is_wrapper = members.keys().all(|key| WRAPPER_MEMBERS.contains(&key.as_str()))
        && members.get("additionalProperties") == Some(&Value::Bool(false))
        && members.get("required") == Some(&json!(["result"]));
    let inner = members.get("properties").and_then(Value::as_object).filter(|fields| fields.len() == 1);
    let Some(Value::Object(inner)) = inner.and_then(|fields| fields.get("result")).filter(|_| is_wrapper)
    else {
        return schema;
    };
    let mut inner = inner.clone();
    for key in ["$schema", "$defs"] {
        inner.extend(members.get(key).map(|value| (key.to_owned(), value.clone())));
    }
    inner.into()
}
