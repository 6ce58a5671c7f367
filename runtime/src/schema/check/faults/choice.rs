//! Finds the alternative of a choice that a value was meant to be, so that its faults can be named.

use serde_json::{Map, Value};

use super::{
    Collector,
    alternative::{Alternative, tag},
    inside,
    words::{list, shapes, text_hint},
};
use crate::schema::check::{Checker, Types};

impl Collector<'_> {
    /// Describes a value that fits none of `forms`.
    pub(super) fn choice(&mut self, forms: &[Checker], value: &Value, place: &str) {
        let leaves = Alternative::leaves(forms);
        let all: Vec<&Checker> = leaves.iter().map(Alternative::check).collect();
        let (fitting, others): (Vec<&Checker>, Vec<&Checker>) =
            all.iter().partition(|form| form.types.hold(value));
        match (value, fitting.as_slice()) {
            (_, []) => {
                let types = all.iter().fold(Types::NONE, |types, form| types.or(form.types));
                self.add(place, "type", format!("is not {}{}", shapes(&all), text_hint(types, value)));
            }
            (Value::Object(object), forms) if self.tagged(forms, object, value, place) => {}
            (_, [form]) if others.iter().all(|form| form.only_property().is_none()) => {
                self.check(form, value, place);
            }
            (_, forms) => match self.closest(forms, value, place) {
                Some(form) => self.check(form, value, place),
                None => self.add(place, "anyOf", format!("is not {}", shapes(&all))),
            },
        }
    }

    /// Describes an object among the forms of a tagged enum; returns whether it is one.
    fn tagged(
        &mut self,
        forms: &[&Checker],
        object: &Map<String, Value>,
        value: &Value,
        place: &str,
    ) -> bool {
        if let Some(tag) = tag(forms) {
            let place_of_tag = inside(place, &tag.name);
            let Some(sent) = object.get(&tag.name) else {
                let words = format!("is missing; it is one of {}", list(&tag.values));
                self.add(&place_of_tag, "required", words);
                return true;
            };
            let has_tag = |form: &&&Checker| {
                form.members()
                    .and_then(|members| members.named(&tag.name))
                    .is_some_and(|tag| tag.accepts(sent))
            };
            match forms.iter().find(has_tag) {
                Some(form) => self.check(form, value, place),
                None => self.add(&place_of_tag, "enum", format!("is not one of {}", list(&tag.values))),
            }
            return true;
        }
        let names: Option<Vec<&str>> = forms.iter().map(|form| form.only_property()).collect();
        let Some(names) = names.filter(|names| names.len() > 1) else { return false };
        let form = names.iter().position(|name| object.len() == 1 && object.contains_key(*name));
        match form {
            Some(at) => self.check(forms[at], value, place),
            None => {
                let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
                let words = format!("must have exactly one of the fields {}", names.join(", "));
                self.add(place, "oneOf", words);
            }
        }
        true
    }

    /// Returns the form that an object misses by the fewest faults, if one is the closest. Inside of such a trial there
    /// are no others: a deep value would be tried once for each combination of forms.
    fn closest<'a>(&self, forms: &[&'a Checker], value: &Value, place: &str) -> Option<&'a Checker> {
        if self.is_trial || !value.is_object() {
            return None;
        }
        let faults = |form: &'a Checker| {
            let mut trial = Collector { descriptor: self.descriptor, faults: Vec::new(), is_trial: true };
            trial.check(form, value, place);
            (trial.faults.len(), form)
        };
        let mut trials: Vec<(usize, &Checker)> = forms.iter().map(|form| faults(form)).collect();
        trials.sort_by_key(|(faults, _)| *faults);
        match trials.as_slice() {
            [(least, form), (next, _), ..] if least < next => Some(form),
            _ => None,
        }
    }
}
