//! Compares the fields of objects.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{Aspect, Flow, Keywords, SchemaDiff, Shift};
use crate::{contract::change::rule, ordered::CollectOrdered as _};

impl SchemaDiff<'_> {
    pub(super) fn object(&mut self, base: &Keywords, head: &Keywords, place: &str) {
        let none = Map::new();
        let (before, after) = (members(base, "properties", &none), members(head, "properties", &none));
        let (needed_before, needed_after) = (required(base), required(head));
        for (name, schema) in before {
            let place = inside(place, name);
            match after.get(name) {
                None => self.property_removed(&place, schema),
                Some(other) => {
                    self.node(schema, other, &place);
                    let needed =
                        (needed_before.contains(name.as_str()), needed_after.contains(name.as_str()));
                    self.need_changed(needed, &place);
                }
            }
        }
        for (name, schema) in after.iter().filter(|(name, _)| !before.contains_key(*name)) {
            self.property_added(&inside(place, name), schema, needed_after.contains(name.as_str()));
        }
        // A name can be required without a schema of its own.
        let is_bare = |name: &&&str| !before.contains_key(**name) && !after.contains_key(**name);
        for name in needed_before.symmetric_difference(&needed_after).filter(is_bare) {
            let needed = (needed_before.contains(name), needed_after.contains(name));
            self.need_changed(needed, &inside(place, name));
        }
        self.further_fields(base, head, place);
        self.dependent_fields(base, head, place);
        self.part_or_anything(base, head, "propertyNames", place);
        self.pattern_properties(base, head, place);
    }

    fn property_removed(&mut self, place: &str, schema: &Value) {
        let rule = match self.flow {
            Flow::Input => &rule::INPUT_PROPERTY_REMOVED,
            Flow::Output => &rule::OUTPUT_PROPERTY_REMOVED,
        };
        self.changes.add_detailed(rule, place, String::new(), schema, &Value::Null);
    }

    fn property_added(&mut self, place: &str, schema: &Value, is_required: bool) {
        let rule = match (self.flow, is_required) {
            (Flow::Input, true) => &rule::INPUT_REQUIRED_ADDED,
            (Flow::Input, false) => &rule::INPUT_PROPERTY_ADDED,
            (Flow::Output, _) => &rule::OUTPUT_PROPERTY_ADDED,
        };
        self.changes.add_detailed(rule, place, String::new(), &Value::Null, schema);
    }

    fn need_changed(&mut self, (before, after): (bool, bool), place: &str) {
        if before == after {
            return;
        }
        let rule = match (self.flow, after) {
            (Flow::Input, true) => &rule::INPUT_REQUIRED_ADDED,
            (Flow::Input, false) => &rule::INPUT_REQUIRED_REMOVED,
            (Flow::Output, true) => &rule::OUTPUT_PROPERTY_REQUIRED,
            (Flow::Output, false) => &rule::OUTPUT_PROPERTY_OPTIONAL,
        };
        self.changes.add_detailed(rule, place, String::new(), &before.into(), &after.into());
    }

    /// Compares `additionalProperties`: a flag, or the schema of each further field.
    fn further_fields(&mut self, base: &Keywords, head: &Keywords, place: &str) {
        let of =
            |keywords: &Keywords| keywords.get("additionalProperties").cloned().unwrap_or(Value::Bool(true));
        let (before, after) = (of(base), of(head));
        let place = format!("{place}.*");
        match (&before, &after) {
            (Value::Bool(false), Value::Bool(false)) | (Value::Bool(true), Value::Bool(true)) => {}
            (Value::Bool(false), _) => {
                self.report(Aspect::FurtherFields, Shift::Widened, &place, &before, &after);
            }
            (_, Value::Bool(false)) => {
                self.report(Aspect::FurtherFields, Shift::Narrowed, &place, &before, &after);
            }
            _ => self.node(&before, &after, &place),
        }
    }

    fn dependent_fields(&mut self, base: &Keywords, head: &Keywords, place: &str) {
        let pairs = |keywords: &Keywords| -> BTreeSet<(String, String)> {
            let rules = keywords.get("dependentRequired").and_then(Value::as_object);
            let rules = rules.into_iter().flatten().flat_map(|(name, needed)| {
                let needed = needed.as_array().into_iter().flatten().filter_map(Value::as_str);
                needed.map(|needed| (name.clone(), needed.to_owned()))
            });
            rules.collect_ordered()
        };
        let (before, after) = (pairs(base), pairs(head));
        for (name, needed) in after.difference(&before) {
            let place = inside(place, name);
            self.report(Aspect::Constraint, Shift::Narrowed, &place, &Value::Null, &needed.as_str().into());
        }
        for (name, needed) in before.difference(&after) {
            let place = inside(place, name);
            self.report(Aspect::Constraint, Shift::Widened, &place, &needed.as_str().into(), &Value::Null);
        }
    }

    fn pattern_properties(&mut self, base: &Keywords, head: &Keywords, place: &str) {
        let none = Map::new();
        let (before, after) =
            (members(base, "patternProperties", &none), members(head, "patternProperties", &none));
        for (pattern, schema) in before {
            let place = format!("{place}./{pattern}/");
            match after.get(pattern) {
                Some(other) => self.node(schema, other, &place),
                None => self.undecided(&place, schema, &Value::Null),
            }
        }
        for (pattern, schema) in after.iter().filter(|(pattern, _)| !before.contains_key(*pattern)) {
            self.undecided(&format!("{place}./{pattern}/"), &Value::Null, schema);
        }
    }

    /// Compares a part that accepts anything if it is left out.
    pub(super) fn part_or_anything(&mut self, base: &Keywords, head: &Keywords, keyword: &str, place: &str) {
        let any = Value::Bool(true);
        let (before, after) = (base.get(keyword), head.get(keyword));
        if before.is_some() || after.is_some() {
            let place = format!("{place}.{keyword}");
            self.node(before.unwrap_or(&any), after.unwrap_or(&any), &place);
        }
    }
}

fn members<'a>(keywords: &'a Keywords, keyword: &str, none: &'a Keywords) -> &'a Keywords {
    keywords.get(keyword).and_then(Value::as_object).unwrap_or(none)
}

fn required(keywords: &Keywords) -> BTreeSet<&str> {
    let names = keywords.get("required").and_then(Value::as_array);
    names.into_iter().flatten().filter_map(Value::as_str).collect_ordered()
}

fn inside(place: &str, name: &str) -> String {
    format!("{place}.{name}")
}
