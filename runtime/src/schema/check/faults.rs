//! Describes why a value does not fit a schema, in words that never repeat the value.

mod alternative;
mod choice;
mod words;

use serde_json::{Map, Value};

use super::{Checker, Keyword, MemberRules, Rest, refer::Target, unevaluated};
use crate::{
    text,
    tool::{args::Fault, descriptor::Descriptor},
};
use words::{names, words, wrong_type};

/// The number of faults that one answer lists.
const MAX_FAULTS: usize = 20;

/// Lists what is wrong with the `arguments` of a call of `descriptor`, in the order in which the parameters and the
/// required fields are declared.
pub(crate) fn faults(descriptor: &Descriptor, check: &Checker, arguments: &Value) -> Vec<Fault> {
    let mut collector = Collector { descriptor, faults: Vec::new(), is_trial: false };
    collector.check(check, arguments, "");
    collector.faults.dedup();
    collector.faults.truncate(MAX_FAULTS);
    collector.faults
}

struct Collector<'a> {
    descriptor: &'a Descriptor,
    faults: Vec<Fault>,
    /// Whether the faults are only counted, to compare the forms of a choice.
    is_trial: bool,
}

impl Collector<'_> {
    fn check(&mut self, check: &Checker, value: &Value, place: &str) {
        if self.faults.len() > MAX_FAULTS || check.accepts(value) {
            return;
        }
        if !check.types.hold(value) {
            return self.add(place, "type", wrong_type(check, value));
        }
        if let Value::Object(object) = value {
            self.object(check, object, place);
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
            // `Collector::object` describes both together.
            (Keyword::Members(_) | Keyword::Required(_), Value::Object(_)) => {}
            (Keyword::DependentRequired(all), Value::Object(object)) => {
                for (name, needs) in all.iter().filter(|(name, _)| object.contains_key(name)) {
                    for need in needs.iter().filter(|need| !object.contains_key(*need)) {
                        let words = format!("is missing, and `{name}` needs it");
                        self.add(&inside(place, need), "dependentRequired", words);
                    }
                }
            }
            (Keyword::Ref(target), value) => self.target(target, value, place),
            (Keyword::UnevaluatedProperties(reaches, check), Value::Object(object)) => {
                for (name, _) in
                    unevaluated(reaches, value, object).filter(|(_, value)| !check.accepts(value))
                {
                    let known = reaches.iter().flat_map(|reach| reach.names.iter().map(String::as_str));
                    self.unknown(name, "unevaluatedProperties", place, known);
                }
            }
            (Keyword::OneOf(one), value) if one.iter().any(|check| check.accepts(value)) => {
                let words = match names(one) {
                    Some(names) => format!("holds more than one of {names}"),
                    None => "fits more than one of the forms its schema allows".to_owned(),
                };
                self.add(place, "oneOf", words);
            }
            (Keyword::OneOf(forms) | Keyword::AnyOf(forms), value) if names(forms).is_none() => {
                self.choice(forms, value, place);
            }
            (keyword, _) => {
                let (name, words) = words(keyword);
                self.add(place, name, words);
            }
        }
    }

    fn target(&mut self, target: &Target, value: &Value, place: &str) {
        if let Some(check) = target.get().as_ref().and_then(|target| target.get()) {
            self.check(check, value, place);
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

    /// Looks at the properties that the schema names, in their order, and then at the others.
    fn object(&mut self, check: &Checker, object: &Map<String, Value>, place: &str) {
        let declared = if place.is_empty() { self.descriptor.params } else { &[] };
        let mut order: Vec<&str> = declared.iter().map(|param| param.name).collect();
        let mut add = |name| {
            if !order.contains(&name) {
                order.push(name);
            }
        };
        check.required().for_each(&mut add);
        let members = check.members();
        let named = members.into_iter().flat_map(|members| &members.named);
        named.for_each(|(name, _)| add(name));
        for name in &order {
            match object.get(*name) {
                Some(value) => self.member(members, name, value, place),
                None if check.required().any(|other| other == *name) => {
                    self.add(&inside(place, name), "required", "is missing".to_owned());
                }
                None => {}
            }
        }
        for (name, value) in object.iter().filter(|(name, _)| !order.contains(&name.as_str())) {
            self.member(members, name, value, place);
        }
    }

    fn member(&mut self, members: Option<&MemberRules>, name: &str, value: &Value, place: &str) {
        let Some(members) = members else { return };
        let inner = inside(place, &text::shown(name));
        let named = members.named(name);
        let matching: Vec<&Checker> = members.matching(name).collect();
        for check in named.iter().copied().chain(matching.iter().copied()) {
            self.check(check, value, &inner);
        }
        if named.is_none() && matching.is_empty() {
            match &members.rest {
                Rest::Open => {}
                Rest::Closed => {
                    let known = members.named.iter().map(|(name, _)| name.as_str());
                    self.unknown(name, "additionalProperties", place, known);
                }
                Rest::Fits(check) => self.check(check, value, &inner),
            }
        }
    }

    fn unknown<'a>(&mut self, name: &str, keyword: &str, place: &str, known: impl Iterator<Item = &'a str>) {
        let guess = text::nearest(name, known);
        let guess = guess.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default();
        let words = match place {
            "" => format!("is not a parameter{guess}"),
            place => format!("is not a field of `{place}`{guess}"),
        };
        self.add(&inside(place, &text::shown(name)), keyword, words);
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
