//! Rewrites a schema so that all known clients and model APIs take it. The result accepts at least what the type accepts.
//!
//! | what | who refuses it, or the whole list with it |
//! | --- | --- |
//! | `anyOf` beside another keyword, `oneOf` | Gemini (Vertex AI), strict mode of OpenAI |
//! | an array without `items`, `items` that is empty or a boolean, `prefixItems` | Gemini, VS Code |
//! | an object without `properties` | OpenAI |
//! | a part without `type` | Gemini (Vertex AI), Gemini CLI |
//! | a list of types, a boolean schema, `const`, `not`, numbers in `enum` | Gemini |
//! | `$ref` beside another keyword | Gemini, strict mode of OpenAI |
//! | bounds beyond 2^53 | several, which read them as floats |

use serde_json::{Map, Value, json};

use super::{
    number,
    types::{describe, for_each_part, merge, reference},
};
use crate::ordered::CollectOrdered as _;

/// The number of levels of lists in lists that the schema of any value describes.
const MAX_LIST_LEVELS: usize = 3;

/// The keywords that describe a value. They cannot stand beside `anyOf` and `$ref`.
const MOVED_ANNOTATIONS: [&str; 6] = ["title", "default", "examples", "deprecated", "readOnly", "writeOnly"];

/// Rewrites schemas for one direction.
#[derive(Clone, Copy)]
pub(super) enum Portable {
    /// Arguments: model APIs read the schema, so that every part has a type.
    Input,
    /// Results: clients check them, so that the schema accepts lists of any depth.
    Output,
}

/// A rewritten schema, and its description if the schema has no place for it.
pub(super) struct Rewritten {
    pub(super) schema: Value,
    pub(super) description: Option<String>,
}

impl Portable {
    pub(super) fn rewrite(self, schema: Value) -> Rewritten {
        let mut object = match schema {
            Value::Bool(true) => return self.any_described(Map::new()),
            Value::Object(object) => object,
            other => return Rewritten { schema: other, description: None },
        };
        if object.contains_key("$ref") {
            return bare_reference(object);
        }
        choice_of_types(&mut object);
        self.parts(&mut object);
        object.remove("unevaluatedProperties");
        number::bounds(&mut object, true);
        constants(&mut object);
        inequality(&mut object);
        self.array(&mut object);
        if is_object(&object) {
            object.entry("properties").or_insert_with(|| json!({}));
        }
        match object.get("anyOf") {
            Some(Value::Array(_)) => lone_choice(object),
            _ if is_untyped(&object) => self.any_described(object),
            _ => Rewritten { schema: object.into(), description: None },
        }
    }

    /// Rewrites the parts of a schema. A description that a property has no place for becomes a line of this one's.
    fn parts(self, object: &mut Map<String, Value>) {
        let mut lines = Vec::new();
        if let Some(Value::Object(properties)) = object.get_mut("properties") {
            for (name, property) in properties {
                let Rewritten { schema, description } = self.rewrite(property.take());
                *property = schema;
                lines.extend(description.map(|text| format!("`{name}`: {text}")));
            }
        }
        describe(object, lines);
        for_each_part(object, |key, part| {
            let is_switch =
                matches!(key, "additionalProperties" | "unevaluatedProperties") && part.is_boolean();
            if key != "properties" && !is_switch {
                *part = self.rewrite(part.take()).schema;
            }
        });
        if let Some(Value::Array(options)) = object.remove("oneOf") {
            // A value of a tagged enum fits one branch at most. Beside another choice, this one is left out.
            object.entry("anyOf").or_insert(options.into());
        }
    }

    /// Gives each array one schema for its items.
    fn array(self, object: &mut Map<String, Value>) {
        if object.get("type").and_then(Value::as_str) != Some("array") {
            return;
        }
        let rest = object.remove("items").filter(Value::is_object);
        let Some(Value::Array(positions)) = object.remove("prefixItems") else {
            object.insert("items".to_owned(), rest.unwrap_or_else(|| self.any(MAX_LIST_LEVELS - 1)));
            return;
        };
        let is_longer = object.get("maxItems").and_then(Value::as_u64) != Some(positions.len() as u64);
        let rest = is_longer.then(|| rest.unwrap_or_else(|| self.any(MAX_LIST_LEVELS - 1)));
        let names = positions.iter().map(name_of).collect::<Vec<_>>().join(", ");
        let mut options: Vec<Value> = Vec::new();
        for option in positions.into_iter().chain(rest) {
            let branches = match option.get("anyOf") {
                Some(Value::Array(branches)) => branches.clone(),
                _ => vec![option],
            };
            options
                .extend(branches.into_iter().filter(|branch| !options.contains(branch)).collect::<Vec<_>>());
        }
        if options.len() > 1 {
            describe(object, vec![format!("The items in order: {names}.")]);
        }
        let items = if options.len() == 1 { options.remove(0) } else { json!({"anyOf": options}) };
        object.insert("items".to_owned(), items);
    }

    /// A schema of any JSON value, with `lists` levels of lists in lists.
    fn any(self, lists: usize) -> Value {
        let types = ["string", "number", "boolean", "null"].map(|ty| json!({"type": ty}));
        let list = match (lists, self) {
            (0, Self::Input) => None,
            (0, Self::Output) => Some(json!({"type": "array", "items": {"description": "Any JSON value."}})),
            (lists, _) => Some(json!({"type": "array", "items": self.any(lists - 1)})),
        };
        let object = json!({"type": "object", "properties": {}});
        json!({"anyOf": types.into_iter().chain([object]).chain(list).collect::<Vec<_>>()})
    }

    /// A schema of any value, with the description of one that says nothing else about the value.
    fn any_described(self, mut object: Map<String, Value>) -> Rewritten {
        if let Value::Object(any) = self.any(MAX_LIST_LEVELS) {
            object.extend(any);
        }
        lone_choice(object)
    }
}

/// Returns whether a schema says nothing about the type of a value.
fn is_untyped(object: &Map<String, Value>) -> bool {
    !["type", "allOf", "enum", "not", "if", "properties"].iter().any(|key| object.contains_key(*key))
}

fn is_object(object: &Map<String, Value>) -> bool {
    object.get("type").and_then(Value::as_str) == Some("object")
}

/// Leaves a reference alone, since no other keyword can stand beside it. The author of a type with an anchor asked for
/// references, and its JSON type stands beside them.
fn bare_reference(mut object: Map<String, Value>) -> Rewritten {
    if object.contains_key("type") {
        return Rewritten { schema: object.into(), description: None };
    }
    let description = take_description(&mut object);
    let extensions = object.into_iter().filter(|(key, _)| key == "$ref" || key.starts_with("x-"));
    Rewritten { schema: Value::Object(extensions.collect_ordered()), description }
}

fn take_description(object: &mut Map<String, Value>) -> Option<String> {
    match object.remove("description") {
        Some(Value::String(text)) => Some(text),
        _ => None,
    }
}

/// Writes a choice so that `anyOf` stands alone: its branches take the keywords beside it.
fn lone_choice(mut object: Map<String, Value>) -> Rewritten {
    let Some(Value::Array(options)) = object.remove("anyOf") else {
        return Rewritten { schema: object.into(), description: None };
    };
    let description = take_description(&mut object);
    let mut notes = Map::new();
    for key in MOVED_ANNOTATIONS {
        let value = object.remove(key).filter(|value| !value.is_null() && key != "title");
        notes.extend(value.map(|value| (key.to_owned(), value)));
    }
    let extensions: Vec<String> =
        object.keys().filter(|key| key.starts_with("x-") || *key == "$anchor").cloned().collect();
    let mut outer: Map<String, Value> =
        extensions.into_iter().filter_map(|key| object.remove_entry(&key)).collect_ordered();
    let mut branches: Vec<Value> = Vec::new();
    for option in options {
        let inner = match option {
            Value::Object(mut inner) if inner.len() == 1 => match inner.remove("anyOf") {
                Some(Value::Array(inner)) => inner,
                _ => vec![inner.into()],
            },
            option => vec![option],
        };
        for branch in inner.into_iter().map(|branch| beside(&object, branch)) {
            if !branches.contains(&branch) {
                branches.push(branch);
            }
        }
    }
    let description = place(&mut branches, description, notes);
    match branches.as_mut_slice() {
        [Value::Object(only)] => outer.extend(std::mem::take(only)),
        _ => drop(outer.insert("anyOf".to_owned(), branches.into())),
    }
    Rewritten { schema: outer.into(), description }
}

/// Applies the constraints beside a choice to one of its branches.
fn beside(object: &Map<String, Value>, branch: Value) -> Value {
    let has_only_type = object.keys().all(|key| key == "type");
    match branch {
        Value::Object(branch) if object.is_empty() || (has_only_type && branch.contains_key("$ref")) => {
            branch.into()
        }
        Value::Object(branch) => merge(object.clone(), branch).into(),
        _ => Value::Object(object.clone()),
    }
}

/// Puts annotations into the first branch that has a place for them, and returns a description that has none.
fn place(branches: &mut [Value], description: Option<String>, notes: Map<String, Value>) -> Option<String> {
    let has_place = |branch: &&mut Value| {
        branch.get("$ref").is_none() && branch.get("type").is_none_or(|ty| ty != "null")
    };
    let Some(Value::Object(branch)) = branches.iter_mut().find(has_place) else { return description };
    for (key, value) in notes {
        branch.entry(key).or_insert(value);
    }
    if let Some(text) = description {
        let own = take_description(branch);
        let text = own.map_or_else(|| text.clone(), |own| format!("{text}\n{own}"));
        branch.insert("description".to_owned(), text.into());
    }
    None
}

/// Replaces `const` by `enum`, and numbers in an `enum` by their bounds and a sentence.
fn constants(object: &mut Map<String, Value>) {
    if let Some(value) = object.remove("const") {
        object.insert("enum".to_owned(), json!([value]));
    }
    let Some(Value::Array(values)) = object.get("enum") else { return };
    if values.iter().all(Value::is_string) {
        object.entry("type").or_insert_with(|| "string".into());
        return;
    }
    let values = values.clone();
    if !values.iter().all(Value::is_i64) {
        return;
    }
    let numbers = || values.iter().filter_map(Value::as_i64);
    object.remove("enum");
    object.insert("type".to_owned(), "integer".into());
    object.extend(numbers().min().map(|min| ("minimum".to_owned(), min.into())));
    object.extend(numbers().max().map(|max| ("maximum".to_owned(), max.into())));
    let listed = numbers().map(|number| number.to_string()).collect::<Vec<_>>().join(", ");
    describe(object, vec![format!("One of {listed}.")]);
}

/// Replaces `not` by a sentence: an integer that is not zero has it.
fn inequality(object: &mut Map<String, Value>) {
    if let Some(not) = object.remove("not")
        && let Some(Value::Array(values)) = not.get("enum")
        && let [value] = values.as_slice()
    {
        describe(object, vec![format!("Not {value}.")]);
    }
}

/// Replaces `"type": ["string", "null"]` by a choice, in which each part has the keywords of its type.
fn choice_of_types(object: &mut Map<String, Value>) {
    let Some(Value::Array(types)) = object.get("type") else { return };
    let types = types.clone();
    object.remove("type");
    let mut outer = Map::new();
    for key in ["description"].into_iter().chain(MOVED_ANNOTATIONS) {
        outer.extend(object.remove_entry(key));
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
    *object = outer;
}

/// The name of a schema in a list of items.
fn name_of(schema: &Value) -> String {
    if let Some(name) = schema.as_object().and_then(reference) {
        return name;
    }
    let ty = |schema: &Value| schema.get("type").and_then(Value::as_str).map(str::to_owned);
    match (ty(schema), schema.get("anyOf").and_then(Value::as_array)) {
        (Some(ty), _) => ty,
        (None, Some(options)) => options.iter().filter_map(ty).collect::<Vec<_>>().join(" or "),
        (None, None) => "value".to_owned(),
    }
}
