//! Writes the JSON Schemas that clients read, from types and from what `#[param]` declares.

mod rules;
mod shape;

use schemars::{
    Schema, SchemaGenerator,
    generate::{Contract, SchemaSettings},
};
use serde_json::{Map, Value};

use super::check::Checker;
use crate::{
    message::Message,
    tool::descriptor::{Descriptor, Literal, Param},
};

/// The dialect that a schema names if it uses keywords which not all dialects share.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// Writes the schema of `descriptor`'s parameters, and one line per parameter and rule for people.
pub(super) fn input(descriptor: &Descriptor) -> Result<(Map<String, Value>, Vec<String>), Message> {
    let mut properties = Map::new();
    let mut required = Vec::new();
    let mut definitions = Map::new();
    for param in descriptor.params {
        let property = property(param, &mut definitions)
            .map_err(|why| Message::new(format!("parameter `{}`: {why}", param.name)))?;
        if !param.optional {
            required.push(Value::from(param.name));
        }
        properties.insert(param.name.to_owned(), property);
    }
    let params = descriptor.params.iter().map(|param| usage(param, &properties[param.name]));
    let usage = params.chain(descriptor.rules.iter().map(ToString::to_string)).collect();
    let mut schema = Map::new();
    schema.insert("type".to_owned(), "object".into());
    if !properties.is_empty() {
        schema.insert("properties".to_owned(), properties.into());
    }
    if !required.is_empty() {
        schema.insert("required".to_owned(), required.into());
    }
    schema.insert("additionalProperties".to_owned(), false.into());
    add_definitions(definitions, &mut schema);
    rules::write(descriptor, &mut schema)?;
    if !descriptor.rules.is_empty() {
        schema.insert("$schema".to_owned(), DIALECT.into());
    }
    Ok((schema, usage))
}

/// Writes the schema of `descriptor`'s result; `None` if the handler makes content blocks itself.
pub(super) fn output(descriptor: &Descriptor) -> Result<Option<Map<String, Value>>, Message> {
    let mut definitions = Map::new();
    let schema = type_schema(&Contract::Serialize, descriptor.output, &mut definitions)?;
    let Some(Value::Object(mut schema)) = schema else { return Ok(None) };
    add_definitions(definitions, &mut schema);
    Ok(Some(schema))
}

/// Writes the schema that `make` generates for a type. The targets of its references go to `definitions`.
fn type_schema<S: Into<Option<Schema>>>(
    contract: &Contract,
    make: fn(&mut SchemaGenerator) -> S,
    definitions: &mut Map<String, Value>,
) -> Result<Option<Value>, Message> {
    // Types are inlined, unless one of them has an anchor, which may stand in a schema once.
    for inline in [true, false] {
        let mut generator = generator(contract.clone(), inline);
        let Some(schema) = make(&mut generator).into() else { return Ok(None) };
        let (schema, generated) = (schema.to_value(), generator.definitions());
        if inline && (has_anchor(&schema) || generated.values().any(has_anchor)) {
            continue;
        }
        let mut targets = Map::new();
        let schema = shape::clean(schema, generated, &mut targets);
        for (name, target) in targets {
            if definitions.insert(name.clone(), target.clone()).is_some_and(|earlier| earlier != target) {
                return Err(Message::new(format!("two of its types are called `{name}`")));
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

fn has_anchor(schema: &Value) -> bool {
    match schema {
        Value::Object(object) => object.contains_key("$anchor") || object.values().any(has_anchor),
        Value::Array(schemas) => schemas.iter().any(has_anchor),
        _ => false,
    }
}

/// Puts the targets of references at the root of `schema`, and names the dialect that has them.
fn add_definitions(definitions: Map<String, Value>, schema: &mut Map<String, Value>) {
    if !definitions.is_empty() {
        schema.insert("$defs".to_owned(), definitions.into());
        schema.insert("$schema".to_owned(), DIALECT.into());
    }
}

/// Writes the schema of one parameter: the schema of its type, and what `#[param]` adds.
fn property(param: &Param, definitions: &mut Map<String, Value>) -> Result<Value, Message> {
    let mut schema = type_schema(&Contract::Deserialize, param.schema, definitions)?.unwrap_or_default();
    if param.optional {
        shape::forget_null(&mut schema);
    }
    let Value::Object(mut schema) = schema else { return Err(Message::new("its type accepts nothing")) };
    bounds(param, &mut schema)?;
    if !param.description.is_empty() {
        let description = match schema.get("description").and_then(Value::as_str) {
            Some(of_type) => format!("{}\n{of_type}", param.description),
            None => param.description.to_owned(),
        };
        schema.insert("description".to_owned(), description.into());
    }
    if let Some(default) = param.default {
        schema.insert("default".to_owned(), default.to_json());
    }
    if let Some(example) = param.example {
        schema.insert("examples".to_owned(), vec![example.to_json()].into());
    }
    literals(param, &schema, definitions)?;
    Ok(schema.into())
}

/// Checks that `default` and `example` fit the schema they stand in.
fn literals(
    param: &Param,
    schema: &Map<String, Value>,
    definitions: &Map<String, Value>,
) -> Result<(), Message> {
    if param.default.is_none() && param.example.is_none() {
        return Ok(());
    }
    let mut whole = schema.clone();
    add_definitions(definitions.clone(), &mut whole);
    let checker = Checker::new(&whole.into())?;
    for (key, literal) in [("default", param.default), ("example", param.example)] {
        if literal.is_some_and(|literal| !checker.accepts(&literal.to_json())) {
            return Err(Message::new(format!("its `{key}` does not fit its own schema")));
        }
    }
    Ok(())
}

fn bounds(param: &Param, schema: &mut Map<String, Value>) -> Result<(), Message> {
    let ty = schema.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    let needs = |key: &str, types: &[&str]| {
        if types.contains(&ty.as_str()) {
            Ok(())
        } else {
            let ty = if ty.is_empty() { "several" } else { &ty };
            let types = types.join(" or ");
            Err(Message::new(format!("`{key}` bounds a {types}, and its type is {ty} in JSON")))
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
