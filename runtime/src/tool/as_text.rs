//! Defines a whole number that is sent as text, so that no client rounds it.

use std::{borrow::Cow, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A whole number that is sent as text: `"1152921504606846979"`.
///
/// JSON has no limit for numbers, but JavaScript and so many clients round integers beyond ±(2^53 − 1). Ids and amounts
/// that can be larger keep every digit as text. The schema is text that matches the digits of `T`.
///
/// ```
/// use candor::{AsText, Server, mcp_tool, testing::Client, tools};
/// use serde_json::json;
///
/// /// The id after another.
/// #[mcp_tool(read_only, closed_world, public)]
/// fn next(
///     /// An id.
///     id: AsText<u64>,
/// ) -> AsText<u64> {
///     AsText(id.0 + 1)
/// }
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let client = Client::of(Server::new("ids", "1.0.0").tools(tools![next])).await;
/// let answer = client.call("next", json!({"id": "1152921504606846978"})).await.unwrap();
/// assert_eq!(answer.text(), "1152921504606846979");
/// # });
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AsText<T>(pub T);

impl<T: fmt::Display> fmt::Display for AsText<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T> From<T> for AsText<T> {
    fn from(number: T) -> Self {
        Self(number)
    }
}

impl<T: WholeNumber> Serialize for AsText<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de, T: WholeNumber> Deserialize<'de> for AsText<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        // Not the text: it could be a secret.
        text.parse().map(Self).map_err(|_| {
            de::Error::custom(format_args!("expected a whole number from {} to {}", T::MIN, T::MAX))
        })
    }
}

impl<T: WholeNumber> JsonSchema for AsText<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("AsText_{}", std::any::type_name::<T>()).into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let sign = if T::MIN == T::default() { "" } else { "-?" };
        let digits = T::MAX.to_string().len();
        json_schema!({"type": "string", "pattern": format!("^{sign}[0-9]{{1,{digits}}}$")})
    }
}

/// A primitive whole number.
pub trait WholeNumber: sealed::Sealed + Copy + Default + PartialEq + fmt::Display + FromStr {
    /// The smallest.
    const MIN: Self;
    /// The largest.
    const MAX: Self;
}

mod sealed {
    /// Only the primitive types have the digits that the pattern allows.
    pub trait Sealed {}
}

macro_rules! whole_numbers {
    ($($number:ty)*) => {
        $(
            impl sealed::Sealed for $number {}

            impl WholeNumber for $number {
                const MIN: Self = <$number>::MIN;
                const MAX: Self = <$number>::MAX;
            }
        )*
    };
}

whole_numbers!(i64 u64 i128 u128 isize usize);
