//! What a handler tells the client while it works: how far it is, and messages for a log.

/// How grave a message is (RFC 5424 §6.2.1), the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Details for whoever looks for a fault.
    Debug,
    /// What goes on.
    Info,
    /// What is normal and matters.
    Notice,
    /// What may become an error.
    Warning,
    /// What failed.
    Error,
    /// What keeps failing.
    Critical,
    /// What somebody has to see to at once.
    Alert,
    /// What leaves the whole unusable.
    Emergency,
}

/// One report of a handler's.
#[derive(Debug)]
pub(crate) enum Report {
    Progress { done: f64, total: Option<f64>, message: String },
    Log { level: Level, message: String },
}

/// Which reports somebody waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ReportFilter {
    pub(crate) progress: bool,
    /// The least grave message that is filter.
    pub(crate) log: Option<Level>,
}

impl ReportFilter {
    pub(crate) fn any(self) -> bool {
        self.progress || self.log.is_some()
    }
}
