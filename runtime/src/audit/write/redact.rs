//! A call's values → what a record may hold of them: digests under the log's own key, and what says nothing of anybody.

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

/// The most bytes of arguments that a record holds; of more it holds a digest and the size.
const LONGEST: usize = 64 * 1024;
/// What a redacted value begins with.
const MARK: &str = "hmac:";

/// The key of a log that makes equal values equal and readable values unreadable.
#[derive(Clone)]
pub(crate) struct Redaction {
    keyed: Hmac<Sha256>,
    id: String,
}

impl Redaction {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        let keyed = Hmac::new_from_slice(key).expect("HMAC takes keys of any length");
        // What names the key tells nothing of it.
        let mut id = hex_text(&sha256(&[&b"candor audit redaction key v1\0"[..], key].concat()));
        id.truncate(16);
        Self { keyed, id }
    }

    /// The name of the key.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// What stands for `value` in a record: `hmac:` and HMAC-SHA256 in hexadecimal.
    pub(crate) fn of(&self, value: &[u8]) -> String {
        marked(&self.digest(value))
    }

    fn digest(&self, value: &[u8]) -> Hash {
        let mut keyed = self.keyed.clone();
        keyed.update(value);
        keyed.finalize().into_bytes().into()
    }

    fn write(&self, out: &mut Vec<u8>, value: &[u8]) {
        out.push(b'"');
        out.extend_from_slice(MARK.as_bytes());
        out.extend_from_slice(&hex(&self.digest(value)));
        out.push(b'"');
    }

    /// A call's arguments as JSON: strings and whatever is `secret` as digests; numbers, truth values and the words
    /// that the schema itself lists in clear. `schema` is the tool's input schema.
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
        if out.len() > LONGEST { self.summary(&Value::Object(arguments.clone())) } else { out }
    }

    /// Arguments that fit no schema, or too many of them: one digest and the size.
    pub(crate) fn summary(&self, arguments: &Value) -> Vec<u8> {
        let json = arguments.to_string();
        format!("{{\"digest\":\"{}\",\"bytes\":{}}}", self.of(json.as_bytes()), json.len()).into_bytes()
    }

    /// A value of which nothing stands in clear.
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
            Value::String(word) if schema.is_some_and(|schema| lists(schema, word)) => {
                record::string(out, word);
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
                let known = schema.and_then(|schema| schema.get("properties"));
                out.push(b'{');
                for (at, (key, value)) in object.iter().enumerate() {
                    if at > 0 {
                        out.push(b',');
                    }
                    let of_key = known.and_then(|known| known.get(key));
                    // A key that the schema does not name is the caller's own word.
                    match of_key {
                        Some(_) => record::string(out, key),
                        None => self.write(out, key.as_bytes()),
                    }
                    out.push(b':');
                    self.value(out, value, of_key);
                }
                out.push(b'}');
            }
        }
    }

    /// The digest of what a call answered, to be [`marked`], and its size in bytes.
    pub(crate) fn result(&self, reply: &Reply) -> (Hash, u64) {
        let (mut keyed, mut bytes) = (self.keyed.clone(), 0);
        for block in &reply.content {
            let parts: [&str; 4] = match block {
                Block::Text(text) => ["text", text, "", ""],
                Block::Image { data, mime_type } => ["image", data, mime_type, ""],
                Block::Audio { data, mime_type } => ["audio", data, mime_type, ""],
                Block::Resource { uri, mime_type, text } => {
                    ["resource", text, mime_type.as_deref().unwrap_or_default(), uri]
                }
                Block::ResourceLink { uri, name, mime_type } => {
                    ["link", name, mime_type.as_deref().unwrap_or_default(), uri]
                }
            };
            for part in parts {
                keyed.update(&(part.len() as u64).to_be_bytes());
                keyed.update(part.as_bytes());
            }
            bytes += parts[1].len() as u64;
        }
        (keyed.finalize().into_bytes().into(), bytes)
    }
}

/// A digest under a log's key as it stands in a record.
pub(crate) fn marked(digest: &Hash) -> String {
    format!("{MARK}{}", hex_text(digest))
}

/// Whether a schema lists `word` among the values it allows: then it is the server's word, and everybody can read it.
fn lists(schema: &Value, word: &str) -> bool {
    let among = |key: &str| {
        let options = schema.get(key).and_then(Value::as_array);
        options.is_some_and(|options| options.iter().any(|option| lists(option, word)))
    };
    schema.get("const").and_then(Value::as_str) == Some(word)
        || schema
            .get("enum")
            .and_then(Value::as_array)
            .is_some_and(|values| values.iter().any(|value| value == word))
        || among("anyOf")
        || among("oneOf")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::{audit::write::redact::*, tool::args::param};

    const TOOL: Descriptor = Descriptor {
        params: &[
            param::<String>("name", ""),
            param::<Value>("more", ""),
            crate::tool::descriptor::Param { secret: true, ..param::<u32>("pin", "") },
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
    fn only_what_the_schema_lists_and_numbers_stand_in_clear() {
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
    fn many_arguments_are_a_digest_and_a_size() {
        let many = json!({"more": vec![1; 100_000]});
        let bytes = many.to_string().len();
        let text = redacted(many);
        assert!(
            text.starts_with("{\"digest\":\"hmac:") && text.ends_with(&format!("\"bytes\":{bytes}}}")),
            "{text}"
        );
    }

    #[test]
    fn another_key_gives_another_digest_and_another_name() {
        let (a, b) = (Redaction::new(&[1; 32]), Redaction::new(&[2; 32]));
        assert_ne!(a.of(b"AAPL"), b.of(b"AAPL"));
        assert_ne!(a.id(), b.id());
        // RFC 4231 speaks of longer keys; this is `openssl dgst -sha256 -mac HMAC`.
        assert_eq!(a.of(b"AAPL"), Redaction::new(&[1; 32]).of(b"AAPL"));
    }
}
