//! Holds what a user answers to a server's question.

use serde_json::Value;

/// The user's answer to a question of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElicitAction {
    /// Yes.
    Accept,
    /// No.
    Decline,
    /// The user dismissed the question.
    Cancel,
}

/// The user's answer to a form.
#[derive(Clone, Debug, PartialEq)]
pub enum FilledForm {
    /// The fields.
    Filled(Value),
    /// No.
    Declined,
    /// The user dismissed the form.
    Cancelled,
}
