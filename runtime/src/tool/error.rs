//! Defines the error that a handler returns and its caller reads.

use std::{borrow::Cow, error::Error, fmt, time::Duration};

use super::{
    ask::Ask,
    cause::{self, Symptom},
};

/// A failure that the caller reads (`isError: true`), with what the caller can do about it.
///
/// A handler may return any error that implements `Display`. This type says more.
///
/// ```
/// use std::time::Duration;
/// use candor::ToolError;
///
/// let busy = ToolError::transient("the exchange is closed for maintenance")
///     .reason("exchange_closed")
///     .retry_after(Duration::from_secs(60));
/// assert!(busy.is_transient());
/// ```
///
/// An error that has a cause keeps it with [`ToolError::from_error`] or [`ToolError::caused_by`]. Do not format the
/// cause into the message: a text does not show that the sandbox may have refused something.
///
/// ```
/// use candor::ToolError;
///
/// fn load(path: &str) -> Result<String, ToolError> {
///     std::fs::read_to_string(path)
///         .map_err(|error| ToolError::new("the list cannot be read").reason("no_list").caused_by(&error))
/// }
///
/// let error = load("/no/such/list").unwrap_err();
/// assert!(error.message().starts_with("the list cannot be read: No such file"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolError {
    message: String,
    reason: Option<Cow<'static, str>>,
    transient: bool,
    not_applied: bool,
    retry_after: Option<Duration>,
    /// A failure of the system behind this error, which a sandbox may have caused.
    symptom: Option<Symptom>,
    /// Questions that a handler returned with `?`. `Outcome` takes them out where the return value is read.
    ask: Option<Box<Ask>>,
}

impl ToolError {
    /// Creates a failure that will be the same next time.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            reason: None,
            transient: false,
            not_applied: false,
            retry_after: None,
            symptom: None,
            ask: None,
        }
    }

    /// Creates a failure that may pass: the same call can succeed later.
    pub fn transient(message: impl Into<String>) -> Self {
        Self { transient: true, ..Self::new(message) }
    }

    /// Creates a failure that happened before anything was changed.
    pub fn not_applied(message: impl Into<String>) -> Self {
        Self { not_applied: true, ..Self::new(message) }
    }

    /// Creates a failure from any error: the message is its text and that of its causes, joined by `: `.
    ///
    /// If one of the causes is a [`ToolError`], the reason, the wait and the rest are taken from it. A handler that
    /// returns such an error gets the same without calling this function.
    pub fn from_error(error: &(dyn Error + 'static)) -> Self {
        if let Some(ask) = cause::chain(error).find_map(|cause| cause.downcast_ref::<Ask>()) {
            return ask.clone().into();
        }
        let inner = cause::chain(error).find_map(|cause| cause.downcast_ref::<Self>()).cloned();
        let inner = inner.unwrap_or_else(|| Self::new(""));
        Self { message: cause::text(error), symptom: inner.symptom.max(cause::symptom(error)), ..inner }
    }

    /// Appends the text of `error` and of its causes to the message, joined by `: `.
    pub fn caused_by(mut self, error: &(dyn Error + 'static)) -> Self {
        cause::append(&mut self.message, error);
        self.symptom = self.symptom.max(cause::symptom(error));
        self
    }

    /// Adds a reason code for programs, for example `unknown_symbol`. It stands in the result's `_meta` as
    /// `io.github.candor-mcp/reason`.
    pub fn reason(mut self, reason: impl Into<Cow<'static, str>>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// Sets how long the caller should wait. It stands in the result's `_meta` in seconds.
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// Returns the message for the caller.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns the reason code for programs.
    pub fn reason_code(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// Returns the reason code if it is a literal in the program. A code that was made at run time may hold a caller's
    /// value.
    pub(crate) fn fixed_reason(&self) -> Option<&'static str> {
        match self.reason {
            Some(Cow::Borrowed(reason)) => Some(reason),
            _ => None,
        }
    }

    /// Returns whether the same call can succeed later.
    pub fn is_transient(&self) -> bool {
        self.transient
    }

    /// Returns whether the call failed before anything was changed.
    pub fn is_not_applied(&self) -> bool {
        self.not_applied
    }

    /// Creates a failure from an error that is a text and nothing else.
    pub(super) fn from_text(text: String) -> Self {
        // A program that failed has no error of its own: handlers write its status into a text.
        let symptom = cause::symptom_of_text(&text).filter(|symptom| *symptom == Symptom::ChildFailed);
        Self { symptom, ..Self::new(text) }
    }

    /// Returns whether the system denied permission (an I/O error of the kind `PermissionDenied`).
    pub(crate) fn is_permission_denied(&self) -> bool {
        self.symptom == Some(Symptom::PermissionDenied)
    }

    /// Returns the failure of the system behind this error, which a sandbox may have caused.
    pub(crate) fn symptom(&self) -> Option<Symptom> {
        self.symptom
    }

    /// Returns how long the caller should wait.
    pub fn wait(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Replaces the message.
    pub(crate) fn with_message(self, message: String) -> Self {
        Self { message, ..self }
    }

    /// Sets the reason code unless the error has one.
    pub(crate) fn or_reason(mut self, reason: &'static str) -> Self {
        self.reason.get_or_insert(Cow::Borrowed(reason));
        self
    }

    /// Takes out the questions that came as an error.
    pub(super) fn take_ask(&mut self) -> Option<Ask> {
        self.ask.take().map(|ask| *ask)
    }
}

impl fmt::Display for ToolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for ToolError {}

impl From<Ask> for ToolError {
    fn from(ask: Ask) -> Self {
        let error = Self::not_applied(ask.to_string()).reason("question");
        Self { ask: Some(Box::new(ask)), ..error }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use crate::tool::error::*;

    #[test]
    fn error_from_a_cause_keeps_its_text_and_kind() {
        let denied = || io::Error::from_raw_os_error(13);
        let error = ToolError::from_error(&denied());
        assert_eq!(
            (error.message(), error.symptom()),
            (&*denied().to_string(), Some(Symptom::PermissionDenied))
        );
        let error = ToolError::transient("busy").caused_by(&denied());
        assert_eq!(error.message(), format!("busy: {}", denied()));
        assert!(error.is_transient());
        assert_eq!(error.symptom(), Some(Symptom::PermissionDenied));
        assert_eq!(ToolError::new(denied().to_string()).symptom(), None);
    }

    #[test]
    fn error_around_a_tool_error_keeps_its_reason() {
        let busy = ToolError::transient("busy").reason("shop_busy").retry_after(Duration::from_secs(1));
        let outer = ToolError::from_error(&io::Error::other(busy.clone()));
        assert_eq!(outer, busy);
    }

    #[test]
    fn error_around_questions_is_the_questions() {
        let ask = Ask::default().roots("roots");
        let mut error = ToolError::from_error(&io::Error::other(ask.clone()));
        assert_eq!(error.take_ask(), Some(ask));
    }
}
