//! Follows an error to its causes.

use std::{error::Error, io, sync::Arc};

/// The number of errors at which a chain is cut off, in case one of them names itself as its cause.
const MAX_CHAIN_ERRORS: usize = 64;

/// Returns `error`, its cause, the cause of that, and so on.
pub(super) fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| cause(*error)).take(MAX_CHAIN_ERRORS)
}

/// Returns the cause of `error`. An `io::Error` that wraps another error passes over it in `source`.
fn cause<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match io_error(error).and_then(io::Error::get_ref) {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    }
}

/// Returns `error` as an `io::Error`. `Box` and `Arc` are errors of their own, and pass over their content in `source`.
fn io_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a io::Error> {
    error
        .downcast_ref::<io::Error>()
        .or_else(|| error.downcast_ref::<Box<io::Error>>().map(Box::as_ref))
        .or_else(|| error.downcast_ref::<Arc<io::Error>>().map(Arc::as_ref))
}

/// Returns the text of `error` and of its causes, joined by `: `. Many errors already quote their cause; a text that
/// has been written is not repeated.
pub(super) fn text(error: &(dyn Error + 'static)) -> String {
    let mut text = String::new();
    append(&mut text, error);
    text
}

/// Appends the text of `error` and of its causes to `text`. Their lines of notes and help stay at the end.
pub(super) fn append(text: &mut String, error: &(dyn Error + 'static)) {
    let mut advice = text.split_off(advice_start(text));
    for error in chain(error) {
        let more = error.to_string();
        let (fact, more_advice) = more.split_at(advice_start(&more));
        if !text.contains(fact) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(fact);
        }
        if !advice.contains(more_advice) {
            advice.push_str(more_advice);
        }
    }
    text.push_str(&advice);
}

/// Returns the place in a message where its notes and its help begin.
fn advice_start(text: &str) -> usize {
    let starts = ["\nnote: ", "\nhelp: "].into_iter().filter_map(|line| text.find(line));
    starts.min().unwrap_or(text.len())
}

/// A failure of the system that an error shows, ordered by how much it says. On sandboxed threads, the sandbox may be
/// behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Symptom {
    /// A program that the handler started failed.
    ChildFailed,
    /// The address of a host could not be looked up.
    LookUpFailed,
    /// A database in a file could not be opened or written.
    DatabaseFailed,
    /// The system denied permission.
    PermissionDenied,
}

/// Returns what `error` and its causes show. A refusal by the system is known by the kind of an I/O error: on sandboxed
/// threads, a system call that the sandbox refused comes back as one. The other symptoms have no type that is known here.
pub(super) fn symptom(error: &(dyn Error + 'static)) -> Option<Symptom> {
    if is_permission_denied(error) { Some(Symptom::PermissionDenied) } else { symptom_of_text(&text(error)) }
}

fn is_permission_denied(error: &(dyn Error + 'static)) -> bool {
    let kind = |error: &io::Error| error.kind() == io::ErrorKind::PermissionDenied;
    // Some errors hold an I/O error, and do not return it as their cause. The `Debug` text of an I/O error has its kind,
    // which no quoted message has.
    let is_inside = || {
        let debug = format!("{error:?}");
        ["kind: PermissionDenied", "Kind(PermissionDenied)"].iter().any(|kind| debug.contains(kind))
    };
    chain(error).filter_map(io_error).any(kind) || is_inside()
}

/// Returns what the text of an error shows, which is enough to mention the sandbox and not to blame it.
pub(super) fn symptom_of_text(text: &str) -> Option<Symptom> {
    /// How `rusqlite` and `sqlx` word codes 8 and 14 of their database.
    const DATABASE: [&str; 3] = [
        "attempt to write a readonly database",
        "unable to open database file",
        "unable to open the database file",
    ];
    /// How the standard library, and clients of HTTP, word a failed look-up.
    const LOOK_UP: [&str; 3] = ["failed to lookup address information", "dns error", "name resolution"];
    /// How the standard library writes the `ExitStatus` of a program.
    const EXIT: &str = "exit status: ";
    const SIGNAL: &str = "signal: ";
    let text = text.to_ascii_lowercase();
    let is_failure = |status: &str| status.starts_with(|digit: char| digit.is_ascii_digit() && digit != '0');
    let has = |words: &[&str]| words.iter().any(|words| text.contains(words));
    if has(&DATABASE) {
        Some(Symptom::DatabaseFailed)
    } else if has(&LOOK_UP) {
        Some(Symptom::LookUpFailed)
    } else if [EXIT, SIGNAL].iter().any(|before| text.split(before).skip(1).any(is_failure)) {
        Some(Symptom::ChildFailed)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use crate::tool::cause::*;

    /// An error with a cause, as `thiserror` derives them.
    #[derive(Debug)]
    struct Failed(&'static str, Box<dyn Error + Send + Sync>);

    impl fmt::Display for Failed {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Failed {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&*self.1)
        }
    }

    fn denied() -> io::Error {
        io::Error::from_raw_os_error(13)
    }

    #[test]
    fn error_text_holds_each_cause_once() {
        let failed = Failed("cannot load", Failed("cannot read", denied().into()).into());
        assert_eq!(text(&failed), format!("cannot load: cannot read: {}", denied()));
        assert_eq!(text(&io::Error::other(failed)), format!("cannot load: cannot read: {}", denied()));
        let quoting = Failed("cannot read: no disk", io::Error::other("no disk").into());
        assert_eq!(text(&quoting), "cannot read: no disk");
    }

    #[test]
    fn error_text_names_the_causes_before_the_help() {
        let inner = Failed("no route\nnote: the cable is out\nhelp: plug it in", denied().into());
        let text = text(&Failed("cannot send\nhelp: set `--api`", inner.into()));
        let expected = format!(
            "cannot send: no route: {}\nhelp: set `--api`\nnote: the cable is out\nhelp: plug it in",
            denied()
        );
        assert_eq!(text, expected);
    }

    /// An error that holds another and does not return it as its cause.
    #[derive(Debug)]
    struct Opaque(#[expect(dead_code, reason = "read by `Debug`")] io::Error);

    impl fmt::Display for Opaque {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("no connection")
        }
    }

    impl Error for Opaque {}

    #[test]
    fn denied_permission_is_known_by_its_kind_at_any_depth() {
        let not_found = || io::Error::from(io::ErrorKind::NotFound);
        let wrapped: [Box<dyn Error + Send + Sync>; 8] = [
            denied().into(),
            Failed("a", denied().into()).into(),
            io::Error::other(denied()).into(),
            io::Error::new(io::ErrorKind::NotFound, Failed("a", io::Error::other(denied()).into())).into(),
            Failed("a", Box::new(Box::new(denied()))).into(),
            Failed("a", Box::new(Arc::new(denied()))).into(),
            Opaque(denied()).into(),
            Opaque(io::Error::new(io::ErrorKind::PermissionDenied, "no")).into(),
        ];
        for error in wrapped {
            assert_eq!(symptom(&*error), Some(Symptom::PermissionDenied), "{error:?}");
        }
        let others: [Box<dyn Error + Send + Sync>; 5] = [
            not_found().into(),
            denied().to_string().into(),
            io::Error::other(denied().to_string()).into(),
            Failed("Permission denied (os error 13)", not_found().into()).into(),
            Opaque(io::Error::other("PermissionDenied")).into(),
        ];
        for error in others {
            assert_eq!(symptom(&*error), None, "{error:?}");
        }
    }

    #[test]
    fn failures_that_a_sandbox_may_cause_are_known_by_their_text() {
        let failed = |cause: &str| symptom(&Failed("cannot save", cause.to_owned().into()));
        for (cause, expected) in [
            ("attempt to write a readonly database", Symptom::DatabaseFailed),
            (
                "error returned from database: (code: 8) attempt to write a readonly database",
                Symptom::DatabaseFailed,
            ),
            ("unable to open database file: /srv/notes.db", Symptom::DatabaseFailed),
            ("Error code 14: Unable to open the database file", Symptom::DatabaseFailed),
            (
                "failed to lookup address information: Temporary failure in name resolution",
                Symptom::LookUpFailed,
            ),
            ("client error (Connect): dns error", Symptom::LookUpFailed),
            ("git ended with exit status: 128", Symptom::ChildFailed),
            ("signal: 6 (SIGABRT) (core dumped)", Symptom::ChildFailed),
        ] {
            assert_eq!(failed(cause), Some(expected), "{cause}");
        }
        for cause in ["exit status: 0", "exit status: unknown", "database is locked", "no signal: none"] {
            assert_eq!(failed(cause), None, "{cause}");
        }
    }

    #[test]
    fn error_that_is_its_own_cause_has_a_finite_chain() {
        #[derive(Debug)]
        struct Circle;
        impl fmt::Display for Circle {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("circle")
            }
        }
        impl Error for Circle {
            fn source(&self) -> Option<&(dyn Error + 'static)> {
                Some(self)
            }
        }
        assert_eq!(text(&Circle), "circle");
    }
}
