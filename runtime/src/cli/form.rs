//! Fills in a tool's form at the terminal, field by field.

use std::{fmt, io::BufRead};

use serde_json::{Map, Value};

use crate::client::FilledForm;

/// Puts a form to the user: prompts with `write`, and reads lines from `input`. The end of input dismisses the form.
pub(super) fn fill_in(
    question: &str,
    schema: &Value,
    mut input: impl BufRead,
    write: impl Fn(&str),
) -> FilledForm {
    write(&format!("{question}\n[Enter to fill in, n to decline] "));
    match line(&mut input) {
        None => return FilledForm::Cancelled,
        Some(answer) if matches!(answer.to_ascii_lowercase().as_str(), "n" | "no") => {
            return FilledForm::Declined;
        }
        Some(_) => {}
    }
    let required: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let mut fields = Map::new();
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let is_required = required.contains(&name.as_str());
        let prompt = prompt(name, field, is_required);
        let value = loop {
            write(&prompt);
            let Some(answer) = line(&mut input) else { return FilledForm::Cancelled };
            match value(&answer, field, is_required) {
                Ok(value) => break value,
                Err(expected) => write(&format!("expected {expected}\n")),
            }
        };
        fields.extend(value.map(|value| (name.clone(), value)));
    }
    FilledForm::Filled(fields.into())
}

/// The answer that a field takes, where the user gave another.
#[derive(Debug)]
enum Expected<'a> {
    Any,
    WholeNumber(&'a Value),
    Number(&'a Value),
    YesOrNo,
    OneOf(Vec<&'a str>),
}

impl fmt::Display for Expected<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("a value"),
            Self::WholeNumber(field) => write!(f, "a whole number{}", range(field)),
            Self::Number(field) => write!(f, "a number{}", range(field)),
            Self::YesOrNo => f.write_str("y or n"),
            Self::OneOf(choices) => write!(f, "one of {}", choices.join(", ")),
        }
    }
}

/// Reads the value of a field, which may be left out if it is not required.
fn value<'a>(answer: &str, field: &'a Value, is_required: bool) -> Result<Option<Value>, Expected<'a>> {
    match (answer.is_empty(), field.get("default")) {
        (true, Some(default)) => Ok(Some(default.clone())),
        (true, None) if is_required => Err(Expected::Any),
        (true, None) => Ok(None),
        (false, _) => typed(answer, field).map(Some),
    }
}

/// Reads a line without its end; `None` at the end of input.
fn line(input: &mut impl BufRead) -> Option<String> {
    let mut line = String::new();
    match input.read_line(&mut line) {
        Ok(0) | Err(_) => None,
        Ok(_) => Some(line.trim().to_owned()),
    }
}

/// `size, your size (small, large) [small]: `
fn prompt(name: &str, field: &Value, is_required: bool) -> String {
    let mut prompt = name.to_owned();
    if let Some(description) = field["description"].as_str() {
        prompt += &format!(", {}", description.trim_end_matches('.'));
    }
    match choices(field) {
        Some(choices) => prompt += &format!(" ({})", choices.join(", ")),
        None if field["type"] == "boolean" => prompt += " (y, n)",
        None => {}
    }
    match field.get("default") {
        Some(Value::String(default)) => prompt += &format!(" [{default}]"),
        Some(default) => prompt += &format!(" [{default}]"),
        None if !is_required => prompt += " [none]",
        None => {}
    }
    prompt + ": "
}

fn choices(field: &Value) -> Option<Vec<&str>> {
    Some(field["enum"].as_array()?.iter().filter_map(Value::as_str).collect())
}

/// Reads an answer as the type of its field.
fn typed<'a>(answer: &str, field: &'a Value) -> Result<Value, Expected<'a>> {
    let in_range = |number: f64| {
        field["minimum"].as_f64().is_none_or(|min| number >= min)
            && field["maximum"].as_f64().is_none_or(|max| number <= max)
    };
    match field["type"].as_str() {
        Some("integer") => {
            let number = answer.parse::<i64>().ok().filter(|number| {
                #[expect(clippy::cast_precision_loss, reason = "the bound of a form is compared")]
                let number = *number as f64;
                in_range(number)
            });
            number.map(Value::from).ok_or(Expected::WholeNumber(field))
        }
        Some("number") => {
            let number = answer.parse::<f64>().ok().filter(|number| number.is_finite() && in_range(*number));
            number.map(Value::from).ok_or(Expected::Number(field))
        }
        Some("boolean") => match answer.to_ascii_lowercase().as_str() {
            "y" | "yes" | "true" => Ok(true.into()),
            "n" | "no" | "false" => Ok(false.into()),
            _ => Err(Expected::YesOrNo),
        },
        _ => match choices(field) {
            Some(choices) if !choices.contains(&answer) => Err(Expected::OneOf(choices)),
            _ => Ok(answer.into()),
        },
    }
}

/// ` from 1 to 10`
fn range(field: &Value) -> String {
    let bound = |word: &str, key: &str| match field.get(key) {
        Some(bound) => format!(" {word} {bound}"),
        None => String::new(),
    };
    bound("from", "minimum") + &bound("to", "maximum")
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use serde_json::json;

    use super::*;

    /// Fills in a form with these lines. Returns the result and everything that was written.
    fn filled(lines: &str) -> (FilledForm, String) {
        let schema = json!({
            "type": "object",
            "properties": {
                "age": {"type": "integer", "minimum": 0, "maximum": 150},
                "name": {"type": "string", "description": "Your name."},
                "news": {"type": "boolean", "default": false},
                "size": {"type": "string", "enum": ["small", "large"]},
            },
            "required": ["name", "size"],
        });
        let written = RefCell::new(String::new());
        let form = fill_in("Who are you?", &schema, lines.as_bytes(), |text| *written.borrow_mut() += text);
        (form, written.into_inner())
    }

    #[test]
    fn form_is_filled_in_field_by_field() {
        let (form, written) = filled("\n36\n\nAda\ny\nmedium\nlarge\n");
        let fields = json!({"age": 36, "name": "Ada", "news": true, "size": "large"});
        assert_eq!(form, FilledForm::Filled(fields));
        assert_eq!(
            written,
            "Who are you?\n[Enter to fill in, n to decline] age [none]: name, Your name: expected a value\nname, Your name: news (y, n) [false]: size (small, large): expected one of small, large\nsize (small, large): "
        );
        let (form, written) = filled("\nold\n200\n\nAda\n\nsmall\n");
        assert_eq!(form, FilledForm::Filled(json!({"name": "Ada", "news": false, "size": "small"})));
        assert_eq!(written.matches("expected a whole number from 0 to 150\n").count(), 2, "{written}");
    }

    #[test]
    fn form_is_declined_or_dismissed() {
        for no in ["n\n", "No\n"] {
            assert_eq!(filled(no).0, FilledForm::Declined);
        }
        for end in ["", "\n", "\n36\nAda\n"] {
            assert_eq!(filled(end).0, FilledForm::Cancelled, "{end:?}");
        }
    }
}
