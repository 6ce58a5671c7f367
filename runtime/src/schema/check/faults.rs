//! Describes why a value does not fit a schema, in words that never repeat the value.

use serde_json::{Map, Value};

use super::{Checker, Keyword, MemberRules, Rest, Types, unevaluated};
use crate::{
    text,
    tool::{args::Fault, descriptor::Descriptor},
};

/// The number of faults that one answer lists.
const MAX_FAULTS: usize = 20;

/// Lists what is wrong with the `arguments` of a call of `descriptor`.
pub(crate) fn faults(descriptor: &Descriptor, check: &Checker, arguments: &Value) -> Vec<Fault> {
    let mut collector = Collector { descriptor, faults: Vec::new() };
    collector.check(check, arguments, "");
    collector.faults.dedup();
    collector.faults.truncate(MAX_FAULTS);
    collector.faults
}

struct Collector<'a> {
    descriptor: &'a Descriptor,
    faults: Vec<Fault>,
}

impl Collector<'_> {
    fn check(&mut self, check: &Checker, value: &Value, place: &str) {
        if self.faults.len() > MAX_FAULTS || check.accepts(value) {
            return;
        }
        if !check.types.hold(value) {
            return self.add(place, "type", format!("is not {}", check.types.words()));
        }
        for keyword in check.keywords.iter().filter(|keyword| !keyword.accepts(value)) {
            self.keyword(keyword, value, place);
        }
    }

    fn keyword(&mut self, keyword: &Keyword, value: &Value, place: &str) {
        match (keyword, value) {
            (Keyword::AllOf(all), value) => all.iter().for_each(|check| self.check(check, value, place)),
            (Keyword::If { condition, then, otherwise }, value) => {
                self.check(if condition.accepts(value) { then } else { otherwise }, value, place);
            }
            (Keyword::Items { first, rest }, Value::Array(items)) => self.items(first, rest, items, place),
            (Keyword::Members(members), Value::Object(object)) => self.members(members, object, place),
            (Keyword::Required(names), Value::Object(object)) => {
                for name in names.iter().filter(|name| !object.contains_key(*name)) {
                    self.add(&inside(place, name), "required", "is missing".to_owned());
                }
            }
            (Keyword::DependentRequired(all), Value::Object(object)) => {
                for (name, needs) in all.iter().filter(|(name, _)| object.contains_key(name)) {
                    for need in needs.iter().filter(|need| !object.contains_key(*need)) {
                        let words = format!("is missing, and `{name}` needs it");
                        self.add(&inside(place, need), "dependentRequired", words);
                    }
                }
            }
            (Keyword::Ref(target), value) => {
                target.with(|check| self.check(check, value, place));
            }
            (Keyword::UnevaluatedProperties(reaches, check), Value::Object(object)) => {
                for (name, _) in
                    unevaluated(reaches, value, object).filter(|(_, value)| !check.accepts(value))
                {
                    self.unknown(name, "unevaluatedProperties", place);
                }
            }
            (Keyword::OneOf(one), value) if one.iter().any(|check| check.accepts(value)) => {
                let words = match names(one) {
                    Some(names) => format!("holds more than one of {names}"),
                    None => "fits more than one of the forms its schema allows".to_owned(),
                };
                self.add(place, "oneOf", words);
            }
            (keyword, _) => {
                let (name, words) = words(keyword);
                self.add(place, name, words);
            }
        }
    }

    fn items(&mut self, first: &[Checker], rest: &Rest, items: &[Value], place: &str) {
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

    fn members(&mut self, members: &MemberRules, object: &Map<String, Value>, place: &str) {
        for (name, value) in object {
            let inner = inside(place, &text::shown(name));
            let named = members.named(name);
            let matching: Vec<&Checker> = members.matching(name).collect();
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
        self.add(&inside(place, &text::shown(name)), keyword, format!("is not a parameter{guess}"));
    }

    fn add(&mut self, place: &str, rule: &str, words: String) {
        let place = if place.is_empty() { "arguments" } else { place };
        self.faults.push(Fault { place: place.to_owned(), rule: rule.to_owned(), words });
    }
}

/// `symbols[2].name`. Names that a caller chose must be cut and escaped before.
fn inside(place: &str, name: &str) -> String {
    if place.is_empty() { name.to_owned() } else { format!("{place}.{name}") }
}

/// The name of a keyword, and what a value that breaks it does.
fn words(keyword: &Keyword) -> (&'static str, String) {
    match keyword {
        Keyword::Minimum(limit) => ("minimum", format!("is below its minimum, {limit}")),
        Keyword::Maximum(limit) => ("maximum", format!("is above its maximum, {limit}")),
        Keyword::ExclusiveMinimum(limit) => ("exclusiveMinimum", format!("must be above {limit}")),
        Keyword::ExclusiveMaximum(limit) => ("exclusiveMaximum", format!("must be below {limit}")),
        Keyword::MultipleOf(of) => ("multipleOf", format!("is not a multiple of {of}")),
        Keyword::MinLength(least) => ("minLength", format!("is shorter than {least} characters")),
        Keyword::MaxLength(most) => ("maxLength", format!("is longer than {most} characters")),
        Keyword::Pattern(pattern, _) => ("pattern", format!("does not match the pattern `{pattern}`")),
        Keyword::Format(format, _) => ("format", format!("is not a `{format}`{}", example_of(format))),
        Keyword::MinItems(least) => ("minItems", format!("holds fewer than {least} items")),
        Keyword::MaxItems(most) => ("maxItems", format!("holds more than {most} items")),
        Keyword::UniqueItems => ("uniqueItems", "holds an item twice".to_owned()),
        Keyword::Enum(options) => ("enum", format!("is not one of {}", list(options))),
        Keyword::Const(only) => ("const", format!("must be {only}")),
        Keyword::MinProperties(least) => ("minProperties", format!("holds fewer than {least} properties")),
        Keyword::MaxProperties(most) => ("maxProperties", format!("holds more than {most} properties")),
        Keyword::AnyOf(forms) => ("anyOf", fits_none(forms)),
        Keyword::OneOf(forms) => ("oneOf", fits_none(forms)),
        Keyword::Contains { .. } => ("contains", "breaks the rule `contains` of its schema".to_owned()),
        Keyword::PropertyNames(_) => {
            ("propertyNames", "has a name that its schema does not allow".to_owned())
        }
        Keyword::Not(_) => ("not", "breaks the rule `not` of its schema".to_owned()),
        // `Collector::keyword` describes these with their own places.
        Keyword::Items { .. } => ("items", "breaks the rule `items` of its schema".to_owned()),
        Keyword::Members(_) => ("properties", "breaks the rule `properties` of its schema".to_owned()),
        Keyword::Required(_) | Keyword::DependentRequired(_) => ("required", "lacks a property".to_owned()),
        Keyword::UnevaluatedProperties(..) => ("unevaluatedProperties", "has an unknown property".to_owned()),
        Keyword::AllOf(_) => ("allOf", "breaks the rule `allOf` of its schema".to_owned()),
        Keyword::If { .. } => ("if", "breaks the rule `if` of its schema".to_owned()),
        Keyword::Ref(_) | Keyword::Targets(_) => ("$ref", "breaks the rule `$ref` of its schema".to_owned()),
    }
}

fn fits_none(forms: &[Checker]) -> String {
    match names(forms) {
        Some(names) => format!("holds none of {names}"),
        None => "fits none of the forms its schema allows".to_owned(),
    }
}

/// The names, if each form only requires one property.
fn names(forms: &[Checker]) -> Option<String> {
    let name = |form: &Checker| match form.keywords.as_slice() {
        [Keyword::Required(names)] if names.len() == 1 && form.types == Types::ANY => {
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
