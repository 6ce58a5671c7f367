//! Replaces the values of a call by digests under the log's own key, except those that reveal nothing about a person.

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Map, Value};
use sha2::Sha256;

use super::record;
use crate::{
    audit::{
        chain::{Hash, sha256},
        hex::{hex, hex_text},
    },
    tool::{
        descriptor::Descriptor,
        output::{Block, Reply},
    },
};

/// The most bytes of arguments that a record holds. Of longer ones it holds a digest and the size.
const MAX_ARGUMENTS_BYTES: usize = 64 * 1024;
/// The prefix of a redacted value.
const HMAC_PREFIX: &str = "hmac:";
/// The digits of a digest in a record: half of them, which RFC 2104 §5 allows, so that records are short.
const DIGITS: usize = 32;

/// Replaces values by digests under the log's key: equal values have equal digests, and no digest reveals its value.
#[derive(Clone)]
pub(crate) struct Redaction {
    keyed: Hmac<Sha256>,
    id: String,
}

impl Redaction {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        let keyed = Hmac::new_from_slice(key).expect("HMAC takes keys of any length");
        // The id reveals nothing about the key.
        let mut id = hex_text(&sha256(&[&b"candor audit redaction key v1\0"[..], key].concat()));
        id.truncate(16);
        Self { keyed, id }
    }

    /// The id of the key.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Returns the text that stands for `value` in a record: `hmac:` and the first 128 bits of HMAC-SHA256 in hexadecimal.
    pub(crate) fn of(&self, value: &[u8]) -> String {
        prefixed(&self.digest(value))
    }

    fn digest(&self, value: &[u8]) -> Hash {
        let mut keyed = self.keyed.clone();
        keyed.update(value);
        keyed.finalize().into_bytes().into()
    }

    fn write(&self, out: &mut Vec<u8>, value: &[u8]) {
        out.push(b'"');
        out.extend_from_slice(HMAC_PREFIX.as_bytes());
        out.extend_from_slice(&hex(&self.digest(value))[..DIGITS]);
        out.push(b'"');
    }

    /// Returns a call's arguments as JSON. Strings and `secret` values are digests. Numbers, booleans and the words that
    /// the schema lists are in clear. `schema` is the tool's input schema.
    pub(crate) fn arguments(
        &self,
        tool: &Descriptor,
        schema: &Map<String, Value>,
        arguments: &Map<String, Value>,
    ) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        out.push(b'{');
        for (name, value) in arguments {
            if out.len() > 1 {
                out.push(b',');
            }
            let param = tool.params.iter().find(|param| param.name == name);
            match param {
                Some(_) => record::string(&mut out, name),
                None => self.write(&mut out, name.as_bytes()),
            }
            out.push(b':');
            if param.is_none_or(|param| param.secret) {
                self.whole(&mut out, value);
            } else {
                let schema = schema.get("properties").and_then(|properties| properties.get(name));
                self.value(&mut out, value, schema);
            }
        }
        out.push(b'}');
        if out.len() > MAX_ARGUMENTS_BYTES { self.summary(&Value::Object(arguments.clone())) } else { out }
    }

    /// Returns one digest and the size of arguments that are too long.
    fn summary(&self, arguments: &Value) -> Vec<u8> {
        let json = arguments.to_string();
        format!("{{\"digest\":\"{}\",\"bytes\":{}}}", self.of(json.as_bytes()), json.len()).into_bytes()
    }

    /// Writes a value as one digest.
    fn whole(&self, out: &mut Vec<u8>, value: &Value) {
        match value {
            Value::String(text) => self.write(out, text.as_bytes()),
            value => self.write(out, value.to_string().as_bytes()),
        }
    }

    fn value(&self, out: &mut Vec<u8>, value: &Value, schema: Option<&Value>) {
        match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => {
                out.extend_from_slice(value.to_string().as_bytes());
            }
            Value::String(text) if schema.is_some_and(|schema| lists(schema, text)) => {
                record::string(out, text);
            }
            Value::String(text) => self.write(out, text.as_bytes()),
            Value::Array(values) => {
                out.push(b'[');
                for (at, value) in values.iter().enumerate() {
                    if at > 0 {
                        out.push(b',');
                    }
                    self.value(out, value, schema.and_then(|schema| schema.get("items")));
                }
                out.push(b']');
            }
            Value::Object(object) => {
                let properties = schema.and_then(|schema| schema.get("properties"));
                out.push(b'{');
                for (at, (key, value)) in object.iter().enumerate() {
                    if at > 0 {
                        out.push(b',');
                    }
                    let schema = properties.and_then(|properties| properties.get(key));
                    // A key that the schema does not list is the caller's text.
                    match schema {
                        Some(_) => record::string(out, key),
                        None => self.write(out, key.as_bytes()),
                    }
                    out.push(b':');
                    self.value(out, value, schema);
                }
                out.push(b'}');
            }
        }
    }

    /// Returns the digest of a reply, for [`prefixed`], and its size in bytes.
    pub(crate) fn result(&self, reply: &Reply) -> (Hash, u64) {
        let (mut keyed, mut bytes) = (self.keyed.clone(), 0);
        for block in &reply.content {
            let parts: [&str; 4] = match block.plain() {
                // Annotations are hints, and `plain` removes them.
                Block::Annotated { .. } => continue,
                Block::Text(text) => ["text", text, "", ""],
                Block::Image { data, mime_type } => ["image", data, mime_type, ""],
                Block::Audio { data, mime_type } => ["audio", data, mime_type, ""],
                Block::Resource { uri, mime_type, text } => {
                    ["resource", text, mime_type.as_deref().unwrap_or_default(), uri]
                }
                Block::Blob { uri, mime_type, data } => {
                    ["blob", data, mime_type.as_deref().unwrap_or_default(), uri]
                }
                Block::ResourceLink { uri, name, mime_type } => {
                    ["link", name, mime_type.as_deref().unwrap_or_default(), uri]
                }
            };
            bytes += update(&mut keyed, parts);
        }
        // Data that the content does not repeat.
        if let Some(json) = &reply.json {
            bytes += update(&mut keyed, ["json", json, "", ""]);
        }
        (keyed.finalize().into_bytes().into(), bytes)
    }
}

/// Adds the parts of a block to a digest. Returns the size of the second, its content.
fn update(keyed: &mut Hmac<Sha256>, parts: [&str; 4]) -> u64 {
    for part in parts {
        keyed.update(&(part.len() as u64).to_be_bytes());
        keyed.update(part.as_bytes());
    }
    parts[1].len() as u64
}

/// Returns a digest under a log's key as it is written in a record.
pub(crate) fn prefixed(digest: &Hash) -> String {
    format!("{HMAC_PREFIX}{}", &hex_text(digest)[..DIGITS])
}

/// Whether a schema lists `text` among the values that it allows. Such a value is the server's own and not a secret.
fn lists(schema: &Value, text: &str) -> bool {
    let among = |key: &str| {
        let options = schema.get(key).and_then(Value::as_array);
        options.is_some_and(|options| options.iter().any(|option| lists(option, text)))
    };
    schema.get("const").and_then(Value::as_str) == Some(text)
        || schema
            .get("enum")
            .and_then(Value::as_array)
            .is_some_and(|values| values.iter().any(|value| value == text))
        || among("anyOf")
        || among("oneOf")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::{
        audit::write::redact::*,
        tool::{args::Argument, descriptor::Param},
    };

    const TOOL: Descriptor = Descriptor {
        params: &[
            Param { name: "name", ..String::PARAM },
            Param { name: "more", ..Value::PARAM },
            Param { name: "pin", secret: true, ..u32::PARAM },
        ],
        ..Descriptor::DEFAULT
    };

    fn redacted(arguments: Value) -> String {
        let schema = json!({"properties": {
            "name": {"enum": ["sea", "yard"]},
            "more": {"properties": {"known": {"items": {"oneOf": [{"const": "a"}]}}}},
        }});
        let Value::Object(arguments) = arguments else { unreachable!() };
        let redaction = Redaction::new(&[7; 32]);
        String::from_utf8(redaction.arguments(&TOOL, schema.as_object().unwrap(), &arguments)).unwrap()
    }

    #[test]
    fn redaction_keeps_numbers_and_values_that_the_schema_lists() {
        let hmac = |value: &str| format!("\"{}\"", Redaction::new(&[7; 32]).of(value.as_bytes()));
        assert_eq!(redacted(json!({"name": "sea"})), r#"{"name":"sea"}"#);
        assert_eq!(redacted(json!({"name": "Sea"})), format!(r#"{{"name":{}}}"#, hmac("Sea")));
        assert_eq!(redacted(json!({"pin": 4711})), format!(r#"{{"pin":{}}}"#, hmac("4711")));
        assert_eq!(redacted(json!({"more": [1.5, true, null]})), r#"{"more":[1.5,true,null]}"#);
        assert_eq!(
            redacted(json!({"more": {"known": ["a", "b"], "own": 1}})),
            format!(r#"{{"more":{{"known":["a",{}],{}:1}}}}"#, hmac("b"), hmac("own"))
        );
        assert_eq!(redacted(json!({"stray": "x"})), format!("{{{}:{}}}", hmac("stray"), hmac("x")));
    }

    #[test]
    fn redaction_of_long_arguments_is_a_digest_and_a_size() {
        let many = json!({"more": vec![1; 100_000]});
        let bytes = many.to_string().len();
        let text = redacted(many);
        assert!(
            text.starts_with("{\"digest\":\"hmac:") && text.ends_with(&format!("\"bytes\":{bytes}}}")),
            "{text}"
        );
    }

    #[test]
    fn redaction_is_hmac_sha256_under_its_own_key() {
        let (a, b) = (Redaction::new(&[1; 32]), Redaction::new(&[2; 32]));
        assert_ne!(a.of(b"AAPL"), b.of(b"AAPL"));
        assert_ne!(a.id(), b.id());
        // The first digits of `printf AAPL | openssl dgst -sha256 -mac HMAC -macopt hexkey:0101…`.
        assert_eq!(a.of(b"AAPL"), "hmac:05c93befc87566a17a317544a5d813ed");
    }
}
