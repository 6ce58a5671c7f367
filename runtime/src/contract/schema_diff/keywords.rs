//! Compares the keywords of two schemas that are not choices.

use serde_json::Value;

use super::{Aspect, Flow, Keywords, SchemaDiff, Shift, values, vocabulary};
use crate::contract::change::rule;

/// Formats of which none has a value in common with another.
const DISJOINT_FORMATS: [&str; 9] =
    ["date", "date-time", "time", "duration", "uuid", "email", "ipv4", "ipv6", "uri"];

impl SchemaDiff<'_> {
    pub(super) fn keywords(&mut self, base: &Keywords, head: &Keywords, place: &str) {
        self.texts(base, head, place);
        if !self.types(base, head, place) {
            return;
        }
        self.values_beside_types(base, head, place);
        self.ranges(base, head, place);
        self.constraints(base, head, place);
        self.object(base, head, place);
        self.list(base, head, place);
        self.all_of(base, head, place);
        self.other_keywords(base, head, place);
    }

    /// Compares texts and defaults.
    pub(super) fn texts(&mut self, base: &Keywords, head: &Keywords, place: &str) {
        for (key, rule) in [
            ("title", &rule::TITLE_CHANGED),
            ("description", &rule::DESCRIPTION_CHANGED),
            ("examples", &rule::EXAMPLES_CHANGED),
            ("deprecated", &rule::FIELD_DEPRECATED),
            (
                "default",
                match self.flow {
                    Flow::Input => &rule::INPUT_DEFAULT_CHANGED,
                    Flow::Output => &rule::OUTPUT_DEFAULT_CHANGED,
                },
            ),
        ] {
            let (before, after) = (base.get(key), head.get(key));
            if before != after {
                let (before, after) = (before.unwrap_or(&Value::Null), after.unwrap_or(&Value::Null));
                self.changes.add(rule, place, before, after);
            }
        }
    }

    /// Compares a list of values with a schema that has none.
    fn values_beside_types(&mut self, base: &Keywords, head: &Keywords, place: &str) {
        let listed = |root: &Value, keywords: &Keywords| values::of(root, keywords).is_some();
        let shift = match (listed(self.base, base), listed(self.head, head)) {
            (true, false) => Shift::Widened,
            (false, true) => Shift::Narrowed,
            _ => return,
        };
        let list =
            |keywords: &Keywords| keywords.get("enum").or(keywords.get("const")).cloned().unwrap_or_default();
        self.report(Aspect::Constraint, shift, place, &list(base), &list(head));
    }

    fn constraints(&mut self, base: &Keywords, head: &Keywords, place: &str) {
        for keyword in ["pattern", "format", "multipleOf", "uniqueItems", "not"] {
            let is_set = |keywords: &Keywords| {
                keywords.get(keyword).filter(|value| **value != Value::Bool(false)).cloned()
            };
            let (before, after) = (is_set(base), is_set(head));
            let (before, after) = (before.unwrap_or_default(), after.unwrap_or_default());
            if before == after {
                continue;
            }
            let place = format!("{place}.{keyword}");
            match (&before, &after) {
                (Value::Null, _) => self.report(Aspect::Constraint, Shift::Narrowed, &place, &before, &after),
                (_, Value::Null) => self.report(Aspect::Constraint, Shift::Widened, &place, &before, &after),
                _ => match shift_of(keyword, &before, &after) {
                    Some(shift) => self.report(Aspect::Constraint, shift, &place, &before, &after),
                    None if keyword == "not" && self.same(&before, &after) => {}
                    None => self.undecided(&place, &before, &after),
                },
            }
        }
    }

    /// Compares the items of lists: those at fixed places, and all others.
    fn list(&mut self, base: &Keywords, head: &Keywords, place: &str) {
        let fixed = |keywords: &Keywords| {
            keywords.get("prefixItems").and_then(Value::as_array).cloned().unwrap_or_default()
        };
        let rest = |keywords: &Keywords| keywords.get("items").cloned().unwrap_or(Value::Bool(true));
        let (before, after) = (fixed(base), fixed(head));
        let (rest_before, rest_after) = (rest(base), rest(head));
        for at in 0..before.len().max(after.len()) {
            let place = format!("{place}[{at}]");
            self.node(before.get(at).unwrap_or(&rest_before), after.get(at).unwrap_or(&rest_after), &place);
        }
        if base.contains_key("items") || head.contains_key("items") {
            self.node(&rest_before, &rest_after, &format!("{place}[]"));
        }
    }

    /// Compares the parts of `allOf`: each further part is a further constraint.
    fn all_of(&mut self, base: &Keywords, head: &Keywords, place: &str) {
        let parts = |keywords: &Keywords| {
            keywords.get("allOf").and_then(Value::as_array).cloned().unwrap_or_default()
        };
        let (mut before, mut after) = (parts(base), parts(head));
        before.retain(|part| match after.iter().position(|other| self.same(part, other)) {
            Some(at) => {
                after.remove(at);
                false
            }
            None => true,
        });
        let place = format!("{place}.allOf");
        if let ([one], [other]) = (before.as_slice(), after.as_slice()) {
            return self.node(one, other, &place);
        }
        for part in before {
            self.report(Aspect::Constraint, Shift::Widened, &place, &part, &Value::Null);
        }
        for part in after {
            self.report(Aspect::Constraint, Shift::Narrowed, &place, &Value::Null, &part);
        }
    }

    /// Reports changes of keywords that no rule knows.
    fn other_keywords(&mut self, base: &Keywords, head: &Keywords, place: &str) {
        let added = head.keys().filter(|key| !base.contains_key(*key));
        for key in base.keys().chain(added).filter(|key| !vocabulary::is_compared(key)) {
            let (before, after) = (base.get(key), head.get(key));
            let same = match (before, after) {
                (Some(before), Some(after)) => before == after || self.same_part(key, before, after),
                _ => false,
            };
            if !same {
                let (before, after) = (before.unwrap_or(&Value::Null), after.unwrap_or(&Value::Null));
                self.undecided(&format!("{place}.{key}"), before, after);
            }
        }
    }

    /// Whether the schemas under a keyword that no rule knows are the same.
    fn same_part(&mut self, key: &str, base: &Value, head: &Value) -> bool {
        ["if", "then", "else", "contains", "unevaluatedProperties", "unevaluatedItems"].contains(&key)
            && self.same(base, head)
    }
}

/// The shift from one constraint to another, where it can be decided.
fn shift_of(keyword: &str, before: &Value, after: &Value) -> Option<Shift> {
    match keyword {
        "multipleOf" => {
            let (before, after) = (before.as_u64()?, after.as_u64()?);
            match (after.checked_rem(before)?, before.checked_rem(after)?) {
                (0, _) => Some(Shift::Narrowed),
                (_, 0) => Some(Shift::Widened),
                _ => Some(Shift::Replaced),
            }
        }
        "format" => {
            let is_known =
                |format: &Value| format.as_str().is_some_and(|format| DISJOINT_FORMATS.contains(&format));
            (is_known(before) && is_known(after)).then_some(Shift::Replaced)
        }
        _ => None,
    }
}
