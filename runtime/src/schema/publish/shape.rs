//! Rewrites a generated schema so that clients accept it: without `$ref` that the author did not ask for, lists of types,
//! boolean schemas and Rust formats.

use serde_json::{Map, Value, json};

/// How many levels of a recursive type are inlined.
const MAX_RECURSION_LEVELS: usize = 2;

/// The formats of JSON Schema 2020-12 §7.3. The other formats that schemars writes are names of Rust types.
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

/// Rewrites `schema`, whose references point into `definitions`. The targets of references that remain go to `targets`.
pub(super) fn clean(
    schema: Value,
    definitions: &Map<String, Value>,
    targets: &mut Map<String, Value>,
) -> Value {
    let mut schema = Shape { definitions, targets, path: Vec::new() }.node(schema);
    if let Value::Object(root) = &mut schema {
        root.remove("title");
        object_at_root(root);
    }
    schema
}

/// Removes `null` from the values that a schema accepts.
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

/// A schema that is being rewritten.
struct Shape<'a> {
    definitions: &'a Map<String, Value>,
    targets: &'a mut Map<String, Value>,
    /// The types that are being inlined, outermost first.
    path: Vec<String>,
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
        // Clients accept `true` and `false` here: it is the common spelling.
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
        constants(&mut object);
        single_types(object)
    }

    /// Inlines the target of a reference. A recursive type is inlined two levels deep; below that, any value of the right
    /// JSON type is accepted. A type with an `$anchor` remains a reference.
    fn referred(&mut self, name: &str, mut object: Map<String, Value>) -> Value {
        object.remove("$ref");
        let Some(target) = self.definitions.get(name) else { return anything() };
        let mut target = if target.get("$anchor").is_some() {
            self.reference_to(name, target)
        } else if self.path.iter().filter(|outer| *outer == name).count() >= MAX_RECURSION_LEVELS {
            match target.get("type").and_then(Value::as_str) {
                Some(ty) => json!({"type": ty, "description": format!("A further `{name}`.")}),
                None => anything(),
            }
        } else {
            self.path.push(name.to_owned());
            let target = self.node(target.clone());
            self.path.pop();
            target
        };
        if let Value::Object(target) = &mut target {
            target.extend(object);
        }
        target
    }

    /// Writes a reference to the type of this name: with two copies, its `$anchor` would not be unique. The type's JSON
    /// type stands beside, for clients that do not resolve references.
    fn reference_to(&mut self, name: &str, target: &Value) -> Value {
        let mut target = target.clone();
        if let Value::Object(target) = &mut target {
            object_at_root(target);
        }
        let ty = target.get("type").filter(|ty| ty.is_string()).cloned();
        if !self.targets.contains_key(name) {
            // The type may refer to itself.
            self.targets.insert(name.to_owned(), Value::Null);
            let outside = std::mem::take(&mut self.path);
            let target = self.node(target);
            self.path = outside;
            self.targets.insert(name.to_owned(), target);
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
    let name = percent_decoded(pointer).unwrap_or_else(|| pointer.to_owned());
    Some(name.replace("~1", "/").replace("~0", "~"))
}

/// Removes the percent-encoding of a part of a URI.
fn percent_decoded(encoded: &str) -> Option<String> {
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

/// A schema of any JSON value, in a form that clients accept which refuse `{}` and `true`.
fn anything() -> Value {
    let types = ["object", "array", "string", "number", "boolean", "null"];
    json!({"anyOf": types.map(|ty| json!({"type": ty}))})
}

/// Replaces `uint32` and similar formats by the bounds that they mean.
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

/// Replaces `oneOf` of constants by `enum`, with a line of the description for each constant.
fn constants(object: &mut Map<String, Value>) {
    let Some(Value::Array(options)) = object.get("oneOf") else { return };
    let mut constants = Vec::new();
    let mut lines = Vec::new();
    for option in options {
        let values = match (option.get("const"), option.get("enum").and_then(Value::as_array)) {
            (Some(value), _) => vec![value.clone()],
            (None, Some(values)) => values.clone(),
            (None, None) => return,
        };
        if let (Some(text), [value]) = (option.get("description").and_then(Value::as_str), values.as_slice())
        {
            lines.push(format!("{value}: {text}"));
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
        let description = object.get("description").and_then(Value::as_str).map(str::to_owned);
        let text = description.into_iter().chain(lines).collect::<Vec<_>>().join("\n");
        object.insert("description".to_owned(), text.into());
    }
}

/// Replaces `"type": ["string", "null"]` by `anyOf`, in which each part has the keywords of its type.
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

/// Adds `"type": "object"` to a choice between objects: the schema of a tagged enum has it in each branch only.
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
