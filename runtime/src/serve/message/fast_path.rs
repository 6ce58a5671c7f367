//! Reads a plain `tools/call` in one pass.
//!
//! rmcp's own reader tries one kind of message after another on a buffered copy, which takes four times as long. It gets
//! every message that is refused here.

use std::{fmt, marker::PhantomData};

use rmcp::model::{
    CallToolRequest, CallToolRequestMethod, CallToolRequestParams, ClientJsonRpcMessage, ClientRequest,
    JsonRpcVersion2_0, MetaObject, RequestId, RequestMetaObject,
};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};

use super::unique::{UniqueMap, UniqueValue};
use crate::ordered::CollectOrdered as _;

/// Reads `text` as a plain call; `None` if it is another message, or holds a name twice.
pub(super) fn read(text: &str) -> Option<ClientJsonRpcMessage> {
    let (id, mut params) = plain(text)?;
    let meta = params.meta.take();
    let mut request = CallToolRequest::new(params);
    if let Some(meta) = meta {
        // rmcp expects it among the extensions.
        request.extensions.insert(meta);
    }
    Some(ClientJsonRpcMessage::request(ClientRequest::CallToolRequest(request), id))
}

/// Reads a body as [`read`] reads a line, and returns the call's id and parameters.
#[cfg(feature = "http")]
pub(in crate::serve) fn plain_call(body: &[u8]) -> Option<(RequestId, CallToolRequestParams)> {
    plain(str::from_utf8(body).ok()?)
}

fn plain(text: &str) -> Option<(RequestId, CallToolRequestParams)> {
    // Most other messages are told apart here: parsing one in vain would cost another pass to locate the error.
    if !text.contains("\"tools/call\"") {
        return None;
    }
    let Object(CallBody { id, params: Object(params), .. }) = serde_json::from_str(text).ok()?;
    // Another type of token is refused where every message is checked.
    let token = params.meta.as_ref().and_then(|meta| meta.0.get("progressToken"));
    token.is_none_or(|token| token.is_string() || token.is_i64()).then(|| (id, params.into()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CallBody {
    #[serde(rename = "jsonrpc")]
    _version: JsonRpcVersion2_0,
    id: RequestId,
    #[serde(rename = "method")]
    _method: CallToolRequestMethod,
    params: Object<Params>,
}

/// The parameters of a call, as rmcp has them, with names that differ at every depth.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Params {
    #[serde(rename = "_meta")]
    meta: Option<UniqueMap>,
    name: String,
    arguments: Option<UniqueMap>,
    input_responses: Option<UniqueMap>,
    request_state: Option<String>,
    /// Tasks of 2025-11-25, which rmcp ignores as well.
    #[serde(rename = "task")]
    _task: Option<UniqueValue>,
}

impl From<Params> for CallToolRequestParams {
    fn from(params: Params) -> Self {
        let mut call = Self::new(params.name);
        call.meta = params.meta.map(|meta| RequestMetaObject(MetaObject(meta.0)));
        call.arguments = params.arguments.map(|arguments| arguments.0);
        call.input_responses =
            params.input_responses.map(|responses| responses.0.into_iter().collect_ordered());
        call.request_state = params.request_state;
        call
    }
}

/// A struct that is written as an object: derived readers also accept an array of its fields.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Fields(PhantomData))
    }
}

struct Fields<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_calls_are_read_as_rmcp_reads_them() {
        for line in [
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a"}}"#,
            r#"{"params":{"arguments":{"x":[1,-2,0.5,"\u00e9",null,{}]},"name":"a"},"id":"1","method":"tools/call","jsonrpc":"2.0"}"#,
            r#"{"jsonrpc":"2.0","id":1.0,"method":"tools/call","params":{"name":"a","arguments":null,"task":{"ttl":1}}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"_meta":{"progressToken":7,"k":{}},"name":"a"}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","inputResponses":{},"requestState":"s"}}"#,
        ] {
            let expected: ClientJsonRpcMessage = serde_json::from_str(line).expect("a message");
            let json = |message| serde_json::to_value::<ClientJsonRpcMessage>(message).expect("JSON");
            assert_eq!(read(line).map(json), Some(json(expected)), "{line}");
        }
    }

    #[test]
    fn other_messages_are_left_to_rmcp() {
        for line in [
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#,
            r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"a"}}"#,
            r#"{"jsonrpc":"1.0","id":1,"method":"tools/call","params":{"name":"a"}}"#,
            r#"{"jsonrpc":"2.0","id":null,"method":"tools/call","params":{"name":"a"}}"#,
            r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"tools/call","params":{"name":"a"}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":{"x":[{"y":1,"y":2}]}}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","task":{"ttl":1,"ttl":2}}}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{},"method":"tools/call","params":{"name":"a"}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":[null,"a",{},null,null]}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":[]}}"#,
            r#"["2.0",1,"tools/call",{"name":"a"}]"#,
        ] {
            assert!(read(line).is_none(), "{line}");
        }
    }
}
