//! Writes the rules between parameters: as keywords at the root of the arguments' schema, and as a sentence.

use serde_json::{Map, Value, json};

use crate::{
    message::Message,
    ordered::CollectOrdered as _,
    schema::check::Checker,
    tool::descriptor::{Descriptor, Rule},
};

/// Adds the rules of `descriptor` to the schema of its arguments. The first condition stands at the root; `allOf` holds
/// the others and the choices, since a keyword can stand at the root once.
pub(super) fn write(descriptor: &Descriptor, schema: &mut Map<String, Value>) -> Result<(), Message> {
    let mut all = Vec::new();
    for rule in descriptor.rules {
        match rule {
            Rule::OneOf(names) => all.push(json!({"oneOf": alternatives(names)})),
            Rule::AnyOf(names) => all.push(json!({"anyOf": alternatives(names)})),
            Rule::AtMostOne(names) => all.extend(pairs(names).map(|pair| json!({"not": required(&pair)}))),
            Rule::Needs(name, needed) => {
                let dependencies = schema.entry("dependentRequired").or_insert_with(|| json!({}));
                dependencies[*name] = dependencies[*name]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .cloned()
                    .chain(needed.iter().map(|name| json!(name)))
                    .collect();
            }
            Rule::When { .. } => {
                let condition = condition(descriptor, rule, schema)?;
                if schema.contains_key("if") { all.push(condition.into()) } else { schema.extend(condition) }
            }
        }
    }
    if !all.is_empty() {
        schema.insert("allOf".to_owned(), all.into());
    }
    Ok(())
}

/// Removes the rules from a schema that [`write`] completed.
pub(in crate::schema) fn without(schema: Value) -> Map<String, Value> {
    let Value::Object(mut schema) = schema else { return Map::new() };
    for keyword in ["dependentRequired", "allOf", "if", "then", "else"] {
        schema.remove(keyword);
    }
    if !schema.contains_key("$defs") {
        schema.remove("$schema");
    }
    schema
}

/// The rules in words, for the description of a schema that does not have the keywords.
pub(super) fn sentence(descriptor: &Descriptor) -> Option<String> {
    let rules: Vec<String> = descriptor.rules.iter().map(ToString::to_string).collect();
    (!rules.is_empty()).then(|| format!("A call must have {}.", rules.join("; ")))
}

/// Every two of `names`.
fn pairs<'a>(names: &'a [&'a str]) -> impl Iterator<Item = [&'a str; 2]> {
    let after = |at| names.iter().skip(at + 1);
    names.iter().enumerate().flat_map(move |(at, first)| after(at).map(move |second| [*first, *second]))
}

/// One alternative per name, which fits if that parameter is sent.
fn alternatives(names: &[&str]) -> Vec<Value> {
    names.iter().map(|name| required(&[name])).collect()
}

fn required(names: &[&str]) -> Value {
    json!({"required": names})
}

/// `if`, `then` and `else` of one rule.
fn condition(
    descriptor: &Descriptor,
    rule: &Rule,
    schema: &Map<String, Value>,
) -> Result<Map<String, Value>, Message> {
    let Rule::When { param, is, then, otherwise } = rule else { return Ok(Map::new()) };
    let is = is.to_json();
    let property = schema.get("properties").and_then(|properties| properties.get(*param));
    let mut property = property.and_then(Value::as_object).cloned().unwrap_or_default();
    property.extend(schema.get("$defs").map(|defs| ("$defs".to_owned(), defs.clone())));
    if !Checker::new(&property.into())?.accepts(&is) {
        return Err(Message::new(format!(
            "its rule for `{param}` = {is} never holds: the parameter's schema refuses that value"
        )));
    }
    let default = descriptor.params.iter().find(|other| other.name == *param).and_then(|param| param.default);
    let mut condition = json!({"properties": {*param: {"const": is}}});
    // A call that leaves the parameter out uses the default, which may be this very value.
    if default.is_none_or(|default| default.to_json() != is) {
        condition["required"] = json!([param]);
    }
    let branches = [("then", then), ("else", otherwise)].into_iter().filter(|(_, names)| !names.is_empty());
    let branches = branches.map(|(key, names)| (key.to_owned(), required(names)));
    Ok(std::iter::once(("if".to_owned(), condition)).chain(branches).collect_ordered())
}
