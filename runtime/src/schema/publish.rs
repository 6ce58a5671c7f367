//! Writes the JSON Schemas of a tool, from types and from what `#[param]` declares: the one that is enforced, and the one
//! that clients read.

mod described;
mod expand;
mod number;
mod portable;
mod rules;
mod types;

use schemars::generate::Contract;
use serde_json::{Map, Value, json};

pub(super) use self::number::unsafe_integers;
use self::{
    expand::{Expanded, object_at_root},
    portable::{Portable, Rewritten},
    types::{TypeSchemas, forget_null},
};
use super::check::Checker;
use crate::{
    message::Message,
    ordered::CollectOrdered as _,
    tool::descriptor::{Descriptor, Literal, Param},
};
pub(super) use rules::without as without_rules;

/// The dialect that a schema names if it uses keywords which not all dialects share.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// The form in which a list of tools shows their schemas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum SchemaForm {
    /// The form that all known clients and model APIs take. It may accept more than is enforced.
    #[default]
    Portable,
    /// The form that is enforced, in all of JSON Schema 2020-12.
    Exact,
}

/// The schema that is enforced, and the one that is listed.
pub(super) struct Published {
    pub(super) enforced: Value,
    pub(super) listed: Map<String, Value>,
}

/// Texts about parameters for people.
pub(super) struct Notes {
    /// One line per parameter and rule.
    pub(super) usage: Vec<String>,
    /// The fields of the parameters' types that have no description.
    pub(super) undescribed: Vec<String>,
}

/// Writes the schemas of `descriptor`'s parameters.
pub(super) fn input(descriptor: &Descriptor, form: SchemaForm) -> Result<(Published, Notes), Message> {
    let makers = descriptor.params.iter().map(|param| param.schema);
    let (schemas, types) = types::generate(Contract::Deserialize, makers);
    let mut properties = Vec::new();
    for (param, schema) in descriptor.params.iter().zip(schemas) {
        let property = property(param, schema.unwrap_or_default(), &types);
        properties.push(property.map_err(|why| of_param(param, &why))?);
    }
    let enforced = enforced_input(descriptor, &types, &properties)?;
    let listed = match form {
        SchemaForm::Exact => enforced.clone(),
        SchemaForm::Portable => listed_input(descriptor, &types, &properties),
    };
    let params = descriptor.params.iter().zip(&properties).map(|(param, property)| usage(param, property));
    let usage = params.chain(descriptor.rules.iter().map(ToString::to_string)).collect();
    let notes = Notes { usage, undescribed: described::undescribed_fields(&types) };
    Ok((Published { enforced: enforced.into(), listed }, notes))
}

fn of_param(param: &Param, why: &Message) -> Message {
    Message::new(format!("parameter `{}`: {why}", param.name))
}

fn enforced_input(
    descriptor: &Descriptor,
    types: &TypeSchemas,
    properties: &[Value],
) -> Result<Map<String, Value>, Message> {
    let Expanded { schemas, targets } = exact(types, properties);
    for (param, schema) in descriptor.params.iter().zip(&schemas) {
        literals(param, schema, &targets).map_err(|why| of_param(param, &why))?;
    }
    let mut schema = arguments(descriptor, schemas);
    add_definitions(targets, &mut schema);
    rules::write(descriptor, &mut schema)?;
    if !descriptor.rules.is_empty() {
        schema.insert("$schema".to_owned(), DIALECT.into());
    }
    Ok(schema)
}

/// Resolves references for checking, and replaces the names of Rust's number types by their ranges.
fn exact(types: &TypeSchemas, schemas: &[Value]) -> Expanded {
    let mut expanded = expand::exact(types, schemas);
    expanded.schemas.iter_mut().chain(expanded.targets.values_mut()).for_each(number::exact);
    expanded
}

/// Writes the portable form: a plain object at the root, since model APIs refuse `allOf`, `anyOf` and others there. What
/// the root cannot say is said in its description.
fn listed_input(descriptor: &Descriptor, types: &TypeSchemas, properties: &[Value]) -> Map<String, Value> {
    let Expanded { schemas, targets } = expand::listed(types, properties);
    let mut lines = Vec::new();
    let mut rewritten = Vec::new();
    for (param, schema) in descriptor.params.iter().zip(schemas) {
        let Rewritten { schema, description } = Portable::Input.rewrite(schema);
        lines.extend(description.map(|text| format!("`{}`: {text}", param.name)));
        rewritten.push(schema);
    }
    lines.extend(rules::sentence(descriptor));
    let mut schema = arguments(descriptor, rewritten);
    types::describe(&mut schema, lines);
    add_definitions(portable_targets(Portable::Input, targets), &mut schema);
    schema
}

fn portable_targets(direction: Portable, targets: Map<String, Value>) -> Map<String, Value> {
    targets.into_iter().map(|(name, target)| (name, direction.rewrite(target).schema)).collect_ordered()
}

/// The schema of an object with one property per parameter.
fn arguments(descriptor: &Descriptor, properties: Vec<Value>) -> Map<String, Value> {
    let params = descriptor.params;
    let properties: Map<String, Value> =
        params.iter().map(|param| param.name.to_owned()).zip(properties).collect_ordered();
    let required: Vec<&str> = params.iter().filter(|param| !param.optional).map(|param| param.name).collect();
    let mut schema = Map::new();
    schema.insert("type".to_owned(), "object".into());
    schema.insert("properties".to_owned(), properties.into());
    if !required.is_empty() {
        schema.insert("required".to_owned(), required.into());
    }
    schema.insert("additionalProperties".to_owned(), false.into());
    schema
}

/// Writes the schemas of `descriptor`'s result; `None` if the handler makes content blocks itself.
pub(super) fn output(descriptor: &Descriptor, form: SchemaForm) -> Result<Option<Published>, Message> {
    let (schemas, types) = types::generate(Contract::Serialize, std::iter::once(descriptor.output));
    let Some(schema) = schemas.into_iter().next().flatten() else { return Ok(None) };
    let schemas = [types.root(schema)];
    let Expanded { schemas: exact, targets } = exact(&types, &schemas);
    let enforced = at_root(exact, targets)?;
    let listed = match form {
        SchemaForm::Exact => enforced.clone(),
        SchemaForm::Portable => {
            let Expanded { schemas, targets } = expand::listed(&types, &schemas);
            let schemas = schemas.into_iter().map(|schema| Portable::Output.rewrite(schema).schema).collect();
            at_root(schemas, portable_targets(Portable::Output, targets))?
        }
    };
    Ok(Some(Published { enforced: enforced.into(), listed }))
}

/// Completes the schema of a result.
fn at_root(schemas: Vec<Value>, targets: Map<String, Value>) -> Result<Map<String, Value>, Message> {
    let mut root = match schemas.into_iter().next() {
        Some(Value::Object(root)) => Value::Object(root),
        Some(Value::Bool(true)) => json!({}),
        _ => return Err(Message::new("its result has no value")),
    };
    object_at_root(&mut root);
    let Value::Object(mut root) = root else { unreachable!("an object above") };
    root.remove("title");
    add_definitions(targets, &mut root);
    Ok(root)
}

/// Puts the targets of references at the root of `schema`, and names the dialect that has them.
fn add_definitions(definitions: Map<String, Value>, schema: &mut Map<String, Value>) {
    if !definitions.is_empty() {
        schema.insert("$defs".to_owned(), definitions.into());
        schema.insert("$schema".to_owned(), DIALECT.into());
    }
}

/// Writes the schema of one parameter: the schema of its type, and what `#[param]` adds.
fn property(param: &Param, schema: Value, types: &TypeSchemas) -> Result<Value, Message> {
    let mut schema = types.root(schema);
    if param.optional {
        forget_null(&mut schema);
        schema = types.root(schema);
    }
    let mut schema = match schema {
        Value::Object(schema) => schema,
        Value::Bool(true) => Map::new(),
        _ => return Err(Message::new("its type accepts nothing")),
    };
    schema.remove("title");
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
    Ok(schema.into())
}

/// Checks that `default` and `example` fit the schema they stand in.
fn literals(param: &Param, schema: &Value, targets: &Map<String, Value>) -> Result<(), Message> {
    let literals = [("default", param.default), ("example", param.example)];
    if literals.iter().all(|(_, literal)| literal.is_none()) {
        return Ok(());
    }
    let mut whole = schema.as_object().cloned().unwrap_or_default();
    add_definitions(targets.clone(), &mut whole);
    let checker = Checker::new(&whole.into())?;
    for (key, literal) in literals {
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
