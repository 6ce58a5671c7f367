//! Parses one message, or says what is wrong with it. The error holds no value of the message.

use std::{borrow::Cow, collections::BTreeSet};

use rmcp::model::{ClientJsonRpcMessage, ErrorData, RequestId, ServerJsonRpcMessage};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Value, value::RawValue};

use super::{fast_path, malformed, unique::UniqueValue};
use crate::text;

/// The content of a line.
pub(in crate::serve) enum Line {
    Message(Box<ClientJsonRpcMessage>),
    /// An empty line, or a malformed notification or response: no client waits for an answer.
    Nothing,
    Fault(Box<ServerJsonRpcMessage>),
}

/// The parts of a malformed message that an answer needs.
#[derive(Deserialize)]
struct MalformedRequest<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Option<&'a RawValue>,
}

/// The parts of a message, unparsed.
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

/// An `id` of `null` is an invalid id, not a missing one: its sender waits for an answer.
fn present<'de: 'a, 'a, D: Deserializer<'de>>(id: D) -> Result<Option<&'a RawValue>, D::Error> {
    Deserialize::deserialize(id).map(Some)
}

/// Reads one line, with or without its newline.
pub(in crate::serve) fn line(bytes: &[u8]) -> Line {
    let bytes = bytes.trim_ascii();
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    if bytes.is_empty() {
        return Line::Nothing;
    }
    let Ok(text) = str::from_utf8(bytes) else {
        return fault(ErrorData::parse_error("this message is not UTF-8 (MCP, transports)", None), None);
    };
    match fast_path::read(text).map_or_else(|| general(text), Ok) {
        Ok(message) => Line::Message(Box::new(message)),
        Err(error) => explain(text, &error),
    }
}

/// Reads a message of any kind. The text is parsed once; rmcp's reader gets the parsed value.
fn general(text: &str) -> Result<ClientJsonRpcMessage, serde_json::Error> {
    let UniqueValue(value) = serde_json::from_str(text)?;
    if malformed::malformed_unnoticed(&value).is_some() {
        return Err(serde::de::Error::custom("malformed"));
    }
    serde_json::from_value(value)
}

/// The answer to a line that was too long to be read.
pub(in crate::serve) fn too_long(max_bytes: usize) -> ServerJsonRpcMessage {
    let message = format!("this line is longer than {} MiB", max_bytes / (1024 * 1024));
    ServerJsonRpcMessage::error(ErrorData::invalid_request(message, None), None)
}

fn fault(error: ErrorData, id: Option<RequestId>) -> Line {
    Line::Fault(Box::new(ServerJsonRpcMessage::error(error, id)))
}

fn explain(text: &str, error: &serde_json::Error) -> Line {
    if serde_json::from_str::<&RawValue>(text).is_err() {
        return fault(ErrorData::parse_error("this message is not JSON", None), None);
    }
    if text.starts_with('[') {
        return fault(ErrorData::invalid_request("MCP has no JSON-RPC batches since 2025-06-18", None), None);
    }
    if let Some(name) = repeated_name(text) {
        return repeated(text, &name);
    }
    let Ok(envelope) = serde_json::from_str::<Envelope<'_>>(text) else {
        return fault(ErrorData::invalid_request("this is not a JSON-RPC message", None), None);
    };
    // Notifications and responses are not answered.
    let Envelope { id: Some(id), result: None, error: None, .. } = envelope else { return Line::Nothing };
    let id = serde_json::from_str::<RequestId>(id.get()).ok();
    fault(fault_of(&envelope, id.is_some(), &error.to_string()), id)
}

/// Says what is wrong with a request whose JSON is sound.
fn fault_of(envelope: &Envelope<'_>, has_id: bool, error: &str) -> ErrorData {
    let starts = |part: Option<&RawValue>, with| part.is_some_and(|part| part.get().starts_with(with));
    if envelope.jsonrpc.is_none_or(|version| version.get() != "\"2.0\"") {
        ErrorData::invalid_request("`jsonrpc` is not \"2.0\"", None)
    } else if !has_id {
        ErrorData::invalid_request("`id` is neither a string nor a whole number of 64 bits", None)
    } else if !starts(envelope.method, '"') {
        ErrorData::invalid_request("this message has no `method`", None)
    } else if error.starts_with("recursion limit") {
        ErrorData::invalid_params("this message nests deeper than 127 levels", None)
    } else if error.starts_with("number out of range") {
        ErrorData::invalid_params("this message holds a number beyond 64-bit floats", None)
    } else if error.contains("hex escape") {
        ErrorData::invalid_params("a string of this message holds half a surrogate pair", None)
    } else if envelope.params.is_some() && !starts(envelope.params, '{') {
        ErrorData::invalid_params("`params` is not an object", None)
    } else {
        let parse = |part: &RawValue| serde_json::from_str::<Value>(part.get()).ok();
        let [method, params] = [envelope.method, envelope.params].map(|part| part.and_then(parse));
        let method = method.as_ref().and_then(Value::as_str).unwrap_or_default();
        let fault = malformed::malformed(method, params.as_ref());
        let fault = fault.map_or_else(|| "a field of `params` has the wrong type".to_owned(), Into::into);
        ErrorData::invalid_params(fault, None)
    }
}

fn repeated(text: &str, name: &str) -> Line {
    match serde_json::from_str::<MalformedRequest<'_>>(text) {
        Ok(MalformedRequest { id: Some(id), method: Some(_) }) => {
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

/// Finds the first name that an object of `text` holds twice, for the error.
fn repeated_name(text: &str) -> Option<String> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let mut repeated = None;
    // An error of the JSON itself was reported before.
    let _ = Unique { repeated: &mut repeated }.deserialize(&mut reader);
    repeated
}

/// Walks any value, and stops at the first name that an object holds twice.
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
        while let Some(BorrowedName(name)) = map.next_key()? {
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

/// A name, borrowed from the line if it has no escapes.
#[derive(Deserialize)]
struct BorrowedName<'a>(#[serde(borrow)] Cow<'a, str>);
