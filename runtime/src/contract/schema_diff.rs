//! Compares two schemas of a tool's arguments or result, and finds the changes with their direction: arguments may become
//! wider, and results narrower.

mod aspect;
mod choice;
mod keywords;
mod object;
mod range;
mod resolve;
mod types;
mod values;
mod vocabulary;

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::change::{Changes, rule};
pub(crate) use aspect::Flow;
use aspect::{Aspect, Shift};
use resolve::{reference_name, resolved};

/// The parts of schemas that are compared for one tool. Beyond it, the rest is undecided.
const MAX_COMPARED_PARTS: usize = 100_000;
/// The depth to which schemas are compared.
const MAX_COMPARED_DEPTH: usize = 100;

/// A schema without references.
type Keywords = Map<String, Value>;

/// A comparison of two schemas.
pub(crate) struct SchemaDiff<'a> {
    /// The roots, in which references are looked up.
    base: &'a Value,
    head: &'a Value,
    flow: Flow,
    changes: &'a mut Changes,
    /// The pairs of references that were compared: a recursive type is compared once.
    seen: BTreeSet<(String, String)>,
    left: usize,
    depth: usize,
}

/// Compares two schemas. `place` names the root in reports.
pub(crate) fn compare_schemas(base: &Value, head: &Value, flow: Flow, place: &str, changes: &mut Changes) {
    let seen = BTreeSet::new();
    let mut diff = SchemaDiff { base, head, flow, changes, seen, left: MAX_COMPARED_PARTS, depth: 0 };
    diff.node(base, head, place);
    if diff.left == 0 {
        diff.undecided(place, base, head);
    }
}

impl SchemaDiff<'_> {
    /// Compares two parts.
    fn node(&mut self, base: &Value, head: &Value, place: &str) {
        let Some(left) = self.left.checked_sub(1) else { return };
        self.left = left;
        if let (Some(before), Some(after)) = (reference_name(base), reference_name(head))
            && !self.seen.insert((before, after))
        {
            return self.texts_beside_references(base, head, place);
        }
        if self.depth == MAX_COMPARED_DEPTH {
            return self.undecided(place, base, head);
        }
        let (Some(before), Some(after)) = (resolved(self.base, base), resolved(self.head, head)) else {
            // A reference that leads out of the schema.
            if base != head {
                self.undecided(place, base, head);
            }
            return;
        };
        self.depth += 1;
        self.resolved(&before, &after, place);
        self.depth -= 1;
    }

    fn resolved(&mut self, base: &Keywords, head: &Keywords, place: &str) {
        let values = (values::of(self.base, base), values::of(self.head, head));
        if let (Some(before), Some(after)) = &values {
            self.listed_values(before, after, place);
            self.texts(base, head, place);
            return self.beside_values(base, head, place);
        }
        if vocabulary::branches(base).is_some() || vocabulary::branches(head).is_some() {
            return self.choices(base, head, place);
        }
        self.keywords(base, head, place);
    }

    /// Runs a comparison that reports nothing, and returns whether the parts are the same.
    fn same(&mut self, base: &Value, head: &Value) -> bool {
        if base == head && self.base == self.head {
            return true;
        }
        let mut changes = Changes::of(None);
        let mut diff = SchemaDiff {
            base: self.base,
            head: self.head,
            flow: self.flow,
            changes: &mut changes,
            seen: self.seen.clone(),
            left: self.left,
            depth: self.depth,
        };
        diff.node(base, head, "");
        self.left = diff.left;
        changes.list.is_empty()
    }

    /// Reports a change of what a part accepts.
    fn report(&mut self, aspect: Aspect, shift: Shift, place: &str, base: &Value, head: &Value) {
        self.changes.add(self.flow.rule(aspect, shift), place, base, head);
    }

    fn undecided(&mut self, place: &str, base: &Value, head: &Value) {
        let rule = match self.flow {
            Flow::Input => &rule::INPUT_UNDECIDED,
            Flow::Output => &rule::OUTPUT_UNDECIDED,
        };
        self.changes.add(rule, place, base, head);
    }

    /// Compares what stands beside two references whose targets were compared already.
    fn texts_beside_references(&mut self, base: &Value, head: &Value, place: &str) {
        if let (Value::Object(before), Value::Object(after)) = (base, head) {
            self.texts(before, after, place);
        }
    }
}
