//! Reads a call's arguments into the values of a function's parameters.

use serde::de::DeserializeOwned;
use serde_json::{Map, Number, Value};

use super::{
    descriptor::{Descriptor, Param},
    error::ToolError,
    outcome::Outcome,
    output::Reply,
};
use crate::message::Message;

/// The type of a parameter: it is read from JSON and described by a schema.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be read from a caller's arguments",
    label = "a parameter of a tool",
    note = "derive `serde::Deserialize` and `schemars::JsonSchema` on it, or take a field of the server's state as `&T`"
)]
pub trait Argument: Sized {
    /// A parameter of this type without a name. An expansion reads it through the trait: the error about a type that does
    /// not implement it is then short.
    #[doc(hidden)]
    const PARAM: Param = Param { schema: Self::schema, ..Param::DEFAULT };
    #[doc(hidden)]
    fn read(value: Value) -> Result<Self, serde_json::Error>;
    #[doc(hidden)]
    fn schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema;
}

#[diagnostic::do_not_recommend]
impl<T: DeserializeOwned + schemars::JsonSchema> Argument for T {
    fn read(value: Value) -> Result<Self, serde_json::Error> {
        serde_json::from_value(value)
    }

    fn schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        generator.subschema_for::<T>()
    }
}

/// The arguments of one call, already checked against the published schema.
#[derive(Debug)]
pub struct Args {
    descriptor: &'static Descriptor,
    values: Map<String, Value>,
    faults: Vec<Fault>,
}

/// One fault in a call's arguments. It names the parameter and the rule, never the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The path, for example `symbols[2]`; it begins with the parameter's name.
    pub(crate) place: String,
    /// The JSON Schema keyword, or `deserialize` if the type itself refuses the value.
    pub(crate) rule: String,
    /// The rule in words, for example `is above its maximum, 100`.
    pub(crate) words: String,
}

impl Args {
    pub(crate) fn new(descriptor: &'static Descriptor, values: Map<String, Value>) -> Self {
        Self { descriptor, values, faults: Vec::new() }
    }

    /// Takes the value of the parameter at index `at`; `None` if the type itself refuses it.
    pub fn take<T: Argument>(&mut self, at: usize) -> Option<T> {
        let param = &self.descriptor.params[at];
        let sent = self.values.remove(param.name).unwrap_or(Value::Null);
        let value = match (sent, param.default) {
            (Value::Null, Some(default)) => default.to_json(),
            (value, _) => value,
        };
        let again = holds_whole(&value).then(|| value.clone());
        let read = T::read(value).or_else(|error| match again {
            None => Err(error),
            Some(mut value) => {
                make_whole(&mut value);
                T::read(value)
            }
        });
        match read {
            Ok(value) => Some(value),
            // serde's message quotes the value, so it is dropped.
            Err(_) => {
                self.faults.push(Fault {
                    place: param.name.to_owned(),
                    rule: "deserialize".to_owned(),
                    words: "has the right form, but its type does not accept the value".to_owned(),
                });
                None
            }
        }
    }

    /// The answer to arguments that a parameter's type refused.
    pub fn refuse(self) -> Outcome {
        refusal(self.descriptor, &self.faults, &[]).into()
    }
}

/// Returns a whole float as an integer: `2.0` is an integer in JSON Schema (2020-12, core §4.2.3), and not in serde.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "whole, and within the type's range"
)]
fn whole(number: &Number) -> Option<Number> {
    // The first float beyond `u64`, and the least `i64`. Between them, the casts of whole floats are exact.
    const END: f64 = 18_446_744_073_709_551_616.0;
    const START: f64 = -9_223_372_036_854_775_808.0;
    let float = number.as_f64().filter(|float| number.is_f64() && float.fract() == 0.0)?;
    match float {
        0.0..END => Some((float as u64).into()),
        START..0.0 => Some((float as i64).into()),
        _ => None,
    }
}

fn holds_whole(value: &Value) -> bool {
    match value {
        Value::Number(number) => whole(number).is_some(),
        Value::Array(values) => values.iter().any(holds_whole),
        Value::Object(object) => object.values().any(holds_whole),
        _ => false,
    }
}

fn make_whole(value: &mut Value) {
    match value {
        Value::Number(number) => {
            if let Some(integer) = whole(number) {
                *number = integer;
            }
        }
        Value::Array(values) => values.iter_mut().for_each(make_whole),
        Value::Object(object) => object.values_mut().for_each(make_whole),
        _ => {}
    }
}

/// Makes an answer that lists every fault and what the tool takes, for a model that tries again.
pub(crate) fn refusal(descriptor: &Descriptor, faults: &[Fault], usage: &[String]) -> Reply {
    use std::fmt::Write as _;

    let mut text = format!("these arguments do not fit tool `{}`", descriptor.name);
    for Fault { place, words, .. } in faults {
        let _ = write!(text, "\n- `{place}` {words}");
    }
    let help = match usage {
        [] => "read the descriptions of the parameters named above and call again".to_owned(),
        usage => format!("it takes {}", usage.join(", ")),
    };
    ToolError::not_applied(Message::new(text).help(help)).reason("invalid_arguments").into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn whole_floats_become_integers_up_to_64_bits() {
        let mut value = json!({"a": [1e16, -3.0, 1e19, -0.0], "b": -9.223_372_036_854_776e18});
        assert!(holds_whole(&value));
        make_whole(&mut value);
        let whole =
            json!({"a": [10_000_000_000_000_000_u64, -3, 10_000_000_000_000_000_000_u64, 0], "b": i64::MIN});
        assert_eq!(value, whole);
        let mut others = json!([2.5, 1.844_674_407_370_955_2e19, 1e300, -1e19]);
        assert!(!holds_whole(&others));
        make_whole(&mut others);
        assert_eq!(others, json!([2.5, 1.844_674_407_370_955_2e19, 1e300, -1e19]));
    }
}
