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

/// Appends the text of `error` and of its causes to `text`.
pub(super) fn append(text: &mut String, error: &(dyn Error + 'static)) {
    for error in chain(error) {
        let more = error.to_string();
        if !text.contains(&more) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&more);
        }
    }
}

/// Returns whether `error` or one of its causes is an I/O error of the kind `PermissionDenied`: on sandboxed threads, a
/// system call that the sandbox refused comes back as one.
pub(super) fn is_permission_denied(error: &(dyn Error + 'static)) -> bool {
    chain(error).filter_map(io_error).any(|error| error.kind() == io::ErrorKind::PermissionDenied)
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
    fn denied_permission_is_known_by_its_kind_at_any_depth() {
        let not_found = || io::Error::from(io::ErrorKind::NotFound);
        let wrapped: [Box<dyn Error + Send + Sync>; 6] = [
            denied().into(),
            Failed("a", denied().into()).into(),
            io::Error::other(denied()).into(),
            io::Error::new(io::ErrorKind::NotFound, Failed("a", io::Error::other(denied()).into())).into(),
            Failed("a", Box::new(Box::new(denied()))).into(),
            Failed("a", Box::new(Arc::new(denied()))).into(),
        ];
        for error in wrapped {
            assert!(is_permission_denied(&*error), "{error:?}");
        }
        let others: [Box<dyn Error + Send + Sync>; 4] = [
            not_found().into(),
            denied().to_string().into(),
            io::Error::other(denied().to_string()).into(),
            Failed("Permission denied (os error 13)", not_found().into()).into(),
        ];
        for error in others {
            assert!(!is_permission_denied(&*error), "{error:?}");
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
