//! A generated schema → one that clients accept: no `$ref`, no list of types, no bare `true`, no Rust formats.

use serde_json::{Map, Value, json};

/// How often a type may stand inside itself before its inside is left open.
const DEPTH: usize = 2;

/// The formats of JSON Schema 2020-12 §7.3; everything else schemars writes is a Rust type's name.
const FORMATS: [&str; 19] = [
    "date-time",
    "date",
    "time",
    "duration",
    "email",
    "idn-email",
    "hostname",
    "idn-hostname",
    "ipv4",
    "ipv6",
    "uri",
    "uri-reference",
    "iri",
    "iri-reference",
    "uuid",
    "uri-template",
    "json-pointer",
    "relative-json-pointer",
    "regex",
];

/// Rewrites `schema`, whose references point into `definitions`.
pub(super) fn clean(schema: Value, definitions: &Map<String, Value>) -> Value {
    let mut schema = node(schema, definitions, &mut Vec::new());
    if let Value::Object(root) = &mut schema {
        root.remove("title");
        object_at_root(root);
    }
    schema
}

/// Takes `null` out of what a schema accepts.
pub(super) fn forget_null(schema: &mut Value) {
    let Value::Object(object) = schema else { return };
    let Some(Value::Array(options)) = object.get_mut("anyOf") else { return };
    options.retain(|option| option != &json!({"type": "null"}));
    if let [Value::Object(only)] = options.as_mut_slice() {
        let only = std::mem::take(only);
        object.remove("anyOf");
        for (key, value) in only {
            object.entry(key).or_insert(value);
        }
    }
}

fn node(schema: Value, definitions: &Map<String, Value>, inside: &mut Vec<String>) -> Value {
    let object = match schema {
        Value::Bool(true) => return anything(),
        Value::Object(object) if object.is_empty() => return anything(),
        Value::Object(object) => object,
        other => return other,
    };
    let mut object = match reference(&object) {
        Some(name) => return referred(&name, object, definitions, inside),
        None => object,
    };
    for key in ["properties", "patternProperties", "$defs"] {
        if let Some(Value::Object(children)) = object.get_mut(key) {
            for child in children.values_mut() {
                *child = node(child.take(), definitions, inside);
            }
        }
    }
    for key in ["items", "contains", "not", "propertyNames", "if", "then", "else"] {
        if let Some(child) = object.get_mut(key) {
            *child = node(child.take(), definitions, inside);
        }
    }
    // `true` and `false` are the common spelling of this one, and clients take them.
    if let Some(child @ Value::Object(_)) = object.get_mut("additionalProperties") {
        *child = node(child.take(), definitions, inside);
    }
    for key in ["anyOf", "oneOf", "allOf", "prefixItems"] {
        if let Some(Value::Array(children)) = object.get_mut(key) {
            for child in children.iter_mut() {
                *child = node(child.take(), definitions, inside);
            }
        }
    }
    object.remove("$defs");
    numbers(&mut object);
    words(&mut object);
    single_types(object)
}

/// The name behind `#/$defs/Name`.
fn reference(object: &Map<String, Value>) -> Option<String> {
    object
        .get("$ref")?
        .as_str()?
        .strip_prefix("#/$defs/")
        .map(|name| name.replace("~1", "/").replace("~0", "~"))
}

/// What a reference stands for, in its place. A type inside itself is written out `DEPTH` times; inside that, only
/// its kind is said, so the schema stays finite and stays true.
fn referred(
    name: &str,
    mut object: Map<String, Value>,
    definitions: &Map<String, Value>,
    inside: &mut Vec<String>,
) -> Value {
    object.remove("$ref");
    let Some(target) = definitions.get(name) else { return anything() };
    let mut target = if inside.iter().filter(|known| *known == name).count() >= DEPTH {
        match target.get("type").and_then(Value::as_str) {
            Some(ty) => json!({"type": ty, "description": format!("A further `{name}`.")}),
            None => anything(),
        }
    } else {
        inside.push(name.to_owned());
        let target = node(target.clone(), definitions, inside);
        inside.pop();
        target
    };
    if let Value::Object(target) = &mut target {
        target.extend(object);
    }
    target
}

/// Any JSON value, in a form that clients which refuse `{}` and `true` accept.
fn anything() -> Value {
    let types = ["object", "array", "string", "number", "boolean", "null"];
    json!({"anyOf": types.map(|ty| json!({"type": ty}))})
}

/// Drops `uint32` and its like, keeping the bounds that they meant.
fn numbers(object: &mut Map<String, Value>) {
    let Some(format) = object.get("format").and_then(Value::as_str) else { return };
    let range = match format {
        "uint8" => Some((0, u64::from(u8::MAX))),
        "uint16" => Some((0, u64::from(u16::MAX))),
        "uint32" => Some((0, u64::from(u32::MAX))),
        // Beyond 64 bits serde_json holds floats, which no whole-number type reads.
        "uint" | "uint64" | "uint128" => Some((0, u64::MAX)),
        "int8" => Some((i64::from(i8::MIN), i8::MAX as u64)),
        "int16" => Some((i64::from(i16::MIN), i16::MAX as u64)),
        "int32" => Some((i64::from(i32::MIN), i32::MAX as u64)),
        "int" | "int64" => Some((i64::MIN, i64::MAX as u64)),
        "int128" => Some((i64::MIN, u64::MAX)),
        _ => None,
    };
    if !FORMATS.contains(&format) {
        object.remove("format");
    }
    if let Some((min, max)) = range {
        object.entry("minimum").or_insert_with(|| min.into());
        object.entry("maximum").or_insert_with(|| max.into());
    }
}

/// `oneOf` of constants → `enum`, each with its own line of the description.
fn words(object: &mut Map<String, Value>) {
    let Some(Value::Array(options)) = object.get("oneOf") else { return };
    let mut constants = Vec::new();
    let mut lines = Vec::new();
    for option in options {
        let values = match (option.get("const"), option.get("enum").and_then(Value::as_array)) {
            (Some(value), _) => vec![value.clone()],
            (None, Some(values)) => values.clone(),
            (None, None) => return,
        };
        if let (Some(said), [value]) = (option.get("description").and_then(Value::as_str), values.as_slice())
        {
            lines.push(format!("{value}: {said}"));
        }
        constants.extend(values);
    }
    if !constants.iter().all(Value::is_string) {
        return;
    }
    object.remove("oneOf");
    object.insert("type".to_owned(), "string".into());
    object.insert("enum".to_owned(), constants.into());
    if !lines.is_empty() {
        let said = object.get("description").and_then(Value::as_str).map(str::to_owned);
        let text = said.into_iter().chain(lines).collect::<Vec<_>>().join("\n");
        object.insert("description".to_owned(), text.into());
    }
}

/// `"type": ["string", "null"]` → `anyOf`, each part with the keywords that speak of its type.
fn single_types(mut object: Map<String, Value>) -> Value {
    let Some(Value::Array(types)) = object.get("type") else { return Value::Object(object) };
    let types = types.clone();
    object.remove("type");
    let mut outer = Map::new();
    for key in ["description", "default", "examples", "title", "deprecated", "readOnly", "writeOnly"] {
        if let Some(value) = object.remove(key) {
            outer.insert(key.to_owned(), value);
        }
    }
    let options = types.into_iter().map(|ty| {
        if ty == "null" {
            return json!({"type": "null"});
        }
        let mut option = object.clone();
        if let Some(Value::Array(values)) = option.get_mut("enum") {
            values.retain(|value| !value.is_null());
        }
        option.insert("type".to_owned(), ty);
        Value::Object(option)
    });
    outer.insert("anyOf".to_owned(), options.collect());
    Value::Object(outer)
}

/// Says `object` of a choice between objects: a tagged enum's schema says it only of each branch.
fn object_at_root(root: &mut Map<String, Value>) {
    if root.contains_key("type") {
        return;
    }
    let branches = root.get("oneOf").or_else(|| root.get("anyOf")).and_then(Value::as_array);
    if branches
        .is_some_and(|all| all.iter().all(|one| one.get("type").and_then(Value::as_str) == Some("object")))
    {
        root.insert("type".to_owned(), "object".into());
    }
}
