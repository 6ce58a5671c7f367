//! A body → as much of its message as decides whether it comes in.

use std::borrow::Cow;

use ::http::StatusCode;
use rmcp::model::{RequestId, ServerJsonRpcMessage};
use serde::Deserialize;

use super::HttpError;
use crate::serve::stdio::parse::{self, Line};

/// The part of a message that is looked at here.
pub(super) struct Peek<'a> {
    pub(super) id: Option<RequestId>,
    pub(super) method: Cow<'a, str>,
    /// The tool of a call.
    pub(super) name: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    id: Option<RequestId>,
    #[serde(borrow)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow)]
    params: Option<Params<'a>>,
}

#[derive(Deserialize)]
struct Params<'a> {
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
}

impl<'a> Peek<'a> {
    /// Reads a message; of one that is none, says why.
    pub(super) fn read(body: &'a [u8]) -> Result<Self, HttpError> {
        let envelope = match serde_json::from_slice::<Envelope<'_>>(body) {
            Ok(envelope) if !parse::repeats_a_name(body) => envelope,
            _ => {
                explain(body)?;
                // A message all the same, and one that no call is: the protocol says what it lacks.
                Envelope { id: None, method: None, params: None }
            }
        };
        Ok(Self {
            id: envelope.id,
            method: envelope.method.unwrap_or_default(),
            name: envelope.params.and_then(|params| params.name),
        })
    }

    /// Whether it is a handshake, which begins a session.
    pub(super) fn opens_session(&self) -> bool {
        self.method == "initialize"
    }

    /// Whether its answer lasts as long as the client likes.
    pub(super) fn has_no_end(&self) -> bool {
        self.method == "subscriptions/listen"
    }

    /// The tool that it calls, and whom to answer.
    pub(super) fn calls(&self) -> Option<(&str, &RequestId)> {
        self.name.as_deref().zip(self.id.as_ref()).filter(|_| self.method == "tools/call")
    }
}

/// Says what is wrong with a body that is no message.
pub(super) fn explain(body: &[u8]) -> Result<(), HttpError> {
    match parse::line(body) {
        Line::Message(_) => Ok(()),
        Line::Nothing => Err(HttpError::plain(StatusCode::BAD_REQUEST, "this body is no message")),
        Line::Fault(answer) => Err(HttpError::with(StatusCode::BAD_REQUEST, *answer as ServerJsonRpcMessage)),
    }
}
