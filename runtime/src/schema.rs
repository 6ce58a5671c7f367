//! Types → the JSON Schemas that are published, which are the ones enforced.

mod check;
mod faults;
mod rules;
mod shape;

use schemars::{
    Schema, SchemaGenerator,
    generate::{Contract, SchemaSettings},
};
use serde_json::{Map, Value, json};

use crate::tool::descriptor::{Descriptor, Literal, Param};
use check::Check;
use faults::faults;

/// What a schema says of itself that goes beyond what all dialects share.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// The schema of a tool's arguments, and what checks them.
pub(crate) struct Input {
    pub(crate) schema: Map<String, Value>,
    check: Check,
    /// A line a parameter, for the answer to a call that does not fit.
    usage: Vec<String>,
}

impl Input {
    /// Builds the schema of `descriptor`'s parameters.
    pub(crate) fn new(descriptor: &Descriptor) -> Result<Self, String> {
        let mut properties = Map::new();
        let mut required = Vec::new();
        let mut kept = Map::new();
        for param in descriptor.params {
            let property =
                property(param, &mut kept).map_err(|why| format!("parameter `{}`: {why}", param.name))?;
            if !param.optional {
                required.push(Value::from(param.name));
            }
            properties.insert(param.name.to_owned(), property);
        }
        let of_params = descriptor.params.iter().map(|param| usage(param, &properties[param.name]));
        let usage = of_params.chain(descriptor.rules.iter().map(ToString::to_string)).collect();
        let mut schema = Map::new();
        schema.insert("type".to_owned(), "object".into());
        if !properties.is_empty() {
            schema.insert("properties".to_owned(), properties.into());
        }
        if !required.is_empty() {
            schema.insert("required".to_owned(), required.into());
        }
        schema.insert("additionalProperties".to_owned(), false.into());
        keep(kept, &mut schema);
        rules::write(descriptor, &mut schema)?;
        if !descriptor.rules.is_empty() {
            schema.insert("$schema".to_owned(), DIALECT.into());
        }
        let check = Check::new(&Value::Object(schema.clone()))?;
        Ok(Self { schema, check, usage })
    }

    /// Whether `arguments` fit; on the way of every call.
    pub(crate) fn accepts(&self, arguments: &Value) -> bool {
        self.check.accepts(arguments)
    }

    /// Everything that is wrong with `arguments`.
    pub(crate) fn faults(&self, descriptor: &Descriptor, arguments: &Value) -> Vec<crate::tool::args::Fault> {
        faults(descriptor, &self.check, arguments)
    }

    pub(crate) fn usage(&self) -> &[String] {
        &self.usage
    }
}

/// How a result is shown to clients.
pub(crate) enum OutputShape {
    /// Content blocks, made by the handler.
    Content,
    /// Nothing to say but that it is done.
    Unit,
    /// A string: one text block.
    Text,
    /// A value with a schema. `object`: clients before 2026-07-28 take it as it is, and a wrapped `{"result": …}` otherwise.
    Structured { schema: Map<String, Value>, object: bool, check: Check },
}

impl OutputShape {
    pub(crate) fn new(descriptor: &Descriptor) -> Result<Self, String> {
        let mut kept = Map::new();
        let schema = schema(&Contract::Serialize, descriptor.output, &mut kept)?;
        let Some(Value::Object(mut schema)) = schema else { return Ok(Self::Content) };
        keep(kept, &mut schema);
        match schema.get("type").and_then(Value::as_str) {
            Some("null") => Ok(Self::Unit),
            Some("string") if !schema.contains_key("enum") => Ok(Self::Text),
            ty => {
                let object = ty == Some("object");
                let check = Check::new(&Value::Object(schema.clone()))?;
                Ok(Self::Structured { schema, object, check })
            }
        }
    }

    /// The published schema: under a `result` key for what is no object, where `wrapped`.
    pub(crate) fn schema(&self, wrapped: bool) -> Option<Map<String, Value>> {
        match self {
            Self::Structured { schema, object, .. } if *object || !wrapped => Some(schema.clone()),
            Self::Structured { schema, .. } => {
                let mut schema = schema.clone();
                // What references point to stands at the root, whatever that is.
                let at_root = ["$schema", "$defs"].map(|key| schema.remove_entry(key));
                let outer = json!({
                    "type": "object",
                    "properties": {"result": schema},
                    "required": ["result"],
                    "additionalProperties": false,
                });
                let mut outer = outer.as_object().cloned()?;
                outer.extend(at_root.into_iter().flatten());
                Some(outer)
            }
            _ => None,
        }
    }
}

/// The value under `result`, for clients before 2026-07-28.
pub(crate) fn wrap(value: Value) -> Value {
    let mut outer = Map::new();
    outer.insert("result".to_owned(), value);
    Value::Object(outer)
}

/// The schema that `make` makes, as it is published; what stays behind a reference goes to `kept`.
fn schema<S: Into<Option<Schema>>>(
    contract: &Contract,
    make: fn(&mut SchemaGenerator) -> S,
    kept: &mut Map<String, Value>,
) -> Result<Option<Value>, String> {
    // Types are written where they are used, unless one of them has a name that all its uses share.
    for inline in [true, false] {
        let mut generator = generator(contract.clone(), inline);
        let Some(schema) = make(&mut generator).into() else { return Ok(None) };
        let (schema, definitions) = (schema.to_value(), generator.definitions());
        if inline && (anchored(&schema) || definitions.values().any(anchored)) {
            continue;
        }
        let mut of_this = Map::new();
        let schema = shape::clean(schema, definitions, &mut of_this);
        for (name, definition) in of_this {
            if kept.insert(name.clone(), definition.clone()).is_some_and(|known| known != definition) {
                return Err(format!("two of its types are called `{name}`"));
            }
        }
        return Ok(Some(schema));
    }
    unreachable!("the second turn returns")
}

fn generator(contract: Contract, inline: bool) -> SchemaGenerator {
    let mut settings = SchemaSettings::draft2020_12();
    settings.meta_schema = None;
    settings.inline_subschemas = inline;
    settings.contract = contract;
    settings.into_generator()
}

fn anchored(schema: &Value) -> bool {
    match schema {
        Value::Object(object) => object.contains_key("$anchor") || object.values().any(anchored),
        Value::Array(schemas) => schemas.iter().any(anchored),
        _ => false,
    }
}

/// Puts what stays behind references at the root of `schema`, with the dialect that has them.
fn keep(kept: Map<String, Value>, schema: &mut Map<String, Value>) {
    if !kept.is_empty() {
        schema.insert("$defs".to_owned(), kept.into());
        schema.insert("$schema".to_owned(), DIALECT.into());
    }
}

/// The schema of one parameter: its type's, with what `#[param]` says on top.
fn property(param: &Param, kept: &mut Map<String, Value>) -> Result<Value, String> {
    let mut schema = schema(&Contract::Deserialize, param.schema, kept)?.unwrap_or_default();
    if param.optional {
        shape::forget_null(&mut schema);
    }
    let Value::Object(mut schema) = schema else { return Err("its type accepts nothing".to_owned()) };
    bounds(param, &mut schema)?;
    if !param.description.is_empty() {
        let said = match schema.get("description").and_then(Value::as_str) {
            Some(of_type) => format!("{}\n{of_type}", param.description),
            None => param.description.to_owned(),
        };
        schema.insert("description".to_owned(), said.into());
    }
    if let Some(default) = param.default {
        schema.insert("default".to_owned(), default.to_json());
    }
    if let Some(example) = param.example {
        schema.insert("examples".to_owned(), vec![example.to_json()].into());
    }
    if param.default.is_some() || param.example.is_some() {
        let mut whole = schema.clone();
        keep(kept.clone(), &mut whole);
        let check = Check::new(&whole.into())?;
        for (word, value) in [("default", param.default), ("example", param.example)] {
            if value.is_some_and(|value| !check.accepts(&value.to_json())) {
                return Err(format!("its `{word}` does not fit its own schema"));
            }
        }
    }
    Ok(schema.into())
}

fn bounds(param: &Param, schema: &mut Map<String, Value>) -> Result<(), String> {
    let ty = schema.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    let needs = |key: &str, types: &[&str]| {
        if types.contains(&ty.as_str()) {
            Ok(())
        } else {
            let is = if ty.is_empty() { "several" } else { &ty };
            Err(format!("`{key}` bounds a {}, and its type is {is} in JSON", types.join(" or ")))
        }
    };
    for (key, keyword, bound) in [("min", "minimum", param.min), ("max", "maximum", param.max)] {
        if let Some(bound) = bound {
            needs(key, &["number", "integer"])?;
            schema.insert(keyword.to_owned(), bound.to_json());
        }
    }
    for (key, end, bound) in [("min_len", "min", param.min_len), ("max_len", "max", param.max_len)] {
        if let Some(bound) = bound {
            needs(key, &["string", "array"])?;
            let noun = if ty == "string" { "Length" } else { "Items" };
            schema.insert(format!("{end}{noun}"), bound.into());
        }
    }
    if let Some(pattern) = param.pattern {
        needs("pattern", &["string"])?;
        schema.insert("pattern".to_owned(), pattern.into());
    }
    Ok(())
}

/// `` `limit` (integer 1 to 120, optional) ``
fn usage(param: &Param, schema: &Value) -> String {
    let ty = schema.get("type").and_then(Value::as_str).unwrap_or("value");
    let number = |literal: Option<Literal>| literal.map(|literal| literal.to_json().to_string());
    let range = match (number(param.min), number(param.max)) {
        (Some(min), Some(max)) => format!(" {min} to {max}"),
        (Some(min), None) => format!(" of at least {min}"),
        (None, Some(max)) => format!(" of at most {max}"),
        (None, None) => String::new(),
    };
    let example =
        param.example.map(|example| format!(", for example {}", example.to_json())).unwrap_or_default();
    let need = if param.optional { "optional" } else { "required" };
    format!("`{}` ({ty}{range}, {need}{example})", param.name)
}
