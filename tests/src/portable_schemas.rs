//! Finds what some client or model API rejects in the schemas of a list of tools.

use serde_json::{Map, Value, json};

/// The largest integer that JavaScript, and so many clients, represent exactly.
const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;

/// Keywords that some client or model API rejects wherever they stand.
const REJECTED: [&str; 12] = [
    "oneOf",
    "allOf",
    "not",
    "const",
    "if",
    "prefixItems",
    "definitions",
    "$dynamicRef",
    "nullable",
    "unevaluatedProperties",
    "dependentRequired",
    "$anchor",
];

/// Collects everything that some client or model API rejects, each with its place.
fn rejected(schema: &Value, place: &str, faults: &mut Vec<String>) {
    let Value::Object(object) = schema else { return faults.push(format!("{place}: {schema}")) };
    let mut fault = |words: &str| faults.push(format!("{place}: {words}"));
    let alone = |key: &str| object.keys().all(|other| other == key);
    for key in REJECTED.into_iter().filter(|key| object.contains_key(*key)) {
        fault(key);
    }
    for key in ["$ref", "anyOf"].into_iter().filter(|key| object.contains_key(*key) && !alone(key)) {
        fault(&format!("{key} beside other keywords"));
    }
    let is_typed = object.get("type").is_some_and(Value::is_string);
    if !is_typed && !object.contains_key("anyOf") && !object.contains_key("$ref") {
        fault("no type");
    }
    if object.get("type") == Some(&json!("array")) && !object.get("items").is_some_and(Value::is_object) {
        fault("an array without items");
    }
    if object.get("type") == Some(&json!("object")) && !object.get("properties").is_some_and(Value::is_object)
    {
        fault("an object without properties");
    }
    if object.get("enum").and_then(Value::as_array).is_some_and(|all| !all.iter().all(Value::is_string)) {
        fault("an enum of other values than strings");
    }
    if let Some(format) = object.get("format").and_then(Value::as_str)
        && (format.contains("int") || ["float", "double"].contains(&format))
    {
        fault(&format!("format {format}"));
    }
    for (key, value) in object {
        if value.as_i64().map_or(value.as_u64(), |value| Some(value.unsigned_abs())) > Some(MAX_SAFE_INTEGER)
        {
            fault(&format!("{key} is {value}"));
        }
    }
    for (part, schema) in parts(object) {
        rejected(schema, &format!("{place}{part}"), faults);
    }
}

/// The schemas that are parts of `object`, each with its place.
fn parts(object: &Map<String, Value>) -> Vec<(String, &Value)> {
    let children = |key: &str| object.get(key).and_then(Value::as_object).into_iter().flatten();
    let named = ["properties", "patternProperties", "$defs"].into_iter().flat_map(children);
    let named = named.map(|(name, schema)| (format!(".{name}"), schema));
    let one = ["items", "additionalProperties"].into_iter().filter_map(|key| Some((key, object.get(key)?)));
    let one = one.filter(|(_, schema)| !schema.is_boolean()).map(|(key, schema)| (format!("/{key}"), schema));
    let choice = object.get("anyOf").and_then(Value::as_array).into_iter().flatten().enumerate();
    let choice = choice.map(|(at, schema)| (format!("/anyOf[{at}]"), schema));
    named.chain(one).chain(choice).collect()
}

/// Lists what some client or model API rejects in the schemas of these tools.
pub fn rejected_of(tools: &[Value]) -> Vec<String> {
    let mut faults = Vec::new();
    for tool in tools {
        let name = tool["name"].as_str().unwrap();
        let input = tool["inputSchema"].as_object().unwrap();
        // Model APIs refuse a choice at the root, and pass on no other keyword.
        let root =
            ["type", "properties", "required", "additionalProperties", "description", "$defs", "$schema"];
        let others = input.keys().filter(|key| !root.contains(&key.as_str()));
        faults.extend(others.map(|key| format!("{name} in: {key} at the root")));
        rejected(&tool["inputSchema"], &format!("{name} in"), &mut faults);
        let mut output = tool.get("outputSchema").cloned().unwrap_or_else(|| json!({"type": "null"}));
        // The protocol needs it at the root before 2026-07-28, and no model API reads this schema.
        if output.get("anyOf").is_some() {
            output.as_object_mut().unwrap().remove("type");
        }
        for (name, target) in
            output.as_object_mut().unwrap().remove("$defs").iter().filter_map(Value::as_object).flatten()
        {
            rejected(target, &format!("{name} out"), &mut faults);
        }
        output.as_object_mut().unwrap().remove("$schema");
        rejected(&output, &format!("{name} out"), &mut faults);
    }
    // Below some lists in lists, a result is any value.
    let is_any = |fault: &str| {
        fault.contains(" out") && fault.ends_with("/items/anyOf[5]/items/anyOf[5]/items: no type")
    };
    faults.retain(|fault| !is_any(fault));
    faults
}
