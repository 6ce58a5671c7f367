//! Defines the deprecation of a tool, and the texts that callers get about it.

/// The deprecation of a tool that will be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deprecated {
    /// The first release with the deprecation.
    pub since: &'static str,
    /// The release without the tool.
    pub remove_in: &'static str,
    /// The wire name of the tool to call instead.
    pub use_instead: Option<&'static str>,
}

impl Deprecated {
    /// The start of the description, short, so that models pick the tool less.
    pub(crate) fn banner(&self) -> String {
        format!("[deprecated, gone in {}{}]", self.remove_in, self.instead())
    }

    /// The note in a result of the tool `name`.
    pub(crate) fn note(&self, name: &str) -> String {
        format!("note: tool `{name}` is deprecated and will be gone in {}{}", self.remove_in, self.instead())
    }

    fn instead(&self) -> String {
        self.use_instead.map(|tool| format!(": use `{tool}`")).unwrap_or_default()
    }
}
