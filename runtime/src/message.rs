//! Writes a message for a person in three parts: a fact, the reason, and what to type next.

use std::{borrow::Cow, fmt, io};

/// A message in the shape of the compile errors: the fact on the first line, then `note:` with the reason and `help:`
/// with what to do about it, where there are such.
///
/// ```
/// use candor::Message;
///
/// let message = Message::new("the port is taken").help("choose another with `--http`");
/// assert_eq!(message.to_string(), "the port is taken\nhelp: choose another with `--http`");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    fact: Cow<'static, str>,
    note: Option<Cow<'static, str>>,
    help: Option<Cow<'static, str>>,
}

impl Message {
    /// Creates a message that states `fact`: lower case, no full stop, names in backticks.
    pub fn new(fact: impl Into<Cow<'static, str>>) -> Self {
        Self { fact: fact.into(), note: None, help: None }
    }

    /// Adds the reason. A second one stands on a line of its own.
    pub fn note(mut self, note: impl Into<Cow<'static, str>>) -> Self {
        let note = note.into();
        self.note = Some(match self.note {
            None => note,
            Some(first) => format!("{first}\nnote: {note}").into(),
        });
        self
    }

    /// Says what to type next. A second one, for another way, stands on a line of its own.
    pub fn help(mut self, help: impl Into<Cow<'static, str>>) -> Self {
        let help = help.into();
        self.help = Some(match self.help {
            None => help,
            Some(first) => format!("{first}\nhelp: {help}").into(),
        });
        self
    }

    /// Creates a message about a failure of the system, with a help where one does not depend on what was tried.
    pub(crate) fn failure(fact: &str, error: &io::Error) -> Self {
        let message = Self::new(format!("{fact}: {error}"));
        if has_no_descriptor_left(error) {
            return message.help("raise the limit of open files, as with `ulimit -n 4096`");
        }
        message
    }

    /// Adds another message as the reason, with what it says to type next.
    pub(crate) fn because(self, reason: &Self) -> Self {
        let notes = [Some(&reason.fact), reason.note.as_ref()].into_iter().flatten();
        let message = notes.fold(self, |message, note| message.note(note.clone()));
        match &reason.help {
            Some(help) => message.help(help.clone()),
            None => message,
        }
    }

    /// Says what to type next, unless the message already does.
    pub(crate) fn or_help(self, help: &'static str) -> Self {
        if self.help.is_some() { self } else { self.help(help) }
    }

    /// Returns the first line alone.
    pub fn fact(&self) -> &str {
        &self.fact
    }
}

/// Whether the process, or the system, may open no further file.
#[cfg(unix)]
fn has_no_descriptor_left(error: &io::Error) -> bool {
    use rustix::io::Errno;
    Errno::from_io_error(error).is_some_and(|errno| matches!(errno, Errno::MFILE | Errno::NFILE))
}

#[cfg(not(unix))]
fn has_no_descriptor_left(_: &io::Error) -> bool {
    false
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.fact)?;
        if let Some(note) = &self.note {
            write!(f, "\nnote: {note}")?;
        }
        if let Some(help) = &self.help {
            write!(f, "\nhelp: {help}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Message {}

impl From<Message> for String {
    fn from(message: Message) -> Self {
        message.to_string()
    }
}

impl From<Message> for Cow<'static, str> {
    fn from(message: Message) -> Self {
        message.to_string().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_parts_stand_on_lines_of_their_own() {
        let message = Message::new("a fact").help("do this").note("why").note("and why else");
        assert_eq!(message.to_string(), "a fact\nnote: why\nnote: and why else\nhelp: do this");
        assert_eq!(message.fact(), "a fact");
    }
}
