//! `$ref` → the part of the same schema that it points to: compiled once, and asked once about each part of a value.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, OnceLock, Weak},
};

use serde_json::{Map, Value};

use super::Check;

/// What a reference points to; the whole schema holds it.
#[derive(Clone, Debug)]
pub(in crate::schema) struct Target(Weak<OnceLock<Check>>);

thread_local! {
    /// What targets said of which values, while the outermost reference is looked at.
    static SAID: RefCell<Option<HashMap<(usize, usize), bool>>> = const { RefCell::new(None) };
}

impl Target {
    /// Whether `value` fits. A schema with a choice between parts that all hold it again asks the same of the same
    /// value over and over, twice as often with each level; so what was said is kept.
    pub(super) fn accepts(&self, value: &Value) -> bool {
        let held = self.0.upgrade();
        let Some(check) = held.as_ref().and_then(|held| held.get()) else { return false };
        // What holds no values asks nothing again, and may be a name that is gone by the next question.
        if !value.is_array() && !value.is_object() {
            return check.accepts(value);
        }
        let question = (std::ptr::from_ref(check) as usize, std::ptr::from_ref(value) as usize);
        match SAID.with_borrow(|said| said.as_ref().map(|said| said.get(&question).copied())) {
            Some(Some(said)) => said,
            Some(None) => {
                let fits = check.accepts(value);
                SAID.with_borrow_mut(|said| said.as_mut().map(|said| said.insert(question, fits)));
                fits
            }
            None => {
                let _outermost = Outermost::new();
                check.accepts(value)
            }
        }
    }

    /// What it is, for words about a value.
    pub(in crate::schema) fn with<T>(&self, look: impl FnOnce(&Check) -> T) -> Option<T> {
        self.0.upgrade().as_ref().and_then(|held| held.get()).map(look)
    }
}

/// As long as the outermost reference is looked at: the values stay where they are.
struct Outermost;

impl Outermost {
    fn new() -> Self {
        SAID.set(Some(HashMap::new()));
        Self
    }
}

impl Drop for Outermost {
    fn drop(&mut self) {
        SAID.set(None);
    }
}

/// What the references of one schema point to.
pub(super) struct Targets<'a> {
    root: &'a Value,
    anchors: BTreeMap<&'a str, &'a Value>,
    /// An `$id` somewhere inside: references below it would start there.
    embedded: bool,
    compiled: BTreeMap<String, Arc<OnceLock<Check>>>,
    /// The target that is being compiled, while its rules speak of the very value that it is asked about.
    at: Option<String>,
    /// Which targets ask which others about the same value.
    asks: BTreeMap<String, BTreeSet<String>>,
}

impl<'a> Targets<'a> {
    pub(super) fn of(root: &'a Value) -> Result<Self, String> {
        let mut targets = Self {
            root,
            anchors: BTreeMap::new(),
            embedded: false,
            compiled: BTreeMap::new(),
            at: Some("#".to_owned()),
            asks: BTreeMap::new(),
        };
        for (key, child) in root.as_object().into_iter().flatten() {
            targets.collect(key, child)?;
        }
        targets.name(root.as_object(), root)?;
        Ok(targets)
    }

    /// Finds the names below `value`, which stands under `key`.
    fn collect(&mut self, key: &str, value: &'a Value) -> Result<(), String> {
        match (key, value) {
            // Values, not schemas.
            ("enum" | "const" | "default" | "examples", _) => Ok(()),
            ("properties" | "patternProperties" | "$defs", Value::Object(children)) => {
                children.values().try_for_each(|child| self.collect("", child))
            }
            (_, Value::Object(object)) => {
                self.embedded |= object.get("$id").is_some_and(Value::is_string);
                self.name(Some(object), value)?;
                object.iter().try_for_each(|(key, child)| self.collect(key, child))
            }
            (_, Value::Array(children)) => children.iter().try_for_each(|child| self.collect("", child)),
            _ => Ok(()),
        }
    }

    fn name(&mut self, object: Option<&'a Map<String, Value>>, schema: &'a Value) -> Result<(), String> {
        let Some(name) = object.and_then(|object| object.get("$anchor")?.as_str()) else { return Ok(()) };
        match self.anchors.insert(name, schema) {
            None => Ok(()),
            Some(_) => Err(format!("two of its schemas have the `$anchor` `{name}`")),
        }
    }

    /// Leaves the value that is asked about for a part of it.
    pub(super) fn leave(&mut self) -> Option<String> {
        self.enter(None)
    }

    pub(super) fn enter(&mut self, at: Option<String>) -> Option<String> {
        std::mem::replace(&mut self.at, at)
    }

    /// The target of `reference`, where something pointed there before.
    pub(super) fn known(&mut self, reference: &str) -> Option<Target> {
        if let Some(at) = &self.at {
            self.asks.entry(at.clone()).or_default().insert(reference.to_owned());
        }
        self.compiled.get(reference).map(|held| Target(Arc::downgrade(held)))
    }

    /// A new target, and its schema.
    pub(super) fn add(&mut self, reference: &str) -> Result<(Target, &'a Value), String> {
        if self.embedded {
            return Err("stands in a schema with an `$id`, which is not followed".to_owned());
        }
        let schema = match reference.strip_prefix('#') {
            Some(pointer) if pointer.is_empty() || pointer.starts_with('/') => self.root.pointer(pointer),
            Some(anchor) => self.anchors.get(anchor).copied(),
            None => None,
        };
        let schema = schema.filter(|schema| schema.is_object() || schema.is_boolean());
        let schema = schema.ok_or_else(|| format!("points to `{reference}`, and no schema stands there"))?;
        let held = self.compiled.entry(reference.to_owned()).or_default();
        Ok((Target(Arc::downgrade(held)), schema))
    }

    pub(super) fn set(&mut self, reference: &str, check: Check) {
        if let Some(held) = self.compiled.get(reference) {
            // It is compiled once, right after it was added.
            let _ = held.set(check);
        }
    }

    /// All targets, where none asks itself about the same value, over and over.
    pub(super) fn finish(self) -> Result<Vec<Arc<OnceLock<Check>>>, String> {
        let endless = self.asks.keys().find(|target| self.asks_itself(target)).cloned();
        match endless {
            Some(target) => {
                Err(format!("`$ref` of its schema points to `{target}`, which points back without end"))
            }
            None => Ok(self.compiled.into_values().collect()),
        }
    }

    fn asks_itself(&self, target: &str) -> bool {
        let mut seen = BTreeSet::new();
        let mut next = vec![target];
        while let Some(at) = next.pop() {
            for asked in self.asks.get(at).into_iter().flatten() {
                if asked == target {
                    return true;
                }
                if seen.insert(asked) {
                    next.push(asked);
                }
            }
        }
        false
    }
}
