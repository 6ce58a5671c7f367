//! Defines how a request can end, and the closed list of error types that metrics and spans name.

use crate::record::DeniedBy;

/// How a request, or one round of a call, ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequestEnd {
    /// With a result.
    Answered,
    /// With a tool's error (`isError`).
    ToolError,
    /// With the JSON-RPC error of this code.
    Error(i32),
    /// With a question that the client must answer first.
    Asked,
    /// With a task that has the result later.
    Task,
    /// Without an answer: the request was dropped, since its client or its connection had gone.
    #[cfg(feature = "telemetry")]
    Abandoned,
}

/// The end of a request, and what else there is to say of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ending {
    pub(crate) end: RequestEnd,
    /// The stage that refused a call.
    pub(crate) denied_by: Option<DeniedBy>,
    /// Whether the answer is that of an earlier call under the same idempotency key.
    pub(crate) is_replay: bool,
}

impl From<RequestEnd> for Ending {
    fn from(end: RequestEnd) -> Self {
        Self { end, denied_by: None, is_replay: false }
    }
}

/// Every value of `error.type` (OpenTelemetry, MCP conventions). The first stands for no error, the last for a code that
/// is not listed, which only a handler of the program's own can return.
#[cfg(feature = "telemetry")]
pub(super) const ERROR_TYPES: [&str; 18] = [
    "",
    "tool_error",
    "cancelled",
    "-32700",
    "-32600",
    "-32601",
    "-32602",
    "-32603",
    "-32002",
    "-32020",
    "-32021",
    "-32022",
    "-31401",
    "-31403",
    "-31408",
    "-31429",
    "-31503",
    "_OTHER",
];

#[cfg(feature = "telemetry")]
impl RequestEnd {
    /// Returns the index in [`ERROR_TYPES`].
    pub(super) fn error_index(self) -> usize {
        match self {
            Self::Answered | Self::Asked | Self::Task => 0,
            Self::ToolError => 1,
            Self::Abandoned => 2,
            Self::Error(code) => match code {
                -32700 => 3,
                -32600 => 4,
                -32601 => 5,
                -32602 => 6,
                -32603 => 7,
                -32002 => 8,
                -32020 => 9,
                -32021 => 10,
                -32022 => 11,
                -31401 => 12,
                -31403 => 13,
                -31408 => 14,
                -31429 => 15,
                -31503 => 16,
                _ => ERROR_TYPES.len() - 1,
            },
        }
    }

    /// Returns the `error.type`; `None` if the request did not fail.
    pub(super) fn error_type(self) -> Option<&'static str> {
        Some(ERROR_TYPES[self.error_index()]).filter(|error| !error.is_empty())
    }

    /// Returns the outcome as a line of the log names it.
    pub(super) const fn outcome(self) -> &'static str {
        match self {
            Self::Answered => "ok",
            Self::ToolError | Self::Error(_) => "error",
            Self::Asked => "asked",
            Self::Task => "task",
            Self::Abandoned => "cancelled",
        }
    }
}

#[cfg(all(test, feature = "telemetry"))]
mod tests {
    use super::*;

    #[test]
    fn error_types_of_codes_are_the_codes() {
        for (index, error) in ERROR_TYPES.iter().enumerate() {
            if let Ok(code) = error.parse() {
                assert_eq!(RequestEnd::Error(code).error_index(), index);
                assert_eq!(RequestEnd::Error(code).error_type(), Some(*error));
            }
        }
        assert_eq!(RequestEnd::Error(-7).error_type(), Some("_OTHER"));
        assert_eq!(RequestEnd::Answered.error_type(), None);
        assert_eq!(RequestEnd::ToolError.error_type(), Some("tool_error"));
        assert_eq!(RequestEnd::Abandoned.error_type(), Some("cancelled"));
    }
}
