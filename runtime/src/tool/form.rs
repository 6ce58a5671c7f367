//! Writes the schema of a form from a type: plain fields, as clients show them (MCP, elicitation).

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use crate::ordered::CollectOrdered as _;

/// The key of the form of a type.
pub(crate) fn form_key<T: JsonSchema>() -> String {
    T::schema_name().into_owned()
}

/// The schema of a form: plain fields, as clients show them (MCP, elicitation).
pub(crate) fn form_schema<T: JsonSchema>() -> Value {
    let mut settings = SchemaSettings::draft2020_12();
    settings.meta_schema = None;
    settings.inline_subschemas = true;
    let schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    let fields = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    let fields: Map<String, Value> =
        fields.map(|(name, field)| (name.clone(), form_field(field))).collect_ordered();
    let mut form = json!({"type": "object", "properties": fields});
    if let Some(required) = schema.get("required") {
        form["required"] = required.clone();
    }
    form
}

/// The keywords of a form's field.
const FIELD_KEYWORDS: [&str; 9] =
    ["type", "title", "description", "default", "enum", "minLength", "maxLength", "minimum", "maximum"];
/// The formats of a form's field.
const FIELD_FORMATS: [&str; 4] = ["date", "date-time", "email", "uri"];

/// Rewrites the schema of a field as the keywords that clients know. A type that is not plain keeps its own keywords, and
/// the question is refused.
fn form_field(schema: &Value) -> Value {
    let is_null = |schema: &&Value| schema.get("type").is_some_and(|ty| ty == "null");
    let mut field = schema.clone();
    if let Some(options) = schema.get("anyOf").and_then(Value::as_array)
        && let [option] = options.iter().filter(|option| !is_null(option)).collect::<Vec<_>>().as_slice()
    {
        field = form_field(option);
        if let (Some(description), Some(field)) = (schema.get("description"), field.as_object_mut()) {
            field.insert("description".to_owned(), description.clone());
        }
        return field;
    }
    if let Some(choices) = choices(schema) {
        field = json!({"type": "string", "enum": choices, "description": schema.get("description")});
    }
    let Some(object) = field.as_object_mut() else { return field };
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|ty| ty != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            object.insert("type".to_owned(), only);
        }
    }
    let is_plain = object
        .get("type")
        .and_then(Value::as_str)
        .is_some_and(|ty| ["string", "number", "integer", "boolean"].contains(&ty));
    if is_plain {
        let is_format = |value: &Value| value.as_str().is_some_and(|format| FIELD_FORMATS.contains(&format));
        object.retain(|key, value| {
            !value.is_null()
                && (FIELD_KEYWORDS.contains(&key.as_str()) || (key == "format" && is_format(value)))
        });
    }
    field
}

/// The constants of an enum without data, some of which have a description of their own.
fn choices(schema: &Value) -> Option<Vec<&Value>> {
    let mut choices = Vec::new();
    for option in schema.get("oneOf")?.as_array()? {
        match (option.get("const"), option.get("enum").and_then(Value::as_array)) {
            (Some(constant), _) => choices.push(constant),
            (None, Some(constants)) => choices.extend(constants),
            (None, None) => return None,
        }
    }
    choices.iter().all(|choice| choice.is_string()).then_some(choices)
}

/// The type of the form in the tests of forms and of questions.
#[cfg(test)]
pub(super) mod example {
    use schemars::JsonSchema;

    #[derive(Debug, PartialEq, serde::Deserialize, JsonSchema)]
    #[serde(rename_all = "lowercase")]
    pub(in crate::tool) enum Size {
        /// Up to ten.
        Small,
        Large,
    }

    /// A person.
    #[derive(Debug, PartialEq, serde::Deserialize, JsonSchema)]
    pub(in crate::tool) struct Person {
        /// Your name.
        #[schemars(length(min = 1, max = 40))]
        pub(in crate::tool) name: String,
        pub(in crate::tool) age: Option<u8>,
        /// The size.
        pub(in crate::tool) size: Option<Size>,
        #[serde(default)]
        pub(in crate::tool) news: bool,
    }
}

#[cfg(test)]
mod tests {
    use super::{example::Person, *};

    #[test]
    fn typed_forms_have_plain_fields() {
        let expected = json!({
            "type": "object",
            "properties": {
                "name": {"type": "string", "description": "Your name.", "minLength": 1, "maxLength": 40},
                "age": {"type": "integer", "minimum": 0, "maximum": 255},
                "size": {"type": "string", "enum": ["large", "small"], "description": "The size."},
                "news": {"type": "boolean", "default": false},
            },
            "required": ["name"],
        });
        assert_eq!(form_schema::<Person>(), expected);
        assert_eq!(form_key::<Person>(), "Person");
    }
}
