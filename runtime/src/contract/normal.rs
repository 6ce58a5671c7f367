//! Rewrites a schema so that a type by reference and the same type in place are equal.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// The size up to which references are resolved, in values. Types that refer to each other can otherwise grow without end.
const MAX_NORMAL_SIZE: usize = 20_000;

/// Resolves the references of a schema, except those of recursive types, and removes what only they need. A schema that
/// would become too large is left as it is.
pub(crate) fn schema(schema: &Value) -> Value {
    let Value::Object(root) = schema else { return schema.clone() };
    let mut form =
        NormalForm { root: schema, path: Vec::new(), recursive: BTreeSet::new(), left: MAX_NORMAL_SIZE };
    let mut outer = root.clone();
    outer.remove("$defs");
    outer.remove("$schema");
    let Some(Value::Object(mut normal)) = form.value(&outer.into()) else { return schema.clone() };
    if form.recursive.is_empty() {
        return normal.into();
    }
    // A recursive type may hold others.
    let mut definitions = Map::new();
    while let Some(name) = form.recursive.iter().find(|name| !definitions.contains_key(*name)).cloned() {
        form.path = vec![name.clone()];
        let Some(definition) = target(form.root, &name).and_then(|target| form.value(target)) else {
            return schema.clone();
        };
        definitions.insert(name, definition);
    }
    normal.insert("$defs".to_owned(), definitions.into());
    normal.into()
}

struct NormalForm<'a> {
    root: &'a Value,
    /// The types that are being written out, outermost first.
    path: Vec<String>,
    /// The types that stay references.
    recursive: BTreeSet<String>,
    left: usize,
}

impl NormalForm<'_> {
    /// Returns `None` if the schema becomes too large.
    fn value(&mut self, value: &Value) -> Option<Value> {
        self.left = self.left.checked_sub(1)?;
        match value {
            Value::Object(members) => self.object(members),
            Value::Array(values) => values.iter().map(|value| self.value(value)).collect(),
            other => Some(other.clone()),
        }
    }

    fn object(&mut self, members: &Map<String, Value>) -> Option<Value> {
        let name = members.get("$ref").and_then(Value::as_str).and_then(definition_name);
        let target = name.as_ref().and_then(|name| Some((name.clone(), target(self.root, name)?)));
        let mut normal = Map::new();
        if let Some((name, target)) = target {
            if self.path.contains(&name) || holds_itself(self.root, &name) {
                self.recursive.insert(name);
                normal.extend(members.get("$ref").map(|reference| ("$ref".to_owned(), reference.clone())));
            } else {
                self.path.push(name);
                let inlined = self.value(target)?;
                self.path.pop();
                match inlined {
                    Value::Object(inlined) => normal = inlined,
                    other => return Some(other),
                }
            }
        } else if let Some(reference) = members.get("$ref") {
            normal.insert("$ref".to_owned(), reference.clone());
        }
        for (key, value) in members.iter().filter(|(key, _)| *key != "$ref") {
            let mut value = self.value(value)?;
            if let ("required", Value::Array(names)) = (key.as_str(), &mut value) {
                names.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
            }
            normal.insert(key.clone(), value);
        }
        Some(normal.into())
    }
}

/// Returns the name of a definition at the root of the schema.
pub(crate) fn definition_name(reference: &str) -> Option<String> {
    let name = reference.strip_prefix("#/$defs/")?;
    (!name.contains('/')).then(|| name.replace("~1", "/").replace("~0", "~"))
}

/// Returns a definition at the root of the schema.
pub(crate) fn target<'a>(root: &'a Value, name: &str) -> Option<&'a Value> {
    root.get("$defs")?.get(name)
}

/// Whether a type holds itself, directly or through others.
fn holds_itself(root: &Value, name: &str) -> bool {
    let mut reached = BTreeSet::new();
    let mut open = vec![name.to_owned()];
    while let Some(outer) = open.pop() {
        let Some(target) = target(root, &outer) else { continue };
        let mut names = BTreeSet::new();
        names_in(target, &mut names);
        if names.contains(name) {
            return true;
        }
        open.extend(names.into_iter().filter(|inner| reached.insert(inner.clone())));
    }
    false
}

/// Collects the definitions that a schema refers to.
fn names_in(value: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            names.extend(members.get("$ref").and_then(Value::as_str).and_then(definition_name));
            members.values().for_each(|value| names_in(value, names));
        }
        Value::Array(values) => values.iter().for_each(|value| names_in(value, names)),
        _ => {}
    }
}
