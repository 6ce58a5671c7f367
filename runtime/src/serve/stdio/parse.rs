//! One line → a message, or the error that answers it. No value of the line stands in the error.

use std::{borrow::Cow, collections::BTreeSet};

#[cfg(feature = "http")]
use rmcp::model::CallToolRequestParams;
use rmcp::model::{ClientJsonRpcMessage, ErrorData, RequestId, ServerJsonRpcMessage};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use super::fast_path;
use crate::text;

/// What a line was.
pub(crate) enum Line {
    Message(Box<ClientJsonRpcMessage>),
    /// Nothing that needs an answer: an empty line, a broken notification or response.
    Nothing,
    Fault(Box<ServerJsonRpcMessage>),
}

/// Whom to answer, when a message cannot be read as a whole.
#[derive(Deserialize)]
struct Address<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Option<&'a RawValue>,
}

/// The parts of a message whose names all differ.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    jsonrpc: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Option<&'a RawValue>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
    result: Option<IgnoredAny>,
    error: Option<IgnoredAny>,
}

/// An `id` of `null` is a wrong id, and no missing one: somebody waits.
fn present<'de: 'a, 'a, D: Deserializer<'de>>(id: D) -> Result<Option<&'a RawValue>, D::Error> {
    Deserialize::deserialize(id).map(Some)
}

/// Reads one line, with or without its newline.
pub(crate) fn line(bytes: &[u8]) -> Line {
    let bytes = bytes.trim_ascii();
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    if bytes.is_empty() {
        return Line::Nothing;
    }
    let Ok(text) = str::from_utf8(bytes) else {
        return fault(ErrorData::parse_error("this message is no UTF-8 (MCP, transports)", None), None);
    };
    match fast_path::read(text).map_or_else(|| serde_json::from_str::<ClientJsonRpcMessage>(text), Ok) {
        Ok(message) => match repeated_name(text) {
            None => Line::Message(Box::new(message)),
            Some(name) => repeated(text, &name),
        },
        Err(error) => explain(text, &error),
    }
}

/// The answer to a line that was not even kept.
pub(crate) fn too_long(most: usize) -> ServerJsonRpcMessage {
    let message = format!("this line is longer than {} MiB", most / (1024 * 1024));
    ServerJsonRpcMessage::error(ErrorData::invalid_request(message, None), None)
}

fn fault(error: ErrorData, id: Option<RequestId>) -> Line {
    Line::Fault(Box::new(ServerJsonRpcMessage::error(error, id)))
}

fn explain(text: &str, error: &serde_json::Error) -> Line {
    if serde_json::from_str::<&RawValue>(text).is_err() {
        return fault(ErrorData::parse_error("this message is no JSON", None), None);
    }
    if text.starts_with('[') {
        return fault(
            ErrorData::invalid_request("JSON-RPC batches are no part of MCP since 2025-06-18", None),
            None,
        );
    }
    if let Some(name) = repeated_name(text) {
        return repeated(text, &name);
    }
    let Ok(envelope) = serde_json::from_str::<Envelope<'_>>(text) else {
        return fault(ErrorData::invalid_request("this is no JSON-RPC message", None), None);
    };
    // Nobody waits for an answer to a notification, nor to an answer.
    let Envelope { id: Some(id), result: None, error: None, .. } = envelope else { return Line::Nothing };
    let id = serde_json::from_str::<RequestId>(id.get()).ok();
    fault(why(&envelope, id.is_some(), &error.to_string()), id)
}

/// What is wrong with a request, whose JSON is sound.
fn why(envelope: &Envelope<'_>, has_id: bool, said: &str) -> ErrorData {
    let starts = |part: Option<&RawValue>, with| part.is_some_and(|part| part.get().starts_with(with));
    if envelope.jsonrpc.is_none_or(|version| version.get() != "\"2.0\"") {
        ErrorData::invalid_request("`jsonrpc` is not \"2.0\"", None)
    } else if !has_id {
        ErrorData::invalid_request("`id` is neither a string nor a whole number of 64 bits", None)
    } else if !starts(envelope.method, '"') {
        ErrorData::invalid_request("this message names no `method`", None)
    } else if said.starts_with("recursion limit") {
        ErrorData::invalid_params("this message nests deeper than 127 levels", None)
    } else if said.starts_with("number out of range") {
        ErrorData::invalid_params("this message holds a number beyond 64-bit floats", None)
    } else if said.contains("hex escape") {
        ErrorData::invalid_params("a string of this message holds half a surrogate pair", None)
    } else if envelope.params.is_some() && !starts(envelope.params, '{') {
        ErrorData::invalid_params("`params` is no object", None)
    } else {
        ErrorData::invalid_params("a field of `params` has the wrong type", None)
    }
}

fn repeated(text: &str, name: &str) -> Line {
    match serde_json::from_str::<Address<'_>>(text) {
        Ok(Address { id: Some(id), method: Some(_) }) => {
            let message = format!(
                "an object names `{}` twice, and readers differ on which one counts",
                text::shown(name)
            );
            fault(ErrorData::invalid_request(message, None), serde_json::from_str(id.get()).ok())
        }
        Ok(_) => Line::Nothing,
        Err(_) => fault(ErrorData::invalid_request("this message names `id` or `method` twice", None), None),
    }
}

/// The id and the parameters of a call; `None` where these bytes are something else, or hold a name twice.
#[cfg(feature = "http")]
pub(crate) fn plain_call(bytes: &[u8]) -> Option<(RequestId, CallToolRequestParams)> {
    let text = str::from_utf8(bytes).ok()?;
    let call = fast_path::plain(text)?;
    repeated_name(text).is_none().then_some(call)
}

/// Whether an object of these bytes, which are JSON, holds a name twice.
#[cfg(feature = "http")]
pub(crate) fn repeats_a_name(bytes: &[u8]) -> bool {
    str::from_utf8(bytes).is_ok_and(|text| repeated_name(text).is_some())
}

/// The first name that an object of `text` holds twice (RFC 8259 §4 leaves open which one counts).
fn repeated_name(text: &str) -> Option<String> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let mut repeated = None;
    // The text was read once without an error, so this cannot fail but on what it looks for.
    let _ = Unique { repeated: &mut repeated }.deserialize(&mut reader);
    repeated
}

/// Walks any value, and stops at the first name met twice in one object.
struct Unique<'a> {
    repeated: &'a mut Option<String>,
}

impl<'de> DeserializeSeed<'de> for Unique<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unique<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut names: BTreeSet<Cow<'de, str>> = BTreeSet::new();
        while let Some(Name(name)) = map.next_key()? {
            if let Some(twice) = names.replace(name) {
                *self.repeated = Some(twice.into_owned());
                return Err(serde::de::Error::custom("repeated"));
            }
            map.next_value_seed(Unique { repeated: &mut *self.repeated })?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(Unique { repeated: &mut *self.repeated })?.is_some() {}
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }
    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }
    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }
    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

/// A name, borrowed from the line where nothing in it is escaped.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);
