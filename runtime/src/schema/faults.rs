//! What a value breaks of a schema → faults in words. The value itself is never among them.

use serde_json::{Map, Value};

use super::check::{Check, Members, Rest, Rule, Types, unevaluated};
use crate::{
    text,
    tool::{args::Fault, descriptor::Descriptor},
};

/// How many faults one answer lists.
const MOST: usize = 20;

/// What is wrong with `arguments` of a call of `descriptor`.
pub(super) fn faults(descriptor: &Descriptor, check: &Check, arguments: &Value) -> Vec<Fault> {
    let mut found = Found { descriptor, faults: Vec::new() };
    found.check(check, arguments, "");
    found.faults.dedup();
    found.faults.truncate(MOST);
    found.faults
}

struct Found<'a> {
    descriptor: &'a Descriptor,
    faults: Vec<Fault>,
}

impl Found<'_> {
    fn check(&mut self, check: &Check, value: &Value, place: &str) {
        if self.faults.len() > MOST || check.accepts(value) {
            return;
        }
        if !check.types.hold(value) {
            return self.add(place, "type", format!("is no {}", check.types.words()));
        }
        for rule in check.rules.iter().filter(|rule| !rule.accepts(value)) {
            self.rule(rule, value, place);
        }
    }

    fn rule(&mut self, rule: &Rule, value: &Value, place: &str) {
        match (rule, value) {
            (Rule::AllOf(all), value) => all.iter().for_each(|check| self.check(check, value, place)),
            (Rule::If { condition, then, otherwise }, value) => {
                self.check(if condition.accepts(value) { then } else { otherwise }, value, place);
            }
            (Rule::Items { first, rest }, Value::Array(items)) => self.items(first, rest, items, place),
            (Rule::Members(members), Value::Object(object)) => self.members(members, object, place),
            (Rule::Required(names), Value::Object(object)) => {
                for name in names.iter().filter(|name| !object.contains_key(*name)) {
                    self.add(&inside(place, name), "required", "is missing".to_owned());
                }
            }
            (Rule::DependentRequired(all), Value::Object(object)) => {
                for (name, needs) in all.iter().filter(|(name, _)| object.contains_key(name)) {
                    for need in needs.iter().filter(|need| !object.contains_key(*need)) {
                        let words = format!("is missing, and `{name}` needs it");
                        self.add(&inside(place, need), "dependentRequired", words);
                    }
                }
            }
            (Rule::Refers(target), value) => {
                target.with(|check| self.check(check, value, place));
            }
            (Rule::UnevaluatedProperties(reaches, check), Value::Object(object)) => {
                for (name, _) in
                    unevaluated(reaches, value, object).filter(|(_, value)| !check.accepts(value))
                {
                    self.unknown(name, "unevaluatedProperties", place);
                }
            }
            (Rule::OneOf(one), value) if one.iter().any(|check| check.accepts(value)) => {
                let words = match names(one) {
                    Some(names) => format!("holds more than one of {names}"),
                    None => "fits more than one of the forms its schema allows".to_owned(),
                };
                self.add(place, "oneOf", words);
            }
            (rule, _) => {
                let (keyword, words) = words(rule);
                self.add(place, keyword, words);
            }
        }
    }

    fn items(&mut self, first: &[Check], rest: &Rest, items: &[Value], place: &str) {
        for (at, item) in items.iter().enumerate() {
            let place = format!("{place}[{at}]");
            match (first.get(at), rest) {
                (Some(check), _) => self.check(check, item, &place),
                (None, Rest::Fits(check)) => self.check(check, item, &place),
                (None, Rest::Closed) => {
                    self.add(&place, "items", format!("is one more than {} items", first.len()));
                }
                (None, Rest::Open) => {}
            }
        }
    }

    fn members(&mut self, members: &Members, object: &Map<String, Value>, place: &str) {
        for (name, value) in object {
            let inner = inside(place, &text::shown(name));
            let named = members.named(name);
            let matching: Vec<&Check> = members.matching(name).collect();
            for check in named.iter().copied().chain(matching.iter().copied()) {
                self.check(check, value, &inner);
            }
            if named.is_none() && matching.is_empty() {
                match &members.rest {
                    Rest::Open => {}
                    Rest::Closed => self.unknown(name, "additionalProperties", place),
                    Rest::Fits(check) => self.check(check, value, &inner),
                }
            }
        }
    }

    fn unknown(&mut self, name: &str, keyword: &str, place: &str) {
        let params = self.descriptor.params.iter().map(|param| param.name);
        let guess = if place.is_empty() { text::nearest(name, params) } else { None };
        let guess = guess.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default();
        self.add(&inside(place, &text::shown(name)), keyword, format!("is no parameter{guess}"));
    }

    fn add(&mut self, place: &str, rule: &str, words: String) {
        let place = if place.is_empty() { "arguments" } else { place };
        self.faults.push(Fault { place: place.to_owned(), rule: rule.to_owned(), words });
    }
}

/// `symbols[2].name`; names that a caller chose come cut and escaped.
fn inside(place: &str, name: &str) -> String {
    if place.is_empty() { name.to_owned() } else { format!("{place}.{name}") }
}

/// The keyword, and what it demands.
fn words(rule: &Rule) -> (&'static str, String) {
    match rule {
        Rule::Minimum(limit) => ("minimum", format!("is below its minimum, {limit}")),
        Rule::Maximum(limit) => ("maximum", format!("is above its maximum, {limit}")),
        Rule::ExclusiveMinimum(limit) => ("exclusiveMinimum", format!("has to be above {limit}")),
        Rule::ExclusiveMaximum(limit) => ("exclusiveMaximum", format!("has to be below {limit}")),
        Rule::MultipleOf(of) => ("multipleOf", format!("is no multiple of {of}")),
        Rule::MinLength(least) => ("minLength", format!("is shorter than {least} characters")),
        Rule::MaxLength(most) => ("maxLength", format!("is longer than {most} characters")),
        Rule::Pattern(pattern, _) => ("pattern", format!("does not match the pattern `{pattern}`")),
        Rule::Format(format, _) => ("format", format!("is no `{format}`{}", example_of(format))),
        Rule::MinItems(least) => ("minItems", format!("holds fewer than {least} items")),
        Rule::MaxItems(most) => ("maxItems", format!("holds more than {most} items")),
        Rule::UniqueItems => ("uniqueItems", "holds an item twice".to_owned()),
        Rule::Enum(options) => ("enum", format!("is none of {}", list(options))),
        Rule::Const(only) => ("const", format!("has to be {only}")),
        Rule::MinProperties(least) => ("minProperties", format!("holds fewer than {least} properties")),
        Rule::MaxProperties(most) => ("maxProperties", format!("holds more than {most} properties")),
        Rule::AnyOf(forms) => ("anyOf", fits_none(forms)),
        Rule::OneOf(forms) => ("oneOf", fits_none(forms)),
        Rule::Contains { .. } => ("contains", "breaks the rule `contains` of its schema".to_owned()),
        Rule::PropertyNames(_) => ("propertyNames", "has a name that its schema does not allow".to_owned()),
        Rule::Not(_) => ("not", "breaks the rule `not` of its schema".to_owned()),
        // Told apart above, each with the places of its own.
        Rule::Items { .. } => ("items", "breaks the rule `items` of its schema".to_owned()),
        Rule::Members(_) => ("properties", "breaks the rule `properties` of its schema".to_owned()),
        Rule::Required(_) | Rule::DependentRequired(_) => ("required", "lacks a property".to_owned()),
        Rule::UnevaluatedProperties(..) => ("unevaluatedProperties", "has a property too many".to_owned()),
        Rule::AllOf(_) => ("allOf", "breaks the rule `allOf` of its schema".to_owned()),
        Rule::If { .. } => ("if", "breaks the rule `if` of its schema".to_owned()),
        Rule::Refers(_) | Rule::Holds(_) => ("$ref", "breaks the rule `$ref` of its schema".to_owned()),
    }
}

fn fits_none(forms: &[Check]) -> String {
    match names(forms) {
        Some(names) => format!("holds none of {names}"),
        None => "fits none of the forms its schema allows".to_owned(),
    }
}

/// The names of a choice that is between names alone.
fn names(forms: &[Check]) -> Option<String> {
    let name = |form: &Check| match form.rules.as_slice() {
        [Rule::Required(names)] if names.len() == 1 && form.types == Types::ANY => {
            Some(format!("`{}`", names[0]))
        }
        _ => None,
    };
    Some(forms.iter().map(name).collect::<Option<Vec<_>>>()?.join(", "))
}

fn example_of(format: &str) -> &'static str {
    match format {
        "date" => ", for example 2004-08-31",
        "date-time" => ", for example 2004-08-31T12:00:00Z",
        "time" => ", for example 12:00:00Z",
        "duration" => ", for example P1DT12H",
        "uuid" => ", for example 67e55044-10b1-426f-9247-bb680e5fe0c8",
        _ => "",
    }
}

fn list(options: &[Value]) -> String {
    options.iter().map(Value::to_string).collect::<Vec<_>>().join(", ")
}
