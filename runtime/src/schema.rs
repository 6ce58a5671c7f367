//! Publishes the JSON Schemas of tools, and checks arguments and results against the same schemas.

mod check;
mod publish;

use serde_json::{Map, Value, json};

use self::publish::{Notes, Published};
use crate::{
    message::Message,
    tool::{args::Fault, descriptor::Descriptor},
};
pub use check::Checker;
pub(crate) use publish::SchemaForm;

/// The schema of a tool's arguments as clients read it, and the checker of the one that is enforced.
pub(crate) struct Input {
    pub(crate) schema: Map<String, Value>,
    /// The schema that is enforced, if it is not the one that clients read, without the rules between parameters.
    pub(crate) enforced: Option<Map<String, Value>>,
    checker: Checker,
    /// One line per parameter and rule, for the answer to a call whose arguments do not fit.
    usage: Vec<String>,
    /// The fields of the parameters' types that have no description, as `Type.field`.
    #[cfg_attr(not(feature = "cli"), expect(dead_code, reason = "`doctor` prints them"))]
    pub(crate) undescribed: Vec<String>,
}

impl Input {
    /// Publishes and compiles the schema of `descriptor`'s parameters.
    pub(crate) fn new(descriptor: &Descriptor, form: SchemaForm) -> Result<Self, Message> {
        let (Published { enforced, listed }, Notes { usage, undescribed }) =
            publish::input(descriptor, form)?;
        let checker = Checker::new(&enforced)?;
        let enforced = publish::without_rules(enforced);
        let enforced = (enforced != listed).then_some(enforced);
        Ok(Self { schema: listed, enforced, checker, usage, undescribed })
    }

    /// Publishes an optional string that is taken out of the arguments before they are checked.
    pub(crate) fn add_carrier(&mut self, name: &str, description: &str, example: &str) {
        let property = json!({"type": "string", "description": description, "examples": [example]});
        for schema in self.enforced.iter_mut().chain([&mut self.schema]) {
            let properties = schema.entry("properties").or_insert_with(|| json!({}));
            properties[name] = property.clone();
        }
        self.usage.push(format!("`{name}` (optional): {description}"));
    }

    /// Returns whether `arguments` fit. Every call runs this check.
    pub(crate) fn accepts(&self, arguments: &Value) -> bool {
        self.checker.accepts(arguments)
    }

    /// Lists everything that is wrong with `arguments`.
    pub(crate) fn faults(&self, descriptor: &Descriptor, arguments: &Value) -> Vec<Fault> {
        check::faults(descriptor, &self.checker, arguments)
    }

    pub(crate) fn usage(&self) -> &[String] {
        &self.usage
    }
}

/// The form in which a result reaches clients.
pub(crate) enum OutputShape {
    /// Content blocks, made by the handler.
    Content,
    /// No value: the answer is the text `done`.
    Unit,
    /// A string: one text block.
    Text,
    /// A value with a schema. Clients before 2026-07-28 accept objects only: if `object` is false, they receive
    /// `{"result": …}`.
    Structured { schema: Map<String, Value>, object: bool, checker: Checker },
}

impl OutputShape {
    /// Publishes and compiles the schema of `descriptor`'s result.
    pub(crate) fn new(descriptor: &Descriptor, form: SchemaForm) -> Result<Self, Message> {
        let published = publish::output(descriptor, form)?;
        let Some(Published { enforced, listed: schema }) = published else { return Ok(Self::Content) };
        match schema.get("type").and_then(Value::as_str) {
            Some("null") => Ok(Self::Unit),
            Some("string") if !schema.contains_key("enum") => Ok(Self::Text),
            ty => {
                let object = ty == Some("object");
                Ok(Self::Structured { schema, object, checker: Checker::new(&enforced)? })
            }
        }
    }

    fn listed(&self) -> Option<&Map<String, Value>> {
        match self {
            Self::Structured { schema, .. } => Some(schema),
            _ => None,
        }
    }

    /// Returns the published schema. If `wrapped`, a schema that is not an object's stands under a `result` key.
    pub(crate) fn schema(&self, wrapped: bool) -> Option<Map<String, Value>> {
        match self {
            Self::Structured { schema, object, .. } if *object || !wrapped => Some(schema.clone()),
            Self::Structured { schema, .. } => {
                let mut schema = schema.clone();
                // References start at the root, so their targets move to the new root.
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

/// Lists the places in a tool's schemas where an integer is beyond ±(2^53 − 1), so that JavaScript clients round it.
pub(crate) fn unsafe_integers(input: &Input, output: &OutputShape) -> Vec<String> {
    let mut places = Vec::new();
    for (name, schema) in [("inputSchema", Some(&input.schema)), ("outputSchema", output.listed())] {
        for (key, part) in schema.into_iter().flatten() {
            publish::unsafe_integers(part, &format!("{name}.{key}"), &mut places);
        }
    }
    places
}

/// Puts `value` under `result`, for clients before 2026-07-28.
pub(crate) fn wrap(value: Value) -> Value {
    let mut outer = Map::new();
    outer.insert("result".to_owned(), value);
    Value::Object(outer)
}
