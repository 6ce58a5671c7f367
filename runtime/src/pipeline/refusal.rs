//! Why a call never reached its handler, and the JSON-RPC error that says so.

use std::time::Duration;

use serde_json::{Value, json};

/// The extension of tasks (SEP-2663).
const TASKS: &str = "io.modelcontextprotocol/tasks";

/// A call that is answered with a protocol error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// No tool of this name, or none that this caller may know of.
    UnknownTool { name: String, nearest: Option<String> },
    /// The request itself is no call.
    Malformed(String),
    /// The state that a client came back with is forged, expired, used, or another call's.
    State,
    /// The tool asks for what the client did not declare.
    CannotBeAsked { tool: &'static str, missing: Vec<&'static str> },
    /// The tool answers with a task only, and the client did not say that it takes one.
    NeedsTask { tool: &'static str },
    /// The caller lacks scopes.
    MissingScopes { tool: &'static str, required: &'static [&'static str], missing: Vec<&'static str> },
    /// The caller asks too often.
    RateLimited { tool: &'static str, wait: Duration },
    /// As many calls as are allowed are at work.
    TooManyInFlight { tool: &'static str },
    /// The audit log could not take the record that has to stand there.
    Unrecorded,
}

impl Refusal {
    /// JSON-RPC's for what the protocol names; outside its reserved range for what it does not (MCP 2026-07-28, basic,
    /// error codes).
    pub(crate) fn code(&self) -> i32 {
        match self {
            Self::UnknownTool { .. } | Self::Malformed(_) | Self::State => -32602,
            Self::CannotBeAsked { .. } | Self::NeedsTask { .. } => -32021,
            Self::MissingScopes { .. } => -31403,
            Self::RateLimited { .. } | Self::TooManyInFlight { .. } => -31429,
            Self::Unrecorded => -32603,
        }
    }

    pub(crate) fn message(&self) -> String {
        match self {
            Self::UnknownTool { name, nearest: Some(nearest) } => {
                format!("Unknown tool: {name}\nhelp: did you mean `{nearest}`?")
            }
            Self::UnknownTool { name, nearest: None } => {
                format!("Unknown tool: {name}\nhelp: `tools/list` names the tools you may call")
            }
            Self::Malformed(why) => why.clone(),
            Self::State => {
                "this `requestState` cannot be used\nhelp: call the tool again without it".to_owned()
            }
            Self::CannotBeAsked { tool, missing } => format!(
                "tool `{tool}` has a question that this client cannot answer\nnote: it declares no capability {}\nhelp: use a client that does",
                missing.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
            ),
            Self::NeedsTask { tool } => format!(
                "tool `{tool}` answers with a task, and this client takes none\nnote: it does not declare the extension `{TASKS}`\nhelp: use a client that does"
            ),
            Self::MissingScopes { missing, .. } => format!(
                "{}\nhelp: on stdio, start the server with `--grant \"{}\"`",
                self.fact(),
                missing.join(" "),
            ),
            Self::RateLimited { tool, wait } => {
                let wait = seconds(*wait);
                format!("tool `{tool}` is called too often\nhelp: call again in {wait} s")
            }
            Self::TooManyInFlight { tool } => {
                format!("as many calls of tool `{tool}` are at work as may be\nhelp: call again in 1 s")
            }
            // What is wrong with the log is nothing to a caller.
            Self::Unrecorded => "internal error\nhelp: the server's log says why".to_owned(),
        }
    }

    /// The message's first line.
    pub(crate) fn fact(&self) -> String {
        match self {
            Self::MissingScopes { tool, missing, .. } => format!(
                "tool `{tool}` needs {} that this caller was not granted: {}",
                if missing.len() == 1 { "a scope" } else { "scopes" },
                missing.iter().map(|scope| format!("`{scope}`")).collect::<Vec<_>>().join(", "),
            ),
            other => other.message().lines().next().unwrap_or_default().to_owned(),
        }
    }

    /// Whole seconds after which the call may come is_next_round, where waiting helps.
    #[cfg(feature = "http")]
    pub(crate) fn retry_after(&self) -> Option<u64> {
        match self {
            Self::RateLimited { wait, .. } => Some(seconds(*wait)),
            Self::TooManyInFlight { .. } => Some(1),
            _ => None,
        }
    }

    pub(crate) fn data(&self) -> Option<Value> {
        match self {
            Self::UnknownTool { .. } | Self::Malformed(_) | Self::State | Self::Unrecorded => None,
            Self::CannotBeAsked { missing, .. } => {
                let required: serde_json::Map<_, _> =
                    missing.iter().map(|name| ((*name).to_owned(), json!({}))).collect();
                Some(json!({"requiredCapabilities": required}))
            }
            Self::NeedsTask { .. } => Some(json!({"requiredCapabilities": {"extensions": {TASKS: {}}}})),
            Self::MissingScopes { required, missing, .. } => Some(
                json!({"reason": "insufficient_scope", "requiredScopes": required, "missingScopes": missing}),
            ),
            Self::RateLimited { wait, .. } => {
                Some(json!({"reason": "rate_limited", "retryAfterSeconds": seconds(*wait)}))
            }
            Self::TooManyInFlight { .. } => {
                Some(json!({"reason": "too_many_in_flight", "retryAfterSeconds": 1}))
            }
        }
    }
}

/// Whole seconds, rounded up, as in `Retry-After` (RFC 9110 §10.2.3).
fn seconds(wait: Duration) -> u64 {
    wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0))
}
