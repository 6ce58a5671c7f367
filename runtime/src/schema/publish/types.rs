//! Generates the schemas of types with schemars and normalizes them: one schema per type, which refers to the others.

use std::collections::{BTreeMap, BTreeSet};

use schemars::{
    Schema, SchemaGenerator,
    generate::{Contract, SchemaSettings},
};
use serde_json::{Map, Value, json};

use crate::ordered::CollectOrdered as _;

/// The schemas of all types that the parameters or the result of one tool consist of.
pub(super) struct TypeSchemas {
    /// The schema of each type that has a name, as written by schemars, with `$ref` in place of other types.
    raw: Map<String, Value>,
    /// The same, normalized.
    pub(super) definitions: Map<String, Value>,
    /// The names of the types that hold themselves, directly or by way of other types.
    recursive: BTreeSet<String>,
    /// The number of schemas in each type if the types that it consists of are inlined, and each recursive one counts once.
    sizes: BTreeMap<String, usize>,
    /// Whether unknown properties are refused, as in a caller's arguments.
    is_closed: bool,
}

/// The key of the name of a type whose schema was put in place of a reference at the root. It is never published.
pub(super) const ROOT: &str = "$root";

/// Keywords beside `$ref` that describe a value and do not constrain it.
const ANNOTATIONS: [&str; 9] = [
    "$ref",
    "title",
    "description",
    "default",
    "examples",
    "deprecated",
    "readOnly",
    "writeOnly",
    "$comment",
];

/// The keywords that apply other schemas to the same value.
const IN_PLACE: [&str; 3] = ["allOf", "anyOf", "oneOf"];

/// Generates the schemas that `makers` return, under one set of names.
pub(super) fn generate<S: Into<Option<Schema>>>(
    contract: Contract,
    makers: impl Iterator<Item = fn(&mut SchemaGenerator) -> S>,
) -> (Vec<Option<Value>>, TypeSchemas) {
    let mut settings = SchemaSettings::draft2020_12();
    settings.meta_schema = None;
    settings.contract = contract;
    let mut generator = settings.into_generator();
    let schemas: Vec<Option<Value>> =
        makers.map(|make| make(&mut generator).into().map(Schema::to_value)).collect();
    let is_closed = generator.settings().contract.is_deserialize();
    let types = TypeSchemas::new(generator.take_definitions(false), is_closed);
    let schemas = schemas.into_iter().map(|schema| Some(types.node(schema?, false))).collect();
    (schemas, types)
}

impl TypeSchemas {
    fn new(raw: Map<String, Value>, is_closed: bool) -> Self {
        let (definitions, recursive, sizes) = (Map::new(), BTreeSet::new(), BTreeMap::new());
        let mut types = Self { raw, definitions, recursive, sizes, is_closed };
        types.definitions = types
            .raw
            .iter()
            .map(|(name, raw)| (name.clone(), types.node(raw.clone(), false)))
            .collect_ordered();
        let uses: BTreeMap<&str, BTreeSet<String>> = types
            .definitions
            .iter()
            .map(|(name, schema)| {
                let mut names = BTreeSet::new();
                references(schema, &mut |name| {
                    names.insert(name);
                });
                (name.as_str(), names)
            })
            .collect_ordered();
        types.recursive =
            uses.keys().filter(|name| reaches(&uses, name)).map(|&name| name.to_owned()).collect_ordered();
        let names: Vec<String> = types.definitions.keys().cloned().collect();
        for name in &names {
            types.measure(name);
        }
        types
    }

    /// Returns whether the type holds itself.
    pub(super) fn is_recursive(&self, name: &str) -> bool {
        self.recursive.contains(name)
    }

    /// Returns whether the author asked for references to this type: an `$anchor` may stand in a schema once.
    pub(super) fn has_anchor(&self, name: &str) -> bool {
        self.definitions.get(name).is_some_and(|schema| schema.get("$anchor").is_some())
    }

    /// The number of schemas in the type if it is inlined.
    pub(super) fn size(&self, name: &str) -> usize {
        self.sizes.get(name).copied().unwrap_or(1)
    }

    fn measure(&mut self, name: &str) -> usize {
        if let Some(size) = self.sizes.get(name) {
            return *size;
        }
        let Some(schema) = self.definitions.get(name) else { return 1 };
        let mut names = Vec::new();
        references(schema, &mut |name| names.push(name));
        let mut size = nodes(schema);
        for name in names {
            size = size.saturating_add(if self.is_recursive(&name) { 1 } else { self.measure(&name) });
        }
        self.sizes.insert(name.to_owned(), size);
        size
    }

    /// Replaces a reference at the root of a schema by the type, unless the type has an anchor. The name of the type stands
    /// under [`ROOT`].
    pub(super) fn root(&self, schema: Value) -> Value {
        let Value::Object(mut object) = schema else { return schema };
        while let Some(name) = reference(&object).filter(|name| !self.has_anchor(name)) {
            let Some(target) = self.definitions.get(&name).and_then(Value::as_object) else { break };
            object.remove("$ref");
            object = target.clone().into_iter().chain(object).collect_ordered();
            object.insert(ROOT.to_owned(), name.into());
        }
        object.into()
    }

    /// Normalizes a schema. An `open` one applies to a value together with another one that has properties of its own.
    fn node(&self, schema: Value, open: bool) -> Value {
        match schema {
            Value::Object(object) if object.is_empty() => Value::Bool(true),
            Value::Object(object) => self.object(object, open).into(),
            other => other,
        }
    }

    fn object(&self, object: Map<String, Value>, open: bool) -> Map<String, Value> {
        let mut object = self.merged(object);
        object.remove("$defs");
        let in_place = IN_PLACE.iter().filter(|key| object.contains_key(**key)).count();
        let shares = open
            || in_place > 1
            || ["allOf", "properties", "patternProperties", "$ref"]
                .iter()
                .any(|key| object.contains_key(*key));
        for_each_part(&mut object, |key, part| {
            let open = match key {
                "allOf" | "anyOf" | "oneOf" => shares,
                "not" | "if" | "then" | "else" => true,
                _ => false,
            };
            // `true` is the common spelling of the others.
            if part.is_object() {
                *part = self.node(part.take(), open);
            }
        });
        constants(&mut object);
        if self.is_closed && !open {
            close(&mut object);
        }
        object
    }

    /// Merges the target of a reference with the constraints beside it: a variant of a tagged enum has its tag there.
    fn merged(&self, mut object: Map<String, Value>) -> Map<String, Value> {
        let mut seen = Vec::new();
        while let Some(name) = reference(&object) {
            if object.keys().all(|key| ANNOTATIONS.contains(&key.as_str()) || key.starts_with("x-")) {
                break;
            }
            object.remove("$ref");
            let Some(target) = self.raw.get(&name).and_then(Value::as_object) else { break };
            if seen.contains(&name) {
                break;
            }
            seen.push(name);
            object = merge(target.clone(), object);
        }
        object
    }
}

/// Calls `visit` with each schema that is a direct part of `object`, and the keyword that it stands under.
pub(super) fn for_each_part(object: &mut Map<String, Value>, mut visit: impl FnMut(&str, &mut Value)) {
    for (key, value) in object {
        match (key.as_str(), value) {
            ("properties" | "patternProperties", Value::Object(children)) => {
                children.values_mut().for_each(|child| visit(key, child));
            }
            ("anyOf" | "oneOf" | "allOf" | "prefixItems", Value::Array(children)) => {
                for child in children {
                    visit(key, child);
                }
            }
            (
                "items"
                | "contains"
                | "not"
                | "propertyNames"
                | "if"
                | "then"
                | "else"
                | "additionalProperties"
                | "unevaluatedProperties",
                child,
            ) => visit(key, child),
            _ => {}
        }
    }
}

/// Adds the keywords of `other`, which win, to those of `object`.
pub(super) fn merge(mut object: Map<String, Value>, other: Map<String, Value>) -> Map<String, Value> {
    object.remove("$anchor");
    for (key, value) in other {
        match (object.get_mut(&key), value) {
            (Some(Value::Object(properties)), Value::Object(more)) if key == "properties" => {
                properties.extend(more);
            }
            (Some(Value::Array(required)), Value::Array(more)) if key == "required" => {
                // The tag of a variant is declared before the fields.
                let rest = std::mem::replace(required, more);
                required.extend(rest.into_iter().filter(|name| !required.contains(name)).collect::<Vec<_>>());
            }
            (_, value) => {
                object.insert(key, value);
            }
        }
    }
    object
}

/// Refuses properties that an object schema does not name, as the arguments of a call are refused. serde itself ignores
/// them, so a misspelled optional field would be lost. A schema that says anything about other properties is left alone,
/// for example that of a struct with a flattened map.
fn close(object: &mut Map<String, Value>) {
    let says = ["additionalProperties", "unevaluatedProperties", "patternProperties"];
    if !object.contains_key("properties") || says.iter().any(|key| object.contains_key(*key)) {
        return;
    }
    let has_choice = IN_PLACE.iter().any(|key| object.contains_key(*key));
    if !has_choice && reference(object).is_none() && !object.contains_key("if") {
        object.insert("additionalProperties".to_owned(), false.into());
    } else if IN_PLACE.iter().filter_map(|key| object.get(*key)?.as_array()).flatten().all(is_self_contained)
        && !object.contains_key("if")
        && !object.contains_key("$ref")
    {
        object.insert("unevaluatedProperties".to_owned(), false.into());
    }
}

/// Returns whether a schema names its properties itself, without a reference or a condition.
fn is_self_contained(schema: &Value) -> bool {
    let Value::Object(object) = schema else { return true };
    !object.contains_key("$ref")
        && !object.contains_key("if")
        && IN_PLACE.iter().filter_map(|key| object.get(*key)?.as_array()).flatten().all(is_self_contained)
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
    describe(object, lines);
}

/// Adds lines to the description.
pub(super) fn describe(object: &mut Map<String, Value>, lines: Vec<String>) {
    if lines.is_empty() {
        return;
    }
    let description = object.get("description").and_then(Value::as_str).map(str::to_owned);
    let text = description.into_iter().chain(lines).collect::<Vec<_>>().join("\n");
    object.insert("description".to_owned(), text.into());
}

/// Removes `null` from the values that a schema accepts.
pub(super) fn forget_null(schema: &mut Value) {
    let Value::Object(object) = schema else { return };
    if let Some(Value::Array(values)) = object.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|ty| ty != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            object.insert("type".to_owned(), only);
        }
    }
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

/// The name behind `#/$defs/Name`.
pub(super) fn reference(object: &Map<String, Value>) -> Option<String> {
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

/// Calls `found` with the name of each reference below `schema`, once per reference.
pub(super) fn references(schema: &Value, found: &mut impl FnMut(String)) {
    match schema {
        Value::Object(object) => {
            if let Some(name) = reference(object) {
                found(name);
            }
            object.values().for_each(|child| references(child, found));
        }
        Value::Array(children) => children.iter().for_each(|child| references(child, found)),
        _ => {}
    }
}

/// The number of objects in a schema, which is about the number of its parts.
fn nodes(schema: &Value) -> usize {
    match schema {
        Value::Object(object) => 1 + object.values().map(nodes).sum::<usize>(),
        Value::Array(children) => children.iter().map(nodes).sum(),
        _ => 0,
    }
}

/// Returns whether the uses of the type `from` lead back to it.
fn reaches(uses: &BTreeMap<&str, BTreeSet<String>>, from: &str) -> bool {
    let mut seen = BTreeSet::new();
    let mut next = vec![from];
    while let Some(at) = next.pop() {
        for name in uses.get(at).into_iter().flatten() {
            if name == from {
                return true;
            }
            if seen.insert(name.as_str()) {
                next.push(name);
            }
        }
    }
    false
}
