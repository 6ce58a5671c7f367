//! Defines a task as its caller sees it.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::tool::ask::Question;

/// How a task ended.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum End {
    /// With the result of the call, which may be a tool error: an object, as JSON.
    Completed(Box<str>),
    /// Without a result: the JSON-RPC error in its place.
    Failed(Map<String, Value>),
    /// With a result that is not kept any more: the results exceeded their size limit.
    Dropped,
    /// The caller cancelled it, and its handler has stopped.
    Cancelled,
}

/// A task at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    pub(crate) id: String,
    pub(crate) created: Duration,
    pub(crate) changed: Duration,
    pub(crate) ttl: Duration,
    /// The progress that the handler last reported.
    pub(crate) progress: Option<String>,
    pub(crate) state: TaskState,
}

/// The result of storing a client's answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AnswerStatus {
    /// The answers to open questions are stored; others are ignored.
    Accepted,
    /// They exceed the size limit, and are dropped.
    TooLarge,
    /// The caller has no such task.
    Unknown,
}

/// The state of a task, as its caller sees it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TaskState {
    Working,
    Asking(Vec<(String, Question)>),
    Ended(End),
}
