//! Resolves `$ref` to a part of the same schema, compiled once and asked once about each part of a value.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, OnceLock, Weak},
};

use serde_json::{Map, Value};

use super::Checker;
use crate::message::Message;

/// The target of a reference. The root of the schema owns it.
#[derive(Clone, Debug)]
pub(super) struct Target(Weak<OnceLock<Checker>>);

thread_local! {
    /// The verdict of each target on each value, while the outermost reference is checked.
    static VERDICTS: RefCell<Option<HashMap<(usize, usize), bool>>> = const { RefCell::new(None) };
}

impl Target {
    /// Returns whether `value` fits. A recursive schema with a choice asks the same of the same value again and again,
    /// twice as often with each level, so each verdict is remembered.
    pub(super) fn accepts(&self, value: &Value) -> bool {
        let target = self.0.upgrade();
        let Some(check) = target.as_ref().and_then(|target| target.get()) else { return false };
        // A scalar is cheap to check again, and may be a temporary whose address is soon another value's.
        if !value.is_array() && !value.is_object() {
            return check.accepts(value);
        }
        let question = (std::ptr::from_ref(check) as usize, std::ptr::from_ref(value) as usize);
        match VERDICTS
            .with_borrow(|verdicts| verdicts.as_ref().map(|verdicts| verdicts.get(&question).copied()))
        {
            Some(Some(verdict)) => verdict,
            Some(None) => {
                let fits = check.accepts(value);
                VERDICTS.with_borrow_mut(|verdicts| {
                    verdicts.as_mut().map(|verdicts| verdicts.insert(question, fits))
                });
                fits
            }
            None => {
                let _outermost = Outermost::new();
                check.accepts(value)
            }
        }
    }

    /// Returns the compiled target.
    pub(super) fn get(&self) -> Option<Arc<OnceLock<Checker>>> {
        self.0.upgrade()
    }
}

/// Marks that the outermost reference is being checked: until it is dropped, no value moves.
struct Outermost;

impl Outermost {
    fn new() -> Self {
        VERDICTS.set(Some(HashMap::new()));
        Self
    }
}

impl Drop for Outermost {
    fn drop(&mut self) {
        VERDICTS.set(None);
    }
}

/// The targets of all references of one schema.
pub(super) struct Targets<'a> {
    root: &'a Value,
    anchors: BTreeMap<&'a str, &'a Value>,
    /// Whether a part of the schema has an `$id`: references below it would start there.
    has_id: bool,
    compiled: BTreeMap<String, Arc<OnceLock<Checker>>>,
    /// The target that is being compiled, as long as its keywords are about the value that it is asked about.
    at: Option<String>,
    /// For each target, the targets that it asks about the same value.
    asks: BTreeMap<String, BTreeSet<String>>,
}

impl<'a> Targets<'a> {
    pub(super) fn of(root: &'a Value) -> Result<Self, Message> {
        let mut targets = Self {
            root,
            anchors: BTreeMap::new(),
            has_id: false,
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

    /// Finds the anchors below `value`, which stands under `key`.
    fn collect(&mut self, key: &str, value: &'a Value) -> Result<(), Message> {
        match (key, value) {
            // Values, not schemas.
            ("enum" | "const" | "default" | "examples", _) => Ok(()),
            ("properties" | "patternProperties" | "$defs", Value::Object(children)) => {
                children.values().try_for_each(|child| self.collect("", child))
            }
            (_, Value::Object(object)) => {
                self.has_id |= object.get("$id").is_some_and(Value::is_string);
                self.name(Some(object), value)?;
                object.iter().try_for_each(|(key, child)| self.collect(key, child))
            }
            (_, Value::Array(children)) => children.iter().try_for_each(|child| self.collect("", child)),
            _ => Ok(()),
        }
    }

    fn name(&mut self, object: Option<&'a Map<String, Value>>, schema: &'a Value) -> Result<(), Message> {
        let Some(name) = object.and_then(|object| object.get("$anchor")?.as_str()) else { return Ok(()) };
        match self.anchors.insert(name, schema) {
            None => Ok(()),
            Some(_) => Err(Message::new(format!("two of its schemas have the `$anchor` `{name}`"))),
        }
    }

    /// Turns from the value that is asked about to a part of it.
    pub(super) fn leave(&mut self) -> Option<String> {
        self.enter(None)
    }

    pub(super) fn enter(&mut self, at: Option<String>) -> Option<String> {
        std::mem::replace(&mut self.at, at)
    }

    /// Returns the target of `reference` if an earlier reference points to it.
    pub(super) fn get(&mut self, reference: &str) -> Option<Target> {
        if let Some(at) = &self.at {
            self.asks.entry(at.clone()).or_default().insert(reference.to_owned());
        }
        self.compiled.get(reference).map(|target| Target(Arc::downgrade(target)))
    }

    /// Adds a target, and returns it with its schema.
    pub(super) fn add(&mut self, reference: &str) -> Result<(Target, &'a Value), Message> {
        if self.has_id {
            return Err(Message::new("its schema has `$ref` together with `$id`, which is not followed"));
        }
        let schema = match reference.strip_prefix('#') {
            Some(pointer) if pointer.is_empty() || pointer.starts_with('/') => self.root.pointer(pointer),
            Some(anchor) => self.anchors.get(anchor).copied(),
            None => None,
        };
        let schema = schema.filter(|schema| schema.is_object() || schema.is_boolean());
        let schema = schema.ok_or_else(|| {
            Message::new(format!("`$ref` of its schema points to `{reference}`, which is not a schema"))
        })?;
        let target = self.compiled.entry(reference.to_owned()).or_default();
        Ok((Target(Arc::downgrade(target)), schema))
    }

    pub(super) fn set(&mut self, reference: &str, check: Checker) {
        if let Some(target) = self.compiled.get(reference) {
            // `add` comes first, and each reference is added once.
            let _ = target.set(check);
        }
    }

    /// Returns all targets, if none of them asks itself about the same value again.
    pub(super) fn finish(self) -> Result<Vec<Arc<OnceLock<Checker>>>, Message> {
        let endless = self.asks.keys().find(|target| self.asks_itself(target)).cloned();
        match endless {
            Some(target) => {
                let fact =
                    format!("`$ref` of its schema points to `{target}`, which points back without end");
                Err(Message::new(fact))
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
