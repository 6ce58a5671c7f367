//! A line that is a plain `tools/call` → its message, in one pass.

use std::{fmt, marker::PhantomData};

use rmcp::model::{
    CallToolRequest, CallToolRequestMethod, CallToolRequestParams, ClientJsonRpcMessage, ClientRequest,
    JsonRpcVersion2_0, RequestId,
};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};

/// Reads `text` as the call it most often is.
pub(crate) fn read(text: &str) -> Option<ClientJsonRpcMessage> {
    let (id, mut params) = plain(text)?;
    let meta = params.meta.take();
    let mut request = CallToolRequest::new(params);
    if let Some(meta) = meta {
        // Where rmcp looks for it.
        request.extensions.insert(meta);
    }
    Some(ClientJsonRpcMessage::request(ClientRequest::CallToolRequest(request), id))
}

/// A call's id and parameters. rmcp's own reader tries one kind of message after another on a buffered copy, which takes
/// four times as long; it gets everything that is refused here.
pub(crate) fn plain(text: &str) -> Option<(RequestId, CallToolRequestParams)> {
    // Nothing else is begun: to say where a text went wrong, serde_json looks at it again from its start.
    if !text.contains("\"tools/call\"") {
        return None;
    }
    let Object(Line { id, params: Object(params), .. }) = serde_json::from_str(text).ok()?;
    Some((id, params))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    #[serde(rename = "jsonrpc")]
    _version: JsonRpcVersion2_0,
    id: RequestId,
    #[serde(rename = "method")]
    _method: CallToolRequestMethod,
    params: Object<CallToolRequestParams>,
}

/// A struct that is written as an object: derived readers also take a list of its fields.
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
    use crate::serve::stdio::fast_path::*;

    #[test]
    fn what_is_read_here_is_read_as_rmcp_reads_it() {
        for line in [
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a"}}"#,
            r#"{"params":{"arguments":{"x":[1,-2,0.5,"\u00e9",null,{}]},"name":"a"},"id":"1","method":"tools/call","jsonrpc":"2.0"}"#,
            r#"{"jsonrpc":"2.0","id":1.0,"method":"tools/call","params":{"name":"a","arguments":null,"task":{"ttl":1}}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"_meta":{"progressToken":7,"k":{}},"name":"a"}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","inputResponses":{},"requestState":"s"}}"#,
        ] {
            let rmcps: ClientJsonRpcMessage = serde_json::from_str(line).expect("a message");
            let json = |message| serde_json::to_value::<ClientJsonRpcMessage>(message).expect("JSON");
            assert_eq!(read(line).map(json), Some(json(rmcps)), "{line}");
        }
    }

    #[test]
    fn what_is_no_plain_call_is_left_to_rmcp() {
        for line in [
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#,
            r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"a"}}"#,
            r#"{"jsonrpc":"1.0","id":1,"method":"tools/call","params":{"name":"a"}}"#,
            r#"{"jsonrpc":"2.0","id":null,"method":"tools/call","params":{"name":"a"}}"#,
            r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"tools/call","params":{"name":"a"}}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{},"method":"tools/call","params":{"name":"a"}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":[null,"a",{},null,null]}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":[]}}"#,
            r#"["2.0",1,"tools/call",{"name":"a"}]"#,
        ] {
            assert!(read(line).is_none(), "{line}");
        }
    }
}
