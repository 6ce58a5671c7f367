//! Writes the question for a confirmation: the tool, its effect, and every argument that it would run with.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::visible::{digest, text_span, word_span};
use crate::tool::descriptor::{Descriptor, Effect, Literal, Param};

/// The characters of one value.
const MAX_VALUE_CHARS: usize = 300;
/// The characters of the path to a nested value.
const MAX_PATH_CHARS: usize = 120;
/// The characters of all arguments, divided among the parameters.
const MAX_ARGUMENTS_CHARS: usize = 8_000;
/// The characters of a preview.
const MAX_PREVIEW_CHARS: usize = 4_000;
/// The characters of one parameter, however many there are: room for a value with its path.
const MIN_PARAM_CHARS: usize = 800;

/// Returns the question for the user: the tool, its effect, and the arguments in the order of their declaration, with
/// secrets masked, and below them the text of a preview. `schema` is the schema of all arguments, which knows the defaults
/// of nested values.
pub(crate) fn question(
    tool: &Descriptor,
    schema: &Map<String, Value>,
    arguments: &Map<String, Value>,
    preview: Option<&str>,
) -> String {
    let effect = match (tool.effect, tool.idempotent) {
        (Effect::ReadOnly, _) => "It changes nothing.",
        (Effect::Additive, _) => "It adds, and removes nothing.",
        (Effect::Destructive, false) => "It may change or remove what is there.",
        (Effect::Destructive, true) => {
            "It may change or remove what is there; repeating it changes nothing more."
        }
    };
    let mut text = format!("Allow `{}`? {}\n{effect}", tool.name, tool.description);
    let budget = (MAX_ARGUMENTS_CHARS / tool.params.len().max(1)).max(MIN_PARAM_CHARS);
    let schemas = Schemas(schema);
    let mut lines = String::new();
    for param in tool.params {
        let default = param.default.map(Literal::to_json);
        let schema = schemas.property(param.name);
        let node = match (arguments.get(param.name), &default) {
            (Some(value), _) => Node { value, schema, is_default: false },
            (None, Some(value)) => Node { value, schema, is_default: true },
            (None, None) => continue,
        };
        lines += &argument(param, &node, &schemas, budget);
    }
    if !lines.is_empty() {
        text.push('\n');
    }
    text += &lines;
    if let Some(preview) = preview {
        text += &previewed(preview);
    }
    text
}

/// Shows the text of a preview, a line each, as far as it fits.
fn previewed(preview: &str) -> String {
    let mut text = "\n\nPreview:\n".to_owned();
    let (lines, mut budget) = (preview.trim_end().lines(), MAX_PREVIEW_CHARS);
    let mut left_out = 0;
    for line in lines {
        let line = if line.is_empty() {
            "\n-".to_owned()
        } else {
            format!("\n- {}", word_span(line, MAX_VALUE_CHARS))
        };
        match budget.checked_sub(line.chars().count()) {
            Some(rest) if left_out == 0 => {
                budget = rest;
                text += &line;
            }
            _ => left_out += 1,
        }
    }
    if left_out > 0 {
        let digest = digest(preview.as_bytes());
        let _ = write!(text, "\n- … {left_out} lines are not shown (SHA-256 of all: {digest})");
    }
    text
}

/// Shows the value of one parameter, and its nested values on a line each, in about `budget` characters.
fn argument(param: &Param, node: &Node<'_>, schemas: &Schemas<'_>, budget: usize) -> String {
    let name = param.name;
    if param.secret {
        return format!("\n- `{name}`: (secret{})", if node.is_default { ", default" } else { "" });
    }
    if schemas.children(node).is_empty() {
        return format!("\n- `{name}`: {}", node.shown());
    }
    let mut leaves = Leaves { schemas, lines: String::new(), count: 0, budget, left_out: 0, last: None };
    leaves.walk(name, node);
    let Leaves { lines, count, left_out, last, .. } = leaves;
    let noun = if count == 1 { "value" } else { "values" };
    let mut text = format!("\n- `{name}`: {count} {noun}{lines}");
    // The last value is shown in any case.
    if left_out > 1 {
        let digest = digest(node.value.to_string().as_bytes());
        let _ = write!(text, "\n  - … {} values are not shown (SHA-256 of all: {digest})", left_out - 1);
    }
    text + last.as_deref().unwrap_or_default()
}

/// A value of a call, with the schema that is known of it.
struct Node<'a> {
    value: &'a Value,
    schema: Option<&'a Value>,
    /// Whether the caller left the value out.
    is_default: bool,
}

impl Node<'_> {
    /// Shows a value that holds no others.
    fn shown(&self) -> String {
        let span = match self.value {
            Value::String(text) => text_span(text, MAX_VALUE_CHARS),
            value => word_span(&value.to_string(), MAX_VALUE_CHARS),
        };
        if self.is_default { format!("{span} (default)") } else { span }
    }
}

/// The nested values of a parameter, as far as they fit.
struct Leaves<'a> {
    schemas: &'a Schemas<'a>,
    lines: String,
    count: usize,
    budget: usize,
    left_out: usize,
    /// The line of the last value, if it is not among `lines`.
    last: Option<String>,
}

impl Leaves<'_> {
    fn walk(&mut self, path: &str, node: &Node<'_>) {
        let children = self.schemas.children(node);
        for (step, child) in &children {
            self.walk(&format!("{path}{step}"), child);
        }
        if children.is_empty() {
            self.add(path, node);
        }
    }

    fn add(&mut self, path: &str, leaf: &Node<'_>) {
        self.count += 1;
        let line = format!("\n  - {}: {}", word_span(path, MAX_PATH_CHARS), leaf.shown());
        let chars = line.chars().count();
        if self.left_out == 0 && chars <= self.budget {
            self.budget -= chars;
            self.lines += &line;
        } else {
            self.left_out += 1;
            self.last = Some(line);
        }
    }
}

/// The schema of all arguments of a tool.
struct Schemas<'a>(&'a Map<String, Value>);

impl<'a> Schemas<'a> {
    fn property(&self, name: &str) -> Option<&'a Value> {
        self.0.get("properties")?.get(name)
    }

    /// Returns the values in `node`, each with its step of the path: those that were sent, then defaults of others.
    fn children<'b>(&self, node: &Node<'b>) -> Vec<(String, Node<'b>)>
    where
        'a: 'b,
    {
        let schema = node.schema.and_then(|schema| self.resolved(schema, node.value));
        let is_default = node.is_default;
        match node.value {
            Value::Array(items) => {
                let child = |(at, value): (usize, &'b Value)| {
                    let schema = schema.and_then(|schema| {
                        schema.get("prefixItems").and_then(|items| items.get(at)).or(schema.get("items"))
                    });
                    (format!("[{at}]"), Node { value, schema, is_default })
                };
                items.iter().enumerate().map(child).collect()
            }
            Value::Object(object) => {
                let properties = schema.and_then(|schema| schema.get("properties")?.as_object());
                let others = schema.and_then(|schema| schema.get("additionalProperties"));
                let sent = object.iter().map(|(key, value)| {
                    let schema = properties.and_then(|properties| properties.get(key)).or(others);
                    (step(key), Node { value, schema, is_default })
                });
                let missing = properties.into_iter().flatten().filter(|(key, _)| !object.contains_key(*key));
                let defaults = missing.filter_map(|(key, schema)| {
                    let value = schema.get("default").filter(|value| !value.is_null())?;
                    Some((step(key), Node { value, schema: Some(schema), is_default: true }))
                });
                sent.chain(defaults).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Follows a reference, and chooses the branch of a choice that `value` fits.
    fn resolved(&self, schema: &'a Value, value: &Value) -> Option<&'a Value> {
        let schema = self.target(schema)?;
        let branches = ["anyOf", "oneOf"].into_iter().find_map(|key| schema.get(key)?.as_array());
        let branch = branches.and_then(|branches| {
            branches.iter().filter_map(|branch| self.target(branch)).find(|branch| fits(branch, value))
        });
        branch.or(Some(schema))
    }

    fn target(&self, schema: &'a Value) -> Option<&'a Value> {
        match schema.get("$ref").and_then(Value::as_str) {
            Some(reference) => self.0.get("$defs")?.pointer(reference.strip_prefix("#/$defs")?),
            None => Some(schema),
        }
    }
}

/// Whether an object has all that a branch requires, with the constants by which branches differ.
fn fits(branch: &Value, value: &Value) -> bool {
    let Some(object) = value.as_object() else { return false };
    let required = branch.get("required").and_then(Value::as_array).into_iter().flatten();
    let properties = branch.get("properties").and_then(Value::as_object).into_iter().flatten();
    required.filter_map(Value::as_str).all(|key| object.contains_key(key))
        && properties
            .filter_map(|(key, schema)| Some((key, constant(schema)?)))
            .all(|(key, constant)| object.get(key).is_none_or(|value| value == constant))
        && branch.get("type").is_some_and(|ty| ty == "object")
}

/// Returns the one value that a schema allows, if it allows one.
fn constant(schema: &Value) -> Option<&Value> {
    let only = || match schema.get("enum")?.as_array()?.as_slice() {
        [only] => Some(only),
        _ => None,
    };
    schema.get("const").or_else(only)
}

/// Returns the step of a path to a field. A key that is not a plain word is quoted.
fn step(key: &str) -> String {
    let is_plain = !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-');
    if is_plain { format!(".{key}") } else { format!("[{}]", Value::from(key)) }
}
