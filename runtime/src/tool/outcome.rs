//! Tells an answer of a handler from questions to the client.

use super::{ask::Ask, error::ToolError, output::Reply};

/// The end of one run of a handler.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The handler answered, with a result or an error.
    Done(Reply),
    /// The handler cannot go on before the client has answered.
    Ask(Ask),
}

impl From<Reply> for Outcome {
    fn from(reply: Reply) -> Self {
        Self::Done(reply)
    }
}

impl From<ToolError> for Outcome {
    fn from(mut error: ToolError) -> Self {
        match error.take_ask() {
            Some(ask) => Self::Ask(ask),
            None => Self::Done(error.into()),
        }
    }
}
