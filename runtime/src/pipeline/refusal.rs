//! Turns a call that never reached its handler into a JSON-RPC error.

use serde_json::{Map, Value, json};

use super::NotAdmitted;
use crate::{message::Message, ordered::CollectOrdered as _};

/// The extension of tasks (SEP-2663).
const TASKS: &str = "io.modelcontextprotocol/tasks";

/// A call that is answered with a protocol error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    NotAdmitted(NotAdmitted),
    /// The request is not a well-formed call.
    Malformed(Message),
    /// The state that a client returned with is forged, expired, used, or belongs to another call.
    State,
    /// The tool asks for something that the client did not declare.
    CannotBeAsked {
        tool: &'static str,
        missing: Vec<&'static str>,
    },
    /// The tool answers only with a task, and the client did not declare that it takes one.
    NeedsTask {
        tool: &'static str,
    },
    /// The audit log could not take the record of the call, which did not run.
    NotRun,
    /// The audit log could not take the record of the outcome: the call ran, and its result is withheld.
    ResultWithheld,
}

impl From<NotAdmitted> for Refusal {
    fn from(refusal: NotAdmitted) -> Self {
        Self::NotAdmitted(refusal)
    }
}

impl Refusal {
    /// The JSON-RPC error code of a call that a limit refuses.
    pub(crate) const LIMIT_EXCEEDED: i32 = -31429;

    /// The JSON-RPC error code: the protocol's own if it names the case, otherwise one outside the reserved range (MCP
    /// 2026-07-28, basic, error codes).
    pub(crate) fn code(&self) -> i32 {
        match self {
            Self::NotAdmitted(NotAdmitted::UnknownTool { .. }) | Self::Malformed(_) | Self::State => -32602,
            Self::CannotBeAsked { .. } | Self::NeedsTask { .. } => -32021,
            Self::NotAdmitted(NotAdmitted::MissingScopes { .. }) => -31403,
            Self::NotAdmitted(
                NotAdmitted::RateLimited { .. }
                | NotAdmitted::TooManyInFlight { .. }
                | NotAdmitted::TooManyTasks(_),
            ) => Self::LIMIT_EXCEEDED,
            Self::NotAdmitted(NotAdmitted::StoreUnavailable { .. }) | Self::NotRun | Self::ResultWithheld => {
                -32603
            }
        }
    }

    pub(crate) fn message(&self) -> Message {
        match self {
            Self::NotAdmitted(refusal) => refusal.message(),
            Self::Malformed(message) => message.clone(),
            Self::State => {
                Message::new("this `requestState` cannot be used").help("call the tool again without it")
            }
            Self::CannotBeAsked { tool, missing } => {
                let names = missing.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
                Message::new(format!("tool `{tool}` has a question that this client cannot answer"))
                    .note(format!("the client does not declare {names}"))
                    .help("use a client that does")
            }
            Self::NeedsTask { tool } => {
                Message::new(format!("tool `{tool}` answers with a task, and this client does not take one"))
                    .note(format!("the client does not declare the extension `{TASKS}`"))
                    .help("use a client that does")
            }
            // The state of the log is the operator's concern, not the caller's.
            Self::NotRun => {
                Message::new("internal error: the call did not run").help("the server's log says why")
            }
            Self::ResultWithheld => Message::new("internal error: the call ran, and its result is withheld")
                .note("its effect has happened")
                .help("check before you call again; the server's log says why"),
        }
    }

    pub(crate) fn data(&self) -> Option<Value> {
        match self {
            Self::NotAdmitted(NotAdmitted::UnknownTool { .. }) | Self::Malformed(_) | Self::State => None,
            Self::NotRun => Some(json!({"reason": "not_run"})),
            Self::ResultWithheld => Some(json!({"reason": "ran_unrecorded"})),
            Self::CannotBeAsked { missing, .. } => {
                let required: Map<_, _> =
                    missing.iter().map(|name| ((*name).to_owned(), json!({}))).collect_ordered();
                Some(json!({"requiredCapabilities": required}))
            }
            Self::NeedsTask { .. } => Some(json!({"requiredCapabilities": {"extensions": {TASKS: {}}}})),
            Self::NotAdmitted(NotAdmitted::MissingScopes { required, missing, .. }) => Some(
                json!({"reason": "insufficient_scope", "requiredScopes": required, "missingScopes": missing}),
            ),
            Self::NotAdmitted(refusal @ NotAdmitted::RateLimited { .. }) => {
                Some(exceeded("rate_limited", refusal))
            }
            Self::NotAdmitted(refusal @ NotAdmitted::TooManyInFlight { .. }) => {
                Some(exceeded("too_many_in_flight", refusal))
            }
            Self::NotAdmitted(refusal @ NotAdmitted::TooManyTasks(_)) => {
                Some(exceeded("too_many_tasks", refusal))
            }
            Self::NotAdmitted(refusal @ NotAdmitted::StoreUnavailable { .. }) => {
                Some(exceeded("store_unavailable", refusal))
            }
        }
    }
}

/// The data of a refusal by a limit: what it counts, and when to call again.
fn exceeded(reason: &str, refusal: &NotAdmitted) -> Value {
    json!({"reason": reason, "limit": refusal.limit(), "retryAfterSeconds": refusal.retry_after()})
}
