//! Reads a body once, as far as the gate needs to know it: a plain call as a whole, any other message by its head.

use http::{HeaderMap, StatusCode};
use rmcp::model::{ErrorCode, RequestId, RequestMetaObject};
use serde_json::Value;

use super::{error::HttpError, fast_path::FastCall};
use crate::serve::{
    message::{self, Line, UniqueValue},
    shared::Shared,
};

/// The body of a POST.
pub(super) enum HttpMessage {
    FastCall(Box<FastCall>),
    /// A message for the general path.
    Other(Peek),
}

/// The head of a message.
#[derive(Default)]
pub(super) struct Peek {
    pub(super) id: Option<RequestId>,
    method: String,
    /// The name of the called tool.
    name: Option<String>,
    /// Whether the client of a call takes tasks (2026-07-28).
    pub(super) takes_tasks: bool,
    /// The fault in the parameters of a handshake, or one that rmcp does not notice.
    fault: Option<crate::message::Message>,
}

impl HttpMessage {
    /// Reads a body; if it is not a message, says why.
    pub(super) fn read(shared: &Shared, headers: &HeaderMap, body: &[u8]) -> Result<Self, HttpError> {
        if FastCall::has_plain_headers(shared, headers)
            && let Some((id, params)) = message::plain_call(body)
        {
            return Ok(match FastCall::new(shared, headers, id, params) {
                Ok(call) => Self::FastCall(Box::new(call)),
                Err((id, name, meta)) => Self::Other(Peek::call_of(id, name, &meta)),
            });
        }
        match serde_json::from_slice(body) {
            Ok(UniqueValue(value)) => Ok(Self::Other(Peek::of(value))),
            Err(_) => {
                explain(body)?;
                // The message is sound and calls no tool: the protocol says what it lacks.
                Ok(Self::Other(Peek::default()))
            }
        }
    }
}

impl Peek {
    fn of(value: Value) -> Self {
        let unnoticed = message::malformed_unnoticed(&value);
        let Value::Object(mut object) = value else { return Self::default() };
        let id = object.remove("id").and_then(|id| serde_json::from_value(id).ok());
        let Some(Value::String(method)) = object.remove("method") else {
            return Self { id, ..Self::default() };
        };
        let mut params = object.remove("params");
        let fault = match method.as_str() {
            "initialize" => message::malformed_handshake(params.as_ref()),
            _ => unnoticed,
        };
        let (name, meta) = match &mut params {
            Some(Value::Object(params)) if method == "tools/call" => {
                (params.remove("name"), params.remove("_meta"))
            }
            _ => (None, None),
        };
        let name = name.and_then(|name| if let Value::String(name) = name { Some(name) } else { None });
        let meta = meta.and_then(|meta| serde_json::from_value(meta).ok());
        Self { id, method, name, takes_tasks: meta.as_ref().is_some_and(takes_tasks), fault }
    }

    /// The head of a call that was read as a whole.
    fn call_of(id: RequestId, name: String, meta: &RequestMetaObject) -> Self {
        let method = "tools/call".to_owned();
        Self { id: Some(id), method, name: Some(name), takes_tasks: takes_tasks(meta), fault: None }
    }

    /// Refuses a request with malformed parameters, if rmcp would not.
    pub(super) fn check_parameters(&self, legacy: bool) -> Result<(), HttpError> {
        let status = match (self.opens_session(), legacy) {
            (true, false) => return Ok(()),
            (true, true) => StatusCode::BAD_REQUEST,
            (false, _) => StatusCode::OK,
        };
        match &self.fault {
            None => Ok(()),
            Some(fault) => {
                let code = ErrorCode::INVALID_PARAMS.0;
                Err(HttpError::new(status, code, fault.clone(), None).to(self.id.clone()))
            }
        }
    }

    /// Whether the message is a handshake, which begins a session.
    pub(super) fn opens_session(&self) -> bool {
        self.method == "initialize"
    }

    /// Whether the answer lasts as long as the client likes.
    pub(super) fn is_endless(&self) -> bool {
        self.method == "subscriptions/listen"
    }

    /// The id of a request; notifications and responses have none that counts here.
    pub(super) fn request_id(&self) -> Option<&RequestId> {
        self.id.as_ref().filter(|_| !self.method.is_empty())
    }

    /// The name of the called tool, and the id of the call.
    pub(super) fn call(&self) -> Option<(&str, &RequestId)> {
        self.name.as_deref().zip(self.id.as_ref())
    }
}

/// Whether a client declares that it takes tasks.
fn takes_tasks(meta: &RequestMetaObject) -> bool {
    meta.client_capabilities().is_some_and(|client| client.supports_tasks())
}

/// Says what is wrong with a body that is not a message.
pub(super) fn explain(body: &[u8]) -> Result<(), HttpError> {
    match message::line(body) {
        Line::Message(_) => Ok(()),
        Line::Nothing => {
            Err(HttpError::plain(StatusCode::BAD_REQUEST, "the request body is not a JSON-RPC message"))
        }
        Line::Fault(answer) => Err(HttpError::with(StatusCode::BAD_REQUEST, *answer)),
    }
}
