//! A validator's errors → faults in words. The value itself is never among them.

use jsonschema::{ValidationError, error::ValidationErrorKind as Kind, paths::LocationSegment};
use serde_json::Value;

use crate::{args::Fault, descriptor::Descriptor, text};

/// How many faults one answer lists.
const MOST: usize = 20;

/// What `errors` say of a call of `descriptor`.
pub(crate) fn faults<'a>(
    descriptor: &Descriptor,
    errors: impl Iterator<Item = ValidationError<'a>>,
) -> Vec<Fault> {
    let mut faults: Vec<Fault> = errors.take(MOST).flat_map(|error| fault(descriptor, &error)).collect();
    faults.dedup();
    faults.truncate(MOST);
    faults
}

fn fault(descriptor: &Descriptor, error: &ValidationError<'_>) -> Vec<Fault> {
    let kind = error.kind();
    let at_root = error.instance_path().as_str().is_empty();
    let place = place(error);
    let one = |place: String, words: String| vec![Fault { place, rule: kind.keyword().to_owned(), words }];
    match kind {
        Kind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            let place = if at_root { name.to_owned() } else { format!("{place}.{name}") };
            one(place, "is missing".to_owned())
        }
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => unexpected
            .iter()
            .take(MOST)
            .map(|name| {
                let shown = text::shown(name);
                let guess = if at_root {
                    text::nearest(name, descriptor.params.iter().map(|param| param.name))
                } else {
                    None
                };
                let guess = guess.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default();
                let place = if at_root { shown } else { format!("{place}.{shown}") };
                Fault { place, rule: kind.keyword().to_owned(), words: format!("is no parameter{guess}") }
            })
            .collect(),
        kind => one(place, words(kind)),
    }
}

/// `symbols[2].name`; names that a caller chose are cut and escaped.
fn place(error: &ValidationError<'_>) -> String {
    let mut place = String::new();
    for segment in error.instance_path() {
        match segment {
            LocationSegment::Property(name) => {
                if !place.is_empty() {
                    place.push('.');
                }
                place.push_str(&text::shown(&name));
            }
            LocationSegment::Index(at) => place.push_str(&format!("[{at}]")),
        }
    }
    if place.is_empty() { "arguments".to_owned() } else { place }
}

fn words(kind: &Kind) -> String {
    match kind {
        Kind::Type { kind } => format!("is no {}", types(kind)),
        Kind::Minimum { limit } => format!("is below its minimum, {limit}"),
        Kind::Maximum { limit } => format!("is above its maximum, {limit}"),
        Kind::ExclusiveMinimum { limit } => format!("has to be above {limit}"),
        Kind::ExclusiveMaximum { limit } => format!("has to be below {limit}"),
        Kind::MinLength { limit } => format!("is shorter than {limit} characters"),
        Kind::MaxLength { limit } => format!("is longer than {limit} characters"),
        Kind::MinItems { limit } => format!("holds fewer than {limit} items"),
        Kind::MaxItems { limit } => format!("holds more than {limit} items"),
        Kind::UniqueItems => "holds an item twice".to_owned(),
        Kind::MultipleOf { multiple_of } => format!("is no multiple of {multiple_of}"),
        Kind::Pattern { pattern } => format!("does not match the pattern `{pattern}`"),
        Kind::Format { format } => format!("is no `{format}`{}", example_of(format)),
        Kind::Enum { options } => format!("is none of {}", list(options)),
        Kind::Constant { expected_value } => format!("has to be {expected_value}"),
        Kind::AnyOf { .. } | Kind::OneOfNotValid { .. } => {
            "fits none of the forms its schema allows".to_owned()
        }
        Kind::OneOfMultipleValid { .. } => "fits more than one of the forms its schema allows".to_owned(),
        other => format!("breaks the rule `{}` of its schema", other.keyword()),
    }
}

fn types(kind: &jsonschema::error::TypeKind) -> String {
    match kind {
        jsonschema::error::TypeKind::Single(ty) => ty.to_string(),
        jsonschema::error::TypeKind::Multiple(all) => {
            all.iter().map(|ty| ty.to_string()).collect::<Vec<_>>().join(" or ")
        }
    }
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

fn list(options: &Value) -> String {
    match options {
        Value::Array(options) => options.iter().map(Value::to_string).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}
