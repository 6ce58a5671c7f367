//! Finds the fields of parameters' types that have no description, so that models must guess what they mean.

use serde_json::{Map, Value};

use super::types::{TypeSchemas, reference};

/// Lists the fields without a description as `Type.field`.
pub(super) fn undescribed_fields(types: &TypeSchemas) -> Vec<String> {
    let mut fields = Vec::new();
    for (name, schema) in &types.definitions {
        let mut finder = FieldFinder { types, name, fields: &mut fields };
        finder.schema(schema);
    }
    fields.sort_unstable();
    fields.dedup();
    fields
}

struct FieldFinder<'a> {
    types: &'a TypeSchemas,
    /// The name of the type.
    name: &'a str,
    fields: &'a mut Vec<String>,
}

impl FieldFinder<'_> {
    fn schema(&mut self, schema: &Value) {
        let Value::Object(object) = schema else { return };
        let branches = ["oneOf", "anyOf", "allOf"].into_iter().filter_map(|key| object.get(key)?.as_array());
        for branch in branches.flatten() {
            match only_property(branch) {
                // A variant that is named by its property is described itself.
                Some(content) => self.schema(content),
                None => self.schema(branch),
            }
        }
        for (field, schema) in object.get("properties").and_then(Value::as_object).into_iter().flatten() {
            if !self.is_described(schema) {
                self.fields.push(format!("{}.{field}", self.name));
            }
        }
    }

    /// Returns whether a field or its type has a description, or is the tag of a variant.
    fn is_described(&self, schema: &Value) -> bool {
        let Value::Object(object) = schema else { return false };
        let of_type = || {
            let target = self.types.definitions.get(&reference(object)?)?;
            target.get("description")
        };
        let options = || object.get("anyOf").and_then(Value::as_array).into_iter().flatten();
        object.contains_key("description")
            || object.contains_key("const")
            || of_type().is_some()
            || options().any(|option| self.is_described(option))
    }
}

/// The schema of the only property of a branch.
fn only_property(branch: &Value) -> Option<&Value> {
    let properties: &Map<String, Value> = branch.get("properties")?.as_object()?;
    properties.values().next().filter(|_| properties.len() == 1)
}
