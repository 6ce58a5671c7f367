//! Generates the messages of clients: valid ones, mutated ones and absurd ones. One seed gives the same messages each time.

use serde_json::{Map, Value, json, value::RawValue};

use crate::messages::metadata;

/// A generator of messages, which are all different.
pub struct WireGenerator {
    random: Random,
    /// The revision of the requests.
    revision: &'static str,
    next_id: u64,
}

/// The answer that a message must get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// None: it is a notification, a response, or an empty line. A response that has a method, too, is one.
    Nothing,
    /// One with this id, which is null if the message's own cannot be read.
    Answer(Value),
}

/// A pseudo-random sequence (`SplitMix64`), which is the same on every machine.
pub struct Random(u64);

impl Random {
    /// Starts the sequence of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// Returns a number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end.max(1) as u64).expect("it is smaller than `end`")
    }

    /// Returns one of the items.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
}

impl WireGenerator {
    /// Starts the messages of a seed.
    pub fn new(seed: u64, revision: &'static str) -> Self {
        Self { random: Random::new(seed), revision, next_id: 0 }
    }

    /// Returns the sequence that decides about the messages, for decisions beside them.
    pub fn random(&mut self) -> &mut Random {
        &mut self.random
    }

    /// Returns the next message: a line without its end.
    pub fn message(&mut self) -> Vec<u8> {
        let mut value = self.valid();
        // Half of the messages are valid. The others have up to three faults.
        let faults = [0, 0, 0, 1, 1, 2, 3][self.random.below(7)];
        for _ in 0..faults {
            self.mutate(&mut value);
        }
        let mut bytes = value.to_string().into_bytes();
        if self.random.below(4) == 0 {
            self.mutate_text(&mut bytes);
        }
        bytes.retain(|byte| *byte != b'\n');
        bytes
    }

    /// Returns a valid message.
    fn valid(&mut self) -> Value {
        let method = *self.random.pick(METHODS);
        let mut params = match method {
            "tools/call" => {
                let name =
                    *self.random.pick(&["test_error_handling", "test_simple_text", "no_such_tool", ""]);
                json!({"name": name, "arguments": {}})
            }
            "prompts/get" => json!({"name": "test_simple_prompt"}),
            "resources/read" | "resources/subscribe" | "resources/unsubscribe" => {
                json!({"uri": "test://static-text"})
            }
            "completion/complete" => json!({
                "ref": {"type": "ref/prompt", "name": "test_prompt_with_arguments"},
                "argument": {"name": "arg1", "value": "a"},
            }),
            "logging/setLevel" => json!({"level": "error"}),
            "tasks/get" | "tasks/cancel" => json!({"taskId": "none"}),
            "tasks/update" => json!({"taskId": "none", "inputResponses": {}}),
            "notifications/cancelled" => json!({"requestId": "none"}),
            "notifications/progress" => json!({"progressToken": "none", "progress": 1}),
            "initialize" => json!({
                "protocolVersion": self.revision, "capabilities": {}, "clientInfo": {"name": "x", "version": "1"},
            }),
            _ => json!({}),
        };
        if self.revision >= "2026-07-28" {
            params["_meta"] = metadata(self.revision, &json!({}));
        }
        let mut message = json!({"jsonrpc": "2.0", "method": method, "params": params});
        // Some notifications have an id, and some requests have none.
        if method.starts_with("notifications/") == (self.random.below(10) == 0) {
            message["id"] = self.id();
        }
        if self.random.below(20) == 0 {
            message = match self.random.below(2) {
                0 => json!({"jsonrpc": "2.0", "id": self.id(), "result": {}}),
                _ => json!({"jsonrpc": "2.0", "id": self.id(), "error": {"code": 1, "message": "no"}}),
            };
        }
        message
    }

    /// Returns an id that no other message has.
    fn id(&mut self) -> Value {
        self.next_id += 1;
        if self.random.below(2) == 0 { json!(self.next_id) } else { json!(format!("id {}", self.next_id)) }
    }

    /// Changes one part of a message.
    fn mutate(&mut self, value: &mut Value) {
        let at = self.random.below(count(value));
        let absurd = self.absurd();
        let (kind, name) = (self.random.below(6), self.random.below(1_000));
        let part = nth(value, at).expect("there are as many parts");
        match (kind, part) {
            (0 | 1, Value::Object(object)) if !object.is_empty() => {
                let name = object.keys().nth(name % object.len()).expect("it has a name").clone();
                let value = object.remove(&name);
                if let (1, Some(value)) = (kind, value) {
                    object.insert(format!("{name}x"), value);
                }
            }
            (2, Value::Object(object)) => _ = object.insert("more".to_owned(), absurd),
            (3, part) => *part = json!([part.take()]),
            (_, part) => *part = absurd,
        }
    }

    /// Returns a value that no field expects.
    fn absurd(&mut self) -> Value {
        match self.random.below(14) {
            0 => Value::Null,
            1 => json!(true),
            2 => json!(-1),
            3 => json!(1.5),
            4 => json!(1e308),
            5 => json!(u64::MAX),
            6 => json!(i64::MIN),
            7 => json!(""),
            8 => json!("x".repeat(20_000)),
            9 => json!("\u{0}\u{7f}\u{202e}\u{feff}"),
            10 => json!([]),
            11 => json!({}),
            12 => (0..self.random.below(200)).fold(json!(1), |inner, _| json!([inner])),
            _ => json!({"a": {"b": [null, {"c": "d"}]}}),
        }
    }

    /// Changes the text of a message.
    fn mutate_text(&mut self, text: &mut Vec<u8>) {
        let at = self.random.below(text.len());
        match self.random.below(11) {
            0 => text.truncate(at),
            1 => drop(text.drain(..at)),
            2 => text[at] = *self.random.pick(b"\xff\x00{}[]\",:0\\"),
            3 => drop(text.splice(0..0, *b"\xEF\xBB\xBF")),
            4 => drop(text.splice(0..0, *b" \t ")),
            5 => text.extend(*b" \t\r"),
            6 => text.extend(*b"}"),
            7 if text.starts_with(b"{") => drop(text.splice(1..1, *b"\"id\":1,")),
            8 if text.starts_with(b"{") => drop(text.splice(1..1, *b"\"method\":\"ping\",")),
            9 if text.starts_with(b"{") => drop(text.splice(1..1, *b"\"more\":1e999,")),
            _ if text.starts_with(b"{") => drop(text.splice(1..1, *b"\"more\":\"\\ud800\",")),
            _ => text.clear(),
        }
    }
}

const METHODS: &[&str] = &[
    "ping",
    "initialize",
    "server/discover",
    "tools/list",
    "tools/call",
    "prompts/list",
    "prompts/get",
    "resources/list",
    "resources/templates/list",
    "resources/read",
    "resources/subscribe",
    "resources/unsubscribe",
    "completion/complete",
    "logging/setLevel",
    "tasks/get",
    "tasks/cancel",
    "tasks/update",
    "no/such/method",
    "notifications/initialized",
    "notifications/cancelled",
    "notifications/progress",
    "notifications/no_such",
];

/// Counts the parts of a value: itself, and all values inside.
fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(object) => object.values().map(count).sum(),
        _ => 0,
    }
}

/// Returns a part of a value.
fn nth(value: &mut Value, mut at: usize) -> Option<&mut Value> {
    if at == 0 {
        return Some(value);
    }
    at -= 1;
    let parts: Box<dyn Iterator<Item = &mut Value>> = match value {
        Value::Array(items) => Box::new(items.iter_mut()),
        Value::Object(object) => Box::new(object.values_mut()),
        _ => return None,
    };
    for part in parts {
        let count = count(part);
        if at < count {
            return nth(part, at);
        }
        at -= count;
    }
    None
}

/// Says what answer a message must get, by a reading of its own.
pub fn expected(message: &[u8]) -> Expected {
    let message = message.trim_ascii();
    let message = message.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(message);
    if message.is_empty() {
        return Expected::Nothing;
    }
    let unreadable = Expected::Answer(Value::Null);
    let Ok(Fields(fields)) = serde_json::from_slice(message) else { return unreadable };
    let values =
        |name: &'static str| fields.iter().filter(move |(field, _)| field == name).map(|(_, value)| value);
    let (ids, methods) = (values("id").count(), values("method").count());
    if ids > 1 || methods > 1 {
        return unreadable;
    }
    let is_response = values("result").count() + values("error").count() > 0;
    match values("id").next() {
        Some(id) if !is_response => Expected::Answer(read_id(id.get())),
        _ => Expected::Nothing,
    }
}

/// Reads an id: a string, or a whole number of 64 bits.
fn read_id(text: &str) -> Value {
    let number = text.parse::<i64>().ok().map(Value::from);
    number.or_else(|| serde_json::from_str::<String>(text).ok().map(Value::from)).unwrap_or_default()
}

/// The names and values of an object, in order, each as often as it occurs.
struct Fields(Vec<(String, Box<RawValue>)>);

impl<'de> serde::Deserialize<'de> for Fields {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Fields;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

/// Checks the shape of an answer: a result that is an object, or an error with a code and a message.
pub fn assert_answer_shape(answer: &Value) {
    let object: &Map<String, Value> = answer.as_object().unwrap_or_else(|| panic!("{answer}"));
    assert_eq!(object["jsonrpc"], "2.0", "{answer}");
    let names: Vec<&str> = object.keys().map(String::as_str).collect();
    match names[..] {
        ["id", "jsonrpc", "result"] => assert!(object["result"].is_object(), "{answer}"),
        ["error", "id", "jsonrpc"] | ["error", "jsonrpc"] => {
            let error = &object["error"];
            assert!(error["code"].is_i64() && error["message"].is_string(), "{answer}");
        }
        _ => panic!("{answer}"),
    }
}
