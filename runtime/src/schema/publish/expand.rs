//! Resolves the references between types: inlines a type, or keeps the reference and collects its target.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::types::{ROOT, TypeSchemas, for_each_part, reference, references};

/// The number of levels of a recursive type that are inlined.
const MAX_RECURSION_LEVELS: usize = 2;
/// The size of a type that is checked by reference, even if it does not hold itself.
const MAX_CHECKED_INLINE_SIZE: usize = 256;
/// The size of a list entry with all types inlined. Beyond it, types that occur several times become references.
const MAX_LISTED_INLINE_SIZE: usize = 200;
/// The size of a type that is inlined wherever it occurs.
const SMALL_SIZE: usize = 4;

/// The references that remain.
enum Kept<'a> {
    /// References to recursive and to large types: exact at any depth, for checking.
    Exact,
    /// No reference: of a recursive type, two levels are inlined.
    None { left: usize },
    /// References to recursive types, and to types that occur several times.
    Repeated { uses: &'a BTreeMap<String, usize> },
}

/// Schemas without the references that were to be resolved, and the targets of the others.
pub(super) struct Expanded {
    pub(super) schemas: Vec<Value>,
    pub(super) targets: Map<String, Value>,
}

/// Resolves references so that every value is checked as its type reads it, at any depth.
pub(super) fn exact(types: &TypeSchemas, schemas: &[Value]) -> Expanded {
    let mut expansion = Expansion { types, kept: Kept::Exact, path: Vec::new(), targets: Map::new() };
    expansion.all(schemas).unwrap_or_else(|| unreachable!("no budget"))
}

/// Resolves references for a list of tools. Many clients take no reference, so that types are inlined as long as the
/// schemas stay small.
pub(super) fn listed(types: &TypeSchemas, schemas: &[Value]) -> Expanded {
    let kept = Kept::None { left: MAX_LISTED_INLINE_SIZE };
    let mut expansion = Expansion { types, kept, path: Vec::new(), targets: Map::new() };
    expansion.all(schemas).unwrap_or_else(|| {
        let uses = uses(types, schemas);
        let kept = Kept::Repeated { uses: &uses };
        let mut expansion = Expansion { types, kept, path: Vec::new(), targets: Map::new() };
        expansion.all(schemas).unwrap_or_else(|| unreachable!("no budget"))
    })
}

/// Counts the references to each type.
fn uses(types: &TypeSchemas, schemas: &[Value]) -> BTreeMap<String, usize> {
    let mut uses = BTreeMap::new();
    for schema in schemas.iter().chain(types.definitions.values()) {
        references(schema, &mut |name| *uses.entry(name).or_default() += 1);
    }
    uses
}

/// Schemas that are being expanded.
struct Expansion<'a> {
    types: &'a TypeSchemas,
    kept: Kept<'a>,
    /// The types that are being inlined, outermost first.
    path: Vec<String>,
    targets: Map<String, Value>,
}

impl Expansion<'_> {
    /// Returns `None` if the schemas become too large.
    fn all(&mut self, schemas: &[Value]) -> Option<Expanded> {
        let schemas = schemas.iter().map(|schema| self.root(schema)).collect::<Option<_>>()?;
        Some(Expanded { schemas, targets: std::mem::take(&mut self.targets) })
    }

    /// Expands the schema of a parameter or a result. Its own type is the first level of a recursive type.
    fn root(&mut self, schema: &Value) -> Option<Value> {
        self.path = schema.get(ROOT).and_then(Value::as_str).map(str::to_owned).into_iter().collect();
        let mut schema = self.node(schema)?;
        if let Value::Object(object) = &mut schema {
            object.remove(ROOT);
        }
        Some(schema)
    }

    fn node(&mut self, schema: &Value) -> Option<Value> {
        match schema {
            Value::Object(object) => self.object(object),
            other => Some(other.clone()),
        }
    }

    fn object(&mut self, object: &Map<String, Value>) -> Option<Value> {
        if let Kept::None { left } = &mut self.kept {
            *left = left.checked_sub(1)?;
        }
        if let Some(name) = reference(object) {
            return self.referred(&name, object);
        }
        let mut expanded = object.clone();
        let mut fits = true;
        for_each_part(&mut expanded, |_, part| match self.node(part) {
            Some(node) => *part = node,
            None => fits = false,
        });
        fits.then(|| expanded.into())
    }

    fn referred(&mut self, name: &str, object: &Map<String, Value>) -> Option<Value> {
        let types = self.types;
        let Some(target) = types.definitions.get(name) else { return Some(Value::Bool(true)) };
        if self.keeps(name) {
            return self.reference_to(name, target, object);
        }
        let mut inlined = if self.is_deep_enough(name) {
            further(name, target)
        } else {
            self.path.push(name.to_owned());
            let inlined = self.node(target);
            self.path.pop();
            inlined?
        };
        if let Value::Object(inlined) = &mut inlined {
            inlined.extend(annotations(object));
        }
        Some(inlined)
    }

    fn keeps(&self, name: &str) -> bool {
        let types = self.types;
        types.has_anchor(name)
            || match &self.kept {
                Kept::Exact => types.is_recursive(name) || types.size(name) > MAX_CHECKED_INLINE_SIZE,
                Kept::None { .. } => false,
                Kept::Repeated { uses } => {
                    let is_repeated = uses.get(name).is_some_and(|uses| *uses > 1);
                    types.is_recursive(name) || (is_repeated && types.size(name) > SMALL_SIZE)
                }
            }
    }

    fn is_deep_enough(&self, name: &str) -> bool {
        self.path.iter().filter(|outer| *outer == name).count() >= MAX_RECURSION_LEVELS
    }

    /// Keeps a reference, and expands its target once. The JSON type of a type with an anchor stands beside it, for
    /// clients that do not resolve references.
    fn reference_to(&mut self, name: &str, target: &Value, object: &Map<String, Value>) -> Option<Value> {
        if !self.targets.contains_key(name) {
            // The type may refer to itself.
            self.targets.insert(name.to_owned(), Value::Null);
            let outside = std::mem::take(&mut self.path);
            let mut target = self.node(target)?;
            self.path = outside;
            object_at_root(&mut target);
            self.targets.insert(name.to_owned(), target);
        }
        let pointer = name.replace('~', "~0").replace('/', "~1");
        let mut reference = Map::new();
        reference.insert("$ref".to_owned(), format!("#/$defs/{pointer}").into());
        if self.types.has_anchor(name) {
            let mut target = target.clone();
            object_at_root(&mut target);
            reference.extend(target.get("type").cloned().map(|ty| ("type".to_owned(), ty)));
        }
        reference.extend(annotations(object));
        Some(reference.into())
    }
}

/// The keywords beside a reference.
fn annotations(object: &Map<String, Value>) -> impl Iterator<Item = (String, Value)> {
    object.iter().filter(|(key, _)| *key != "$ref").map(|(key, value)| (key.clone(), value.clone()))
}

/// Stands for a recursive type below the levels that are inlined: any value of its JSON type.
fn further(name: &str, target: &Value) -> Value {
    let mut target = target.clone();
    object_at_root(&mut target);
    match target.get("type").and_then(Value::as_str) {
        Some(ty) => json!({"type": ty, "description": format!("A further `{name}`.")}),
        None => Value::Bool(true),
    }
}

/// Adds `"type": "object"` to a choice between objects: the schema of a tagged enum has it in each branch only.
pub(super) fn object_at_root(root: &mut Value) {
    let Value::Object(root) = root else { return };
    if root.contains_key("type") {
        return;
    }
    let branches = root.get("oneOf").or_else(|| root.get("anyOf")).and_then(Value::as_array);
    if branches
        .is_some_and(|all| all.iter().all(|one| one.get("type").and_then(Value::as_str) == Some("object")))
    {
        root.insert("type".to_owned(), "object".into());
    }
}
