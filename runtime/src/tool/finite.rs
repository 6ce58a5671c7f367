//! Finds a number that JSON does not have in a value: `serde_json` writes NaN and infinities as `null`.

use std::fmt::{self, Display, Write as _};

use serde::ser::{
    Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};
use serde_json::Value;

use crate::text;

/// Returns the place of the first number in `value` that is not finite, for example `points[3].close`, or `result` for
/// the value itself.
pub(crate) fn not_finite(value: &impl Serialize) -> Option<String> {
    let mut finder = NumberFinder::default();
    match value.serialize(&mut finder) {
        Err(Stop::Found) if finder.place.is_empty() => Some("result".to_owned()),
        Err(Stop::Found) => Some(finder.place),
        Ok(()) | Err(Stop::Failed) => None,
    }
}

/// Returns whether a number may have been written as `null`.
pub(crate) fn holds_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(values) => values.iter().any(holds_null),
        Value::Object(object) => object.values().any(holds_null),
        _ => false,
    }
}

/// A serializer that writes nothing and keeps the place that it has reached.
#[derive(Default)]
struct NumberFinder {
    place: String,
}

/// The reason why a serialization ended early.
#[derive(Debug)]
enum Stop {
    Found,
    Failed,
}

impl Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number is not finite")
    }
}

impl std::error::Error for Stop {}

impl serde::ser::Error for Stop {
    fn custom<T: Display>(_: T) -> Self {
        Self::Failed
    }
}

type SearchResult = Result<(), Stop>;

impl NumberFinder {
    /// Looks into a part. If a number is found there, its place remains.
    fn inside(&mut self, place: fmt::Arguments<'_>, value: &(impl Serialize + ?Sized)) -> SearchResult {
        let outer = self.place.len();
        self.enter(place);
        value.serialize(&mut *self)?;
        self.place.truncate(outer);
        Ok(())
    }

    fn enter(&mut self, place: fmt::Arguments<'_>) {
        // Writing into a `String` does not fail.
        let _ = self.place.write_fmt(place);
    }

    fn dot(&self) -> &'static str {
        if self.place.is_empty() { "" } else { "." }
    }
}

/// A list or an object that is being looked at.
struct Compound<'a> {
    finder: &'a mut NumberFinder,
    /// The index of the next item.
    at: usize,
    /// The key of the next entry.
    key: String,
    /// The length of the place around it.
    outer: usize,
}

impl<'a> Compound<'a> {
    fn of(finder: &'a mut NumberFinder) -> Self {
        let outer = finder.place.len();
        Self { finder, at: 0, key: String::new(), outer }
    }

    /// The parts of a variant, which stand under its name.
    fn under(finder: &'a mut NumberFinder, variant: &str) -> Self {
        let outer = finder.place.len();
        let dot = finder.dot();
        finder.enter(format_args!("{dot}{variant}"));
        Self { outer, ..Self::of(finder) }
    }

    fn item(&mut self, value: &(impl Serialize + ?Sized)) -> SearchResult {
        let at = self.at;
        self.at += 1;
        self.finder.inside(format_args!("[{at}]"), value)
    }

    fn field(&mut self, name: &str, value: &(impl Serialize + ?Sized)) -> SearchResult {
        let dot = self.finder.dot();
        self.finder.inside(format_args!("{dot}{name}"), value)
    }

    fn leave(self) {
        self.finder.place.truncate(self.outer);
    }
}

/// Methods for values that hold no number with a fraction.
macro_rules! pass {
    ($($method:ident($($ty:ty),*))*) => {
        $(fn $method(self, $(_: $ty),*) -> SearchResult {
            Ok(())
        })*
    };
}

/// Methods for values that consist of parts.
macro_rules! parts {
    ($($method:ident($($ty:ty),*))*) => {
        $(fn $method(self, $(_: $ty),*) -> Result<Compound<'a>, Stop> {
            Ok(Compound::of(self))
        })*
    };
}

impl<'a> Serializer for &'a mut NumberFinder {
    type Ok = ();
    type Error = Stop;
    type SerializeSeq = Compound<'a>;
    type SerializeTuple = Compound<'a>;
    type SerializeTupleStruct = Compound<'a>;
    type SerializeTupleVariant = Compound<'a>;
    type SerializeMap = Compound<'a>;
    type SerializeStruct = Compound<'a>;
    type SerializeStructVariant = Compound<'a>;

    pass! {
        serialize_bool(bool) serialize_char(char) serialize_str(&str) serialize_bytes(&[u8])
        serialize_i8(i8) serialize_i16(i16) serialize_i32(i32) serialize_i64(i64) serialize_i128(i128)
        serialize_u8(u8) serialize_u16(u16) serialize_u32(u32) serialize_u64(u64) serialize_u128(u128)
        serialize_none() serialize_unit() serialize_unit_struct(&'static str)
        serialize_unit_variant(&'static str, u32, &'static str)
    }
    parts! {
        serialize_seq(Option<usize>) serialize_tuple(usize) serialize_tuple_struct(&'static str, usize)
        serialize_map(Option<usize>) serialize_struct(&'static str, usize)
    }

    fn serialize_f32(self, number: f32) -> SearchResult {
        self.serialize_f64(number.into())
    }

    fn serialize_f64(self, number: f64) -> SearchResult {
        if number.is_finite() { Ok(()) } else { Err(Stop::Found) }
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> SearchResult {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> SearchResult {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> SearchResult {
        Compound::of(self).field(variant, value)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Compound<'a>, Stop> {
        Ok(Compound::under(self, variant))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Compound<'a>, Stop> {
        Ok(Compound::under(self, variant))
    }
}

macro_rules! lists {
    ($($list:ident::$method:ident)*) => {
        $(impl $list for Compound<'_> {
            type Ok = ();
            type Error = Stop;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> SearchResult {
                self.item(value)
            }

            fn end(self) -> SearchResult {
                self.leave();
                Ok(())
            }
        })*
    };
}

macro_rules! structs {
    ($($object:ident)*) => {
        $(impl $object for Compound<'_> {
            type Ok = ();
            type Error = Stop;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> SearchResult {
                self.field(name, value)
            }

            fn end(self) -> SearchResult {
                self.leave();
                Ok(())
            }
        })*
    };
}

lists! {
    SerializeSeq::serialize_element SerializeTuple::serialize_element
    SerializeTupleStruct::serialize_field SerializeTupleVariant::serialize_field
}
structs! { SerializeStruct SerializeStructVariant }

impl SerializeMap for Compound<'_> {
    type Ok = ();
    type Error = Stop;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> SearchResult {
        self.key = match serde_json::to_value(key) {
            Ok(Value::String(key)) => text::shown(&key),
            Ok(key) => key.to_string(),
            Err(_) => return Err(Stop::Failed),
        };
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> SearchResult {
        let key = std::mem::take(&mut self.key);
        self.field(&key, value)
    }

    fn end(self) -> SearchResult {
        self.leave();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;

    #[derive(serde::Serialize)]
    enum Shape {
        Circle { radius: f32 },
        Pair(f64, f64),
        Only(f64),
        Empty,
    }

    #[derive(serde::Serialize)]
    #[serde(tag = "kind")]
    enum Tagged {
        Point { at: Vec<Option<f64>> },
    }

    #[test]
    fn place_of_the_first_number_that_is_not_finite_is_found() {
        let map = |value: f64| BTreeMap::from([(1, (0.0, 1.0)), (2, (0.5, value))]);
        assert_eq!(not_finite(&f64::NAN).as_deref(), Some("result"));
        assert_eq!(not_finite(&vec![Some(1.0), Some(f64::INFINITY)]).as_deref(), Some("[1]"));
        assert_eq!(not_finite(&map(f64::NEG_INFINITY)).as_deref(), Some("2[1]"));
        let shapes =
            |radius| (Shape::Empty, Shape::Pair(1.0, 2.0), Shape::Only(0.0), Shape::Circle { radius });
        assert_eq!(not_finite(&shapes(f32::NAN)).as_deref(), Some("[3].Circle.radius"));
        assert_eq!(not_finite(&Shape::Pair(0.0, f64::NAN)).as_deref(), Some("Pair[1]"));
        assert_eq!(not_finite(&[Shape::Only(f64::NAN)]).as_deref(), Some("[0].Only"));
        let point = Tagged::Point { at: vec![None, Some(f64::NAN)] };
        assert_eq!(not_finite(&point).as_deref(), Some("at[1]"));
        for finite in [json!({"a": [null, 1.5]}), json!(null)] {
            assert_eq!(not_finite(&finite), None);
        }
        assert_eq!(not_finite(&shapes(1.0)), None);
    }
}
