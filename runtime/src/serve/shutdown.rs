//! Describes how serving ends, on every transport.

use std::time::Duration;

/// How serving ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shutdown {
    /// Every call was answered.
    Complete,
    /// The time for calls in flight ran out.
    TimedOut,
}

/// The time that calls in flight have by default when their server shuts down.
pub(crate) const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);
/// The error code of a request that a server refuses because it shuts down.
pub(crate) const SHUTTING_DOWN: i32 = -31503;
