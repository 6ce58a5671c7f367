//! An HTTP error: a status, headers, and a JSON-RPC error that says why.

use std::borrow::Cow;

use axum::{body::Body, response::Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use rmcp::model::{ErrorCode, ErrorData, RequestId, ServerJsonRpcMessage};
use serde_json::Value;

use crate::{message::Message, pipeline::Refusal};

/// The answer to a request that is refused.
#[derive(Debug)]
pub(super) struct HttpError(Box<Parts>);

#[derive(Debug)]
struct Parts {
    status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
    message: ServerJsonRpcMessage,
}

impl HttpError {
    /// Creates an error with one of Candor's own codes.
    pub(super) fn new(
        status: StatusCode,
        code: i32,
        message: impl Into<Cow<'static, str>>,
        data: Option<Value>,
    ) -> Self {
        let error = ErrorData::new(ErrorCode(code), message, data);
        Self::with(status, ServerJsonRpcMessage::error(error, None))
    }

    /// Creates an error for a request that is not one of the protocol (JSON-RPC: invalid request).
    pub(super) fn plain(status: StatusCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(status, ErrorCode::INVALID_REQUEST.0, message, None)
    }

    /// Creates the error of a refused call, with a message of its own.
    pub(super) fn refusal(status: StatusCode, refusal: &Refusal, message: Message) -> Self {
        Self::new(status, refusal.code(), message, refusal.data())
    }

    pub(super) fn with(status: StatusCode, message: ServerJsonRpcMessage) -> Self {
        Self(Box::new(Parts { status, headers: Vec::new(), message }))
    }

    /// Addresses the error to a request.
    pub(super) fn to(mut self, request: Option<RequestId>) -> Self {
        if let ServerJsonRpcMessage::Error(error) = &mut self.0.message {
            error.id = request;
        }
        self
    }

    pub(super) fn challenge(self, challenge: &str) -> Self {
        let challenge = HeaderValue::from_str(challenge).expect("a challenge is printable ASCII");
        self.header(header::WWW_AUTHENTICATE, challenge)
    }

    pub(super) fn retry_after(self, seconds: u64) -> Self {
        self.header(header::RETRY_AFTER, seconds.into())
    }

    pub(super) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    /// The code of the JSON-RPC error.
    pub(super) fn code(&self) -> i32 {
        match &self.0.message {
            ServerJsonRpcMessage::Error(refused) => refused.error.code.0,
            _ => ErrorCode::INVALID_REQUEST.0,
        }
    }

    #[cfg(test)]
    pub(super) fn status(&self) -> StatusCode {
        self.0.status
    }

    /// The JSON-RPC error alone, for an answer whose status is sent already.
    pub(super) fn into_message(self) -> ServerJsonRpcMessage {
        self.0.message
    }

    pub(super) fn into_response(self) -> Response {
        let Parts { status, headers, message } = *self.0;
        let mut response = response(status, &message);
        response.headers_mut().extend(headers);
        response
    }
}

/// A message as the whole answer to a request.
pub(super) fn response(status: StatusCode, message: &ServerJsonRpcMessage) -> Response {
    let body = serde_json::to_vec(message).expect("messages are made of JSON and strings");
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
