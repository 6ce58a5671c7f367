//! A generated schema → one that clients accept: no `$ref` that was not asked for, no list of types, no bare `true`, no
//! Rust formats.

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

/// Rewrites `schema`, whose references point into `definitions`. What stays behind a reference goes to `kept`.
pub(super) fn clean(schema: Value, definitions: &Map<String, Value>, kept: &mut Map<String, Value>) -> Value {
    let mut schema = Shape { definitions, kept, inside: Vec::new() }.node(schema);
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

/// A schema on its way.
struct Shape<'a> {
    definitions: &'a Map<String, Value>,
    kept: &'a mut Map<String, Value>,
    /// The types that are being written out.
    inside: Vec<String>,
}

impl Shape<'_> {
    fn node(&mut self, schema: Value) -> Value {
        let object = match schema {
            Value::Bool(true) => return anything(),
            Value::Object(object) if object.is_empty() => return anything(),
            Value::Object(object) => object,
            other => return other,
        };
        let mut object = match reference(&object) {
            Some(name) => return self.referred(&name, object),
            None => object,
        };
        for key in ["properties", "patternProperties", "$defs"] {
            if let Some(Value::Object(children)) = object.get_mut(key) {
                for child in children.values_mut() {
                    *child = self.node(child.take());
                }
            }
        }
        for key in ["items", "contains", "not", "propertyNames", "if", "then", "else"] {
            if let Some(child) = object.get_mut(key) {
                *child = self.node(child.take());
            }
        }
        // `true` and `false` are the common spelling of this one, and clients take them.
        if let Some(child @ Value::Object(_)) = object.get_mut("additionalProperties") {
            *child = self.node(child.take());
        }
        for key in ["anyOf", "oneOf", "allOf", "prefixItems"] {
            if let Some(Value::Array(children)) = object.get_mut(key) {
                for child in children.iter_mut() {
                    *child = self.node(child.take());
                }
            }
        }
        object.remove("$defs");
        numbers(&mut object);
        words(&mut object);
        single_types(object)
    }

    /// What a reference stands for, in its place. A type inside itself is written out `DEPTH` times; inside that, only
    /// its kind is said, so the schema stays finite and stays true. A type with an `$anchor` stays behind its reference.
    fn referred(&mut self, name: &str, mut object: Map<String, Value>) -> Value {
        object.remove("$ref");
        let Some(target) = self.definitions.get(name) else { return anything() };
        let mut target = if target.get("$anchor").is_some() {
            self.kept(name, target)
        } else if self.inside.iter().filter(|known| *known == name).count() >= DEPTH {
            match target.get("type").and_then(Value::as_str) {
                Some(ty) => json!({"type": ty, "description": format!("A further `{name}`.")}),
                None => anything(),
            }
        } else {
            self.inside.push(name.to_owned());
            let target = self.node(target.clone());
            self.inside.pop();
            target
        };
        if let Value::Object(target) = &mut target {
            target.extend(object);
        }
        target
    }

    /// A reference to the type of this name, which two copies would give one `$anchor`. Its kind stands beside, for
    /// whoever does not follow references.
    fn kept(&mut self, name: &str, target: &Value) -> Value {
        let mut target = target.clone();
        if let Value::Object(target) = &mut target {
            object_at_root(target);
        }
        let ty = target.get("type").filter(|ty| ty.is_string()).cloned();
        if !self.kept.contains_key(name) {
            // It may hold itself.
            self.kept.insert(name.to_owned(), Value::Null);
            let outside = std::mem::take(&mut self.inside);
            let target = self.node(target);
            self.inside = outside;
            self.kept.insert(name.to_owned(), target);
        }
        let mut reference = Map::new();
        let pointer = name.replace('~', "~0").replace('/', "~1");
        reference.insert("$ref".to_owned(), format!("#/$defs/{pointer}").into());
        reference.extend(ty.map(|ty| ("type".to_owned(), ty)));
        Value::Object(reference)
    }
}

/// The name behind `#/$defs/Name`.
fn reference(object: &Map<String, Value>) -> Option<String> {
    let pointer = object.get("$ref")?.as_str()?.strip_prefix("#/$defs/")?;
    let name = plain(pointer).unwrap_or_else(|| pointer.to_owned());
    Some(name.replace("~1", "/").replace("~0", "~"))
}

/// A part of a URI without its percent-encoding.
fn plain(encoded: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?.trim_start(), 16).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
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
