//! Writes a reply as the text that a store keeps, and reads it again.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value};

use crate::{
    store::StoredResult,
    tool::{
        error::ToolError,
        output::{Annotations, Audience, Block, Reply},
    },
};

/// The largest result that is kept. Of a larger one the store has a digest.
const MAX_STORED_BYTES: usize = 256 * 1024;

#[derive(Serialize, Deserialize)]
struct ReplyForm {
    content: Vec<BlockForm>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    structured: Option<Value>,
    /// The bits of every float in `structured`, in order, which holds zeros in their place: reading JSON changes the last
    /// digit of some.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    floats: Vec<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    json: Option<String>,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    meta: Map<String, Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<ErrorForm>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum BlockForm {
    Text(String),
    Image { data: String, mime_type: String },
    Audio { data: String, mime_type: String },
    Resource { uri: String, mime_type: Option<String>, text: String },
    ResourceLink { uri: String, name: String, mime_type: Option<String> },
    Blob { uri: String, mime_type: Option<String>, data: String },
    Annotated { block: Box<BlockForm>, audience: Vec<AudienceForm>, priority: Option<f32> },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum AudienceForm {
    User,
    Assistant,
}

#[derive(Serialize, Deserialize)]
struct ErrorForm {
    message: String,
    reason: Option<String>,
    retry_after_ms: Option<u64>,
}

/// Returns what a store keeps of a reply.
pub(crate) fn store_reply(reply: &Reply) -> StoredResult {
    let (mut structured, mut floats) = (reply.structured.clone(), Vec::new());
    if let Some(structured) = &mut structured {
        take_floats(structured, &mut floats);
    }
    let form = ReplyForm {
        content: reply.content.iter().cloned().map(BlockForm::from).collect(),
        structured,
        floats,
        json: reply.json.clone(),
        meta: reply.meta.clone(),
        error: reply.error.as_ref().map(|error| ErrorForm {
            message: error.message().to_owned(),
            reason: error.reason_code().map(str::to_owned),
            retry_after_ms: error.wait().map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
        }),
    };
    let text = serde_json::to_string(&form).expect("JSON values have string keys");
    if text.len() > MAX_STORED_BYTES {
        return StoredResult::digest(text.as_bytes());
    }
    StoredResult::Kept(text.into())
}

/// Reads a reply that was kept; `None` if it is not one.
pub(crate) fn read_reply(text: &str) -> Option<Reply> {
    let ReplyForm { content, mut structured, floats, json, meta, error } = serde_json::from_str(text).ok()?;
    if let Some(structured) = &mut structured {
        restore_floats(structured, &mut floats.into_iter());
    }
    let error = error.map(|ErrorForm { message, reason, retry_after_ms }| {
        let error = ToolError::new(message);
        let error = match reason {
            Some(reason) => error.reason(reason),
            None => error,
        };
        match retry_after_ms {
            Some(wait) => error.retry_after(Duration::from_millis(wait)),
            None => error,
        }
    });
    let content = content.into_iter().map(Block::from).collect();
    Some(Reply { content, structured, json, meta, error, replayed: false })
}

fn take_floats(value: &mut Value, floats: &mut Vec<u64>) {
    match value {
        Value::Number(number) if number.is_f64() => {
            floats.extend(number.as_f64().map(f64::to_bits));
            *value = Value::from(0.0);
        }
        Value::Array(values) => values.iter_mut().for_each(|value| take_floats(value, floats)),
        Value::Object(members) => members.values_mut().for_each(|value| take_floats(value, floats)),
        _ => {}
    }
}

fn restore_floats(value: &mut Value, floats: &mut impl Iterator<Item = u64>) {
    match value {
        Value::Number(number) if number.is_f64() => {
            if let Some(exact) = floats.next().and_then(|bits| Number::from_f64(f64::from_bits(bits))) {
                *number = exact;
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| restore_floats(value, floats)),
        Value::Object(members) => members.values_mut().for_each(|value| restore_floats(value, floats)),
        _ => {}
    }
}

impl From<Block> for BlockForm {
    fn from(block: Block) -> Self {
        match block {
            Block::Text(text) => Self::Text(text),
            Block::Image { data, mime_type } => Self::Image { data, mime_type },
            Block::Audio { data, mime_type } => Self::Audio { data, mime_type },
            Block::Resource { uri, mime_type, text } => Self::Resource { uri, mime_type, text },
            Block::ResourceLink { uri, name, mime_type } => Self::ResourceLink { uri, name, mime_type },
            Block::Blob { uri, mime_type, data } => Self::Blob { uri, mime_type, data },
            Block::Annotated { block, annotations: Annotations { audience, priority } } => {
                let audience = audience.into_iter().map(|reader| match reader {
                    Audience::User => AudienceForm::User,
                    Audience::Assistant => AudienceForm::Assistant,
                });
                Self::Annotated { block: Box::new((*block).into()), audience: audience.collect(), priority }
            }
        }
    }
}

impl From<BlockForm> for Block {
    fn from(form: BlockForm) -> Self {
        match form {
            BlockForm::Text(text) => Self::Text(text),
            BlockForm::Image { data, mime_type } => Self::Image { data, mime_type },
            BlockForm::Audio { data, mime_type } => Self::Audio { data, mime_type },
            BlockForm::Resource { uri, mime_type, text } => Self::Resource { uri, mime_type, text },
            BlockForm::ResourceLink { uri, name, mime_type } => Self::ResourceLink { uri, name, mime_type },
            BlockForm::Blob { uri, mime_type, data } => Self::Blob { uri, mime_type, data },
            BlockForm::Annotated { block, audience, priority } => {
                let audience = audience.into_iter().map(|reader| match reader {
                    AudienceForm::User => Audience::User,
                    AudienceForm::Assistant => Audience::Assistant,
                });
                let annotations = Annotations { audience: audience.collect(), priority };
                Self::Annotated { block: Box::new((*block).into()), annotations }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::idempotency::stored_reply::*;

    fn read_again(reply: &Reply) -> Reply {
        let StoredResult::Kept(text) = store_reply(reply) else { panic!("it is small") };
        read_reply(&text).unwrap()
    }

    #[test]
    fn reply_is_read_as_it_was_stored() {
        let link = Block::ResourceLink { uri: "u".into(), name: "n".into(), mime_type: None };
        let resource = Block::Resource { uri: "u".into(), mime_type: Some("m".into()), text: "t".into() };
        let image = Block::Image { data: "d".into(), mime_type: "m".into() };
        let audio = Block::Audio { data: "d".into(), mime_type: "m".into() };
        let blob = Block::Blob { uri: "u".into(), mime_type: None, data: "d".into() };
        let annotations = Annotations { audience: vec![Audience::User], priority: Some(0.3) };
        let blob = Block::Annotated { block: Box::new(blob), annotations };
        let content = vec![Block::Text("ä\n".into()), image, audio, resource, link, blob];
        let structured = Some(json!({"b": [1, -2, null, true, "x"], "a": {"c": u64::MAX}}));
        let meta = [("m".to_owned(), json!([1]))].into_iter().collect();
        let reply = Reply { content, structured, json: Some("{}".to_owned()), meta, ..Reply::default() };
        assert_eq!(read_again(&reply), reply);
        let error = ToolError::new("no").reason("because").retry_after(Duration::from_millis(1500));
        let reply = Reply::from(error);
        assert_eq!(read_again(&reply), reply);
    }

    #[test]
    fn every_bit_of_a_float_is_kept() {
        let random = &mut fastrand::Rng::with_seed(1);
        let floats =
            std::iter::repeat_with(|| f64::from_bits(random.u64(..))).filter(|float| float.is_finite());
        let floats: Vec<f64> = floats.take(10_000).chain([0.1 + 0.2, -0.0, 1.0, 1e300]).collect();
        let reply = Reply { structured: Some(json!(floats)), ..Reply::default() };
        let Some(Value::Array(read)) = read_again(&reply).structured else { panic!("it is an array") };
        let bits = |float: f64| float.to_bits();
        assert!(read.iter().zip(&floats).all(|(read, float)| read.as_f64().map(bits) == Some(bits(*float))));
    }

    #[test]
    fn reply_that_is_too_large_becomes_a_digest() {
        let text =
            |length: usize| Reply { content: vec![Block::Text("x".repeat(length))], ..Reply::default() };
        assert!(matches!(store_reply(&text(MAX_STORED_BYTES - 100)), StoredResult::Kept(_)));
        let StoredResult::Digest { bytes, .. } = store_reply(&text(MAX_STORED_BYTES)) else {
            panic!("it is too large")
        };
        assert!(bytes > MAX_STORED_BYTES as u64);
    }
}
