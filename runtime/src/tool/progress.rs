//! Defines the reports of a handler to the client during a call: progress, and messages for a log.

/// The severity of a message (RFC 5424 §6.2.1), from the lowest to the highest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Details for debugging.
    Debug,
    /// Normal operation.
    Info,
    /// A normal but significant event.
    Notice,
    /// A condition that may become an error.
    Warning,
    /// A failure.
    Error,
    /// A lasting failure.
    Critical,
    /// A failure that needs action at once.
    Alert,
    /// A failure that makes the system unusable.
    Emergency,
}

/// One report of a handler.
#[derive(Debug)]
pub(crate) enum Report {
    Progress { done: f64, total: Option<f64>, message: String },
    Log { level: Level, message: String },
}

/// The reports that the client asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ReportFilter {
    pub(crate) progress: bool,
    /// The lowest level of messages.
    pub(crate) log: Option<Level>,
}

impl ReportFilter {
    pub(crate) fn any(self) -> bool {
        self.progress || self.log.is_some()
    }
}
