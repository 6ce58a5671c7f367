//! Reads a caller's key from its carriers, and digests the key and the call.

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use crate::{
    canonical,
    message::Message,
    registry::KEY_ARGUMENT,
    store::ScopedKey,
    tool::{caller::Caller, descriptor::Descriptor},
    wire_names::IDEMPOTENCY_KEY,
};

/// The help for a malformed key.
const GRAMMAR: &str = "send 16 to 255 of `A-Z a-z 0-9 _ . : -`, for example a UUID";

/// The key of a call as the transport received it.
#[derive(Clone, Default)]
pub(crate) struct SentKey {
    /// The value in `_meta`.
    pub(crate) meta: Option<Value>,
    /// The values of the header `Idempotency-Key`.
    pub(crate) headers: Vec<Box<[u8]>>,
}

impl SentKey {
    /// Returns the key of the call, which may also come as an `argument`. All carriers must agree.
    pub(crate) fn read(&self, argument: Option<Value>) -> Result<Option<String>, Message> {
        let meta = self.meta.as_ref().map(|sent| {
            let carrier = format!("`_meta[\"{IDEMPOTENCY_KEY}\"]`");
            text(sent).ok_or_else(|| malformed(&carrier))
        });
        let headers = self
            .headers
            .iter()
            .map(|sent| header(sent).ok_or_else(|| malformed("the header `Idempotency-Key`")));
        // Models that must name every parameter send `null` for one that they leave out.
        let argument = argument
            .filter(|sent| !sent.is_null())
            .map(|sent| text(&sent).ok_or_else(|| malformed(&format!("the argument `{KEY_ARGUMENT}`"))));
        let mut keys = meta.into_iter().chain(headers).chain(argument);
        let Some(first) = keys.next().transpose()? else { return Ok(None) };
        for other in keys {
            if other? != first {
                return Err(Message::new("this call carries two idempotency keys that differ")
                    .help("send the key once, or the same key everywhere"));
            }
        }
        Ok(Some(first))
    }
}

fn malformed(carrier: &str) -> Message {
    Message::new(format!("{carrier} is not a valid idempotency key")).help(GRAMMAR)
}

/// Reads a key that is a JSON string.
fn text(sent: &Value) -> Option<String> {
    sent.as_str().filter(|key| is_valid(key)).map(str::to_owned)
}

/// Reads a key that is a header's value: a string of RFC 8941 in quotes, as the draft of the header defines it, or bare, as
/// most clients send it.
fn header(sent: &[u8]) -> Option<String> {
    let sent = str::from_utf8(sent).ok()?.trim_matches([' ', '\t']);
    let bare = match sent.strip_prefix('"') {
        // No character of a key is escaped in a string.
        Some(quoted) => quoted.strip_suffix('"')?,
        None => sent,
    };
    is_valid(bare).then(|| bare.to_owned())
}

/// Checks the grammar of a key.
fn is_valid(key: &str) -> bool {
    (16..=255).contains(&key.len())
        && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b':' | b'-'))
}

/// Returns the digests under which a store keeps a caller's key. A key belongs to one caller, whatever its scopes.
pub(crate) fn scoped(caller: &Caller, key: &str) -> ScopedKey {
    let identity = caller.identity();
    let mut hash = Sha256::new_with_prefix("candor idempotency v1\0");
    // A missing issuer is an empty text, which is not a URL.
    for part in [identity.issuer.unwrap_or_default(), identity.subject] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let caller = hash.clone().finalize().into();
    hash.update(key);
    ScopedKey { caller, key: hash.finalize().into() }
}

/// Returns the digest of a call: the tool and the arguments as sent, without `volatile` ones. Neither the order of members
/// nor escapes nor the notation of numbers matter, and a missing argument differs from `null`.
pub(crate) fn fingerprint(tool: &Descriptor, arguments: &Map<String, Value>) -> [u8; 32] {
    let is_volatile = |name: &str| tool.params.iter().any(|param| param.volatile && param.name == name);
    let mut text = String::with_capacity(256);
    text.push_str("{\"arguments\":");
    canonical::object(arguments, |name| !is_volatile(name), &mut text);
    text.push_str(",\"tool\":");
    canonical::string(tool.name, &mut text);
    text.push('}');
    Sha256::digest(text).into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::{
        idempotency::key::*,
        tool::{args::Argument as _, descriptor::Param},
    };

    const KEY: &str = "0123456789abcdef";

    fn sent(meta: Option<Value>, headers: &[&str]) -> SentKey {
        SentKey { meta, headers: headers.iter().map(|value| value.as_bytes().into()).collect() }
    }

    #[test]
    fn key_is_read_from_each_carrier() {
        let quoted = format!("\"{KEY}\"");
        for (key, argument) in [
            (sent(Some(json!(KEY)), &[]), None),
            (sent(None, &[KEY]), None),
            (sent(None, &[&quoted]), None),
            (sent(None, &[&format!("  {quoted}\t")]), None),
            (sent(None, &[]), Some(json!(KEY))),
            (sent(Some(json!(KEY)), &[&quoted, KEY]), Some(json!(KEY))),
            (sent(Some(json!(KEY)), &[]), Some(Value::Null)),
        ] {
            assert_eq!(key.read(argument).unwrap().as_deref(), Some(KEY));
        }
        assert_eq!(sent(None, &[]).read(None), Ok(None));
        assert_eq!(sent(None, &[]).read(Some(Value::Null)), Ok(None));
        let longest = "x".repeat(255);
        assert_eq!(sent(Some(json!(longest)), &[]).read(None).unwrap(), Some(longest));
    }

    #[test]
    fn malformed_key_is_refused_and_never_repeated() {
        let long = "x".repeat(256);
        let malformed =
            ["", "0123456789abcde", &long, "0123456789 abcdef", "0123456789\u{7}abcdef", "0123456789äbcdef"];
        for wrong in malformed {
            for key in [sent(Some(json!(wrong)), &[]), sent(None, &[wrong])] {
                let message = key.read(None).unwrap_err().to_string();
                assert!(message.contains("not a valid idempotency key"), "{message}");
                assert!(wrong.is_empty() || !message.contains(wrong), "{message}");
            }
            assert!(sent(None, &[]).read(Some(json!(wrong))).is_err());
        }
        for wrong in [json!(7), json!([KEY]), json!({"key": KEY}), json!(true), Value::Null] {
            assert!(sent(Some(wrong.clone()), &[]).read(None).is_err(), "{wrong}");
        }
        for wrong in
            ["\"0123456789abcdef", "0123456789abcdef\"", "\"0123456789abcdef\";a=1", "'0123456789abcdef'"]
        {
            assert!(sent(None, &[wrong]).read(None).is_err(), "{wrong}");
        }
    }

    #[test]
    fn keys_that_differ_are_refused() {
        let other = "fedcba9876543210";
        for (key, argument) in [
            (sent(Some(json!(KEY)), &[other]), None),
            (sent(None, &[KEY, other]), None),
            (sent(Some(json!(KEY)), &[]), Some(json!(other))),
            (sent(None, &[KEY]), Some(json!(other))),
        ] {
            let message = key.read(argument).unwrap_err().to_string();
            assert!(message.contains("two idempotency keys") && !message.contains(other), "{message}");
        }
    }

    #[test]
    fn key_belongs_to_its_caller() {
        let callers = [
            Caller::local::<&str>([]),
            Caller::new(None, "ada", [""; 0]),
            Caller::new(Some("https://a.example"), "ada", [""; 0]),
            Caller::new(Some("https://b.example"), "ada", [""; 0]),
        ];
        let keys: std::collections::HashSet<_> = callers.iter().map(|caller| scoped(caller, KEY)).collect();
        assert_eq!(keys.len(), callers.len());
        assert_eq!(scoped(&callers[1], KEY), scoped(&Caller::new(None, "ada", ["more"]), KEY));
        assert_eq!(scoped(&callers[1], KEY).caller, scoped(&callers[1], "another key of hers").caller);
    }

    const TOOL: Descriptor = Descriptor {
        name: "order",
        params: &[
            Param { name: "item", ..Value::PARAM },
            Param { name: "at", volatile: true, ..Value::PARAM },
        ],
        ..Descriptor::DEFAULT
    };

    fn of(arguments: &str) -> [u8; 32] {
        fingerprint(&TOOL, &serde_json::from_str(arguments).unwrap())
    }

    #[test]
    fn fingerprint_ignores_notation_and_volatile_arguments() {
        let call = of(r#"{"item":{"a":1,"é":[1e2]}}"#);
        assert_eq!(call, of(r#"{ "item" : { "\u00e9": [100.0], "\u0061": 1.0 } }"#));
        assert_eq!(call, of(r#"{"at":"now","item":{"a":1,"é":[100]}}"#));
        assert_ne!(call, fingerprint(&Descriptor { name: "cancel", ..TOOL }, &Map::new()));
    }

    #[test]
    fn fingerprint_tells_values_apart() {
        let calls = [
            "{}",
            r#"{"item":null}"#,
            r#"{"item":0}"#,
            r#"{"item":"0"}"#,
            r#"{"item":[]}"#,
            r#"{"item":{}}"#,
            r#"{"item":false}"#,
            r#"{"item":[1,2]}"#,
            r#"{"item":[2,1]}"#,
            r#"{"item":9007199254740993}"#,
            r#"{"item":9007199254740992}"#,
        ];
        let digests: std::collections::HashSet<_> = calls.iter().map(|call| of(call)).collect();
        assert_eq!(digests.len(), calls.len());
    }
}
