//! Words for what a schema expects.

use serde_json::Value;

use super::alternative::{Alternative, tag};
use crate::schema::check::{Checker, Keyword, Rest, Types};

/// The number of fields and forms that a shape names.
const MAX_NAMES: usize = 8;

/// Says that a value is of the wrong JSON type, and what is expected in its place.
pub(super) fn wrong_type(check: &Checker, value: &Value) -> String {
    format!("is not {}{}", shape(check), text_hint(check.types, value))
}

/// Several clients send a list or an object as text that holds it.
pub(super) fn text_hint(types: Types, value: &Value) -> &'static str {
    let Value::String(text) = value else { return "" };
    match serde_json::from_str(text) {
        Ok(read @ Value::Array(_)) if types.hold(&read) => {
            "; it is text that holds JSON: send the array itself"
        }
        Ok(read @ Value::Object(_)) if types.hold(&read) => {
            "; it is text that holds JSON: send the object itself"
        }
        _ => "",
    }
}

/// `a string`, ``an object with `symbol` and `limit` ``
pub(super) fn shape(check: &Checker) -> String {
    let form = Alternative::of(check);
    let check = form.check();
    if let Some(options) = check.constants() {
        return format!("one of {}", list(&options));
    }
    let choice = check.keywords.iter().find_map(|keyword| match keyword {
        Keyword::AnyOf(forms) | Keyword::OneOf(forms) => Some(forms),
        _ => None,
    });
    match (choice, check.types) {
        (Some(forms), _) => shapes_of(forms),
        (None, types) if types == Types::OBJECT => object(check),
        (None, types) if types == Types::ARRAY => array(check),
        (None, types) => types.words(),
    }
}

/// The shapes of all forms of a choice.
pub(super) fn shapes(forms: &[&Checker]) -> String {
    let objects: Vec<&Checker> = forms.iter().copied().filter(|form| form.types == Types::OBJECT).collect();
    let tagged =
        tag(&objects).map(|tag| format!("an object whose `{}` is one of {}", tag.name, list(&tag.values)));
    let (null, others): (Vec<&Checker>, Vec<&Checker>) =
        forms.iter().partition(|form| form.types == Types::NULL);
    let mut shapes: Vec<String> = Vec::new();
    for form in others.iter().chain(&null) {
        let shape = match &tagged {
            Some(tagged) if form.types == Types::OBJECT => tagged.clone(),
            _ => shape(form),
        };
        if !shapes.contains(&shape) {
            shapes.push(shape);
        }
    }
    let more = shapes.len().saturating_sub(MAX_NAMES);
    shapes.truncate(MAX_NAMES);
    let text = shapes.join(" or ");
    if more > 0 { format!("{text} or one of {more} others") } else { text }
}

/// The shapes of all forms of a choice, also of the choices among them.
fn shapes_of(forms: &[Checker]) -> String {
    let leaves = Alternative::leaves(forms);
    shapes(&leaves.iter().map(Alternative::check).collect::<Vec<_>>())
}

fn object(check: &Checker) -> String {
    let names: Vec<String> = check.required().take(MAX_NAMES).map(|name| format!("`{name}`")).collect();
    match names.as_slice() {
        [] => "an object".to_owned(),
        [.., _] if check.required().count() > MAX_NAMES => {
            format!("an object with {} and others", names.join(", "))
        }
        [first @ .., last] if !first.is_empty() => format!("an object with {} and {last}", first.join(", ")),
        [only, ..] => format!("an object with {only}"),
    }
}

fn array(check: &Checker) -> String {
    let items = check.keywords.iter().find_map(|keyword| match keyword {
        Keyword::Items { first, rest } => Some((first, rest)),
        _ => None,
    });
    match items {
        Some((first, _)) if !first.is_empty() => {
            let items: Vec<String> = first.iter().map(brief).collect();
            format!("an array of {} items: {}", first.len(), items.join(", "))
        }
        Some((_, Rest::Fits(item))) => {
            let form = Alternative::of(item);
            match form.check() {
                item if item.types == Types::OBJECT => {
                    format!("an array of objects{}", object(item).trim_start_matches("an object"))
                }
                _ => "an array".to_owned(),
            }
        }
        _ => "an array".to_owned(),
    }
}

/// The JSON type of an item, without its parts: a recursive type has no end.
fn brief(check: &Checker) -> String {
    let form = Alternative::of(check);
    match form.check().types {
        Types::ANY => "a value".to_owned(),
        types => types.words(),
    }
}

/// The name of a keyword, and what a value that breaks it does.
pub(super) fn words(keyword: &Keyword) -> (&'static str, String) {
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
        Keyword::Not(check) => ("not", excluded(check)),
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

/// Says what must not hold: that several parameters are sent together.
fn excluded(check: &Checker) -> String {
    match check.keywords.as_slice() {
        [Keyword::Required(names)] if names.len() > 1 => {
            let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            format!("holds more than one of {}", names.join(", "))
        }
        [Keyword::Const(value)] => format!("must not be {value}"),
        _ => "breaks the rule `not` of its schema".to_owned(),
    }
}

fn fits_none(forms: &[Checker]) -> String {
    match names(forms) {
        Some(names) => format!("holds none of {names}"),
        None => format!("is not {}", shapes_of(forms)),
    }
}

/// The names, if each form only requires one property.
pub(super) fn names(forms: &[Checker]) -> Option<String> {
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

pub(super) fn list(options: &[Value]) -> String {
    options.iter().map(Value::to_string).collect::<Vec<_>>().join(", ")
}
