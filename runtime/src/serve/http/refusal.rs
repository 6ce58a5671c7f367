//! Words rmcp's own refusals as JSON-RPC errors that repeat no value of the request.

use axum::{body::Body, response::Response};
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use http_body::Body as HttpBody;
use http_body_util::{BodyExt as _, Collected};
use rmcp::model::{ErrorCode, ErrorData, JsonRpcError, RequestId, ServerJsonRpcMessage};
use serde_json::Value;

use super::error::{self, HttpError};
use crate::{message::Message, text};

/// Words an answer of rmcp to the request `id`, if it is a refusal, and returns its JSON-RPC code.
pub(super) async fn worded<B>(answer: http::Response<B>, id: Option<RequestId>) -> (Response, Option<i32>)
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<axum::BoxError>,
{
    let status = answer.status();
    if !status.is_client_error() && !status.is_server_error() {
        return (answer.map(Body::new), None);
    }
    let (mut parts, body) = answer.into_parts();
    // A refusal is made in one piece.
    let body = body.collect().await.map(Collected::to_bytes).unwrap_or_default();
    // As an error alone: what reads every other message of a server would be a twentieth of the library.
    let (message, code) = match serde_json::from_slice::<JsonRpcError>(&body) {
        Ok(mut refused) => {
            without_values(&mut refused.error);
            let code = refused.error.code.0;
            (ServerJsonRpcMessage::Error(refused), code)
        }
        Err(_) => {
            let refused = plain(status, &body).to(id);
            let code = refused.code();
            (refused.into_message(), code)
        }
    };
    let worded = error::response(status, &message);
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    (Response::from_parts(parts, worded.into_body()), Some(code))
}

/// Gives the answer to a call that a limit refused its status. Older clients get a stream, whose status is always 200.
pub(super) fn limit_exceeded(answer: &mut Response, seconds: u64) {
    let is_json = answer.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
    if is_json && answer.status() == StatusCode::OK {
        *answer.status_mut() = StatusCode::TOO_MANY_REQUESTS;
        answer.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
}

/// Removes the values that rmcp repeats.
fn without_values(refused: &mut ErrorData) {
    // "… header `value` does not match …"
    if let Some((before, _)) = refused.message.split_once(" header")
        && refused.message.contains(" does not match ")
    {
        let name = before.rsplit(' ').next().unwrap_or_default();
        refused.message = format!("the header `{}` does not agree with the body", text::shown(name)).into();
    }
    if refused.code == ErrorCode::UNSUPPORTED_PROTOCOL_VERSION
        && let Some(Value::String(requested)) =
            refused.data.as_mut().and_then(|data| data.get_mut("requested"))
    {
        *requested = text::shown(requested);
    }
}

/// The error in place of a text.
fn plain(status: StatusCode, body: &[u8]) -> HttpError {
    let message = match status {
        StatusCode::METHOD_NOT_ALLOWED => Message::new("this method is not allowed here"),
        StatusCode::NOT_ACCEPTABLE => Message::new("the client does not accept the types of the answer")
            .help("send `Accept: application/json, text/event-stream`"),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Message::new("the request body is not declared as JSON")
            .help("send `Content-Type: application/json`"),
        StatusCode::NOT_FOUND => Message::new("no such session").help("begin a new one with `initialize`"),
        status if status.is_server_error() => {
            return HttpError::new(status, ErrorCode::INTERNAL_ERROR.0, "internal error", None);
        }
        _ if body.ends_with(b"Session ID is required") => Message::new("this request names no session")
            .note("revisions before 2026-07-28 have sessions, in the header `Mcp-Session-Id`")
            .help("begin one with `initialize`, or send the headers and the `_meta` of 2026-07-28"),
        _ => Message::new("the headers of this request are not those of the protocol"),
    };
    HttpError::plain(status, message)
}

#[cfg(test)]
mod tests {
    use http_body_util::Full;

    use super::*;

    async fn error_of(status: u16, body: &str) -> Value {
        let answer = http::Response::builder().status(status).body(Full::from(body.to_owned())).unwrap();
        let (worded, code) = worded(answer, Some(RequestId::Number(7))).await;
        assert_eq!((worded.status().as_u16(), code.is_some()), (status, true));
        assert_eq!(worded.headers()[header::CONTENT_TYPE], "application/json");
        let body = worded.into_body().collect().await.unwrap().to_bytes();
        serde_json::from_slice(&body).unwrap()
    }

    #[tokio::test]
    async fn refusal_names_the_header_and_repeats_no_value() {
        for (message, name) in [
            ("Mcp-Method header `s3cr3t` does not match body method `tools/call`", "Mcp-Method"),
            ("Mcp-Param-Region header `s3cr3t` does not match body value `eu`", "Mcp-Param-Region"),
            (
                "Invalid Request: MCP-Protocol-Version header (s3cr3t) does not match initialize params.protocolVersion (x)",
                "MCP-Protocol-Version",
            ),
        ] {
            let body = serde_json::json!({
                "jsonrpc": "2.0", "id": 1, "error": {"code": -32020, "message": message},
            });
            let worded = error_of(400, &body.to_string()).await;
            let expected = format!("the header `{name}` does not agree with the body");
            assert_eq!((&worded["error"]["message"], &worded["id"]), (&expected.into(), &1.into()));
        }
    }

    #[test]
    fn limit_gives_an_answer_in_json_its_status_and_its_wait() {
        for (kind, status) in [("application/json", 429), ("text/event-stream", 200)] {
            let mut answer = Response::new(Body::empty());
            answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
            limit_exceeded(&mut answer, 7);
            assert_eq!(answer.status(), status);
            let wait = answer.headers().get(header::RETRY_AFTER).map(HeaderValue::as_bytes);
            assert_eq!(wait, (status == 429).then_some(&b"7"[..]));
        }
    }

    #[tokio::test]
    async fn text_becomes_an_error_of_the_request() {
        for (status, text) in [
            (400, "Bad Request: Unsupported MCP-Protocol-Version: s3cr3t"),
            (400, "Bad Request: Session ID is required"),
            (405, "Method Not Allowed"),
            (415, "fail to deserialize request body s3cr3t"),
            (500, "Encounter an error when s3cr3t"),
        ] {
            let worded = error_of(status, text).await;
            assert_eq!((&worded["jsonrpc"], &worded["id"]), (&"2.0".into(), &7.into()), "{worded}");
            assert!(worded["error"]["code"].is_i64() && !worded.to_string().contains("s3cr3t"), "{worded}");
        }
    }
}
