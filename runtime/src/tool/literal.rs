//! Defines the values that are written in the attribute.

/// A value written in the attribute.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Literal {
    /// A string.
    Text(&'static str),
    /// An integer.
    Int(i128),
    /// A number with a fraction.
    Float(f64),
    /// A Boolean.
    Bool(bool),
    /// A list of values.
    List(&'static [Literal]),
}

impl Literal {
    /// Returns the value as JSON. An integer beyond 64 bits becomes the nearest float.
    #[expect(clippy::cast_precision_loss, reason = "JSON numbers beyond 64 bits are floats")]
    pub fn to_json(self) -> serde_json::Value {
        match self {
            Self::Text(text) => text.into(),
            Self::Int(number) => i64::try_from(number)
                .map(Into::into)
                .or_else(|_| u64::try_from(number).map(Into::into))
                .unwrap_or_else(|_| (number as f64).into()),
            Self::Float(number) => number.into(),
            Self::Bool(value) => value.into(),
            Self::List(values) => values.iter().map(|value| value.to_json()).collect(),
        }
    }
}
