//! Reads the return value of a tool's function by its type.

use std::{cell::RefCell, error::Error, fmt::Display, ops::Deref};

use schemars::{Schema, SchemaGenerator};

use super::{error::ToolError, outcome::Outcome, output::Output};

/// The return value of a tool's function.
///
/// An expansion calls `Returned::new(value).outcome()`, where the type of the value is concrete, and four methods of
/// that name are in scope. The compiler takes the first that applies: an inherent method before a method of a trait,
/// `self` before `&self`, and `&self` before `&mut self`. In this order:
///
/// 1. `Result<T, E>` with an `E` that is an `Error`,
/// 2. `Result<T, E>` with an `E` that dereferences to one, such as `Box<dyn Error>` or `anyhow::Error`,
/// 3. any other `Result`, whose error has a text and nothing else,
/// 4. any other type.
#[doc(hidden)]
#[derive(Debug)]
pub struct Returned<T>(RefCell<Option<T>>);

#[doc(hidden)]
impl<T> Returned<T> {
    pub const fn new(value: T) -> Self {
        Self(RefCell::new(Some(value)))
    }

    fn take(&self) -> T {
        self.0.take().expect("an expansion reads a value once")
    }
}

#[doc(hidden)]
impl<T, E> Returned<Result<T, E>> {
    pub fn schema(generator: &mut SchemaGenerator) -> Option<Schema>
    where
        T: Output,
    {
        T::schema(generator)
    }
}

#[doc(hidden)]
impl<T, E: Error + 'static> Returned<Result<T, E>> {
    pub fn outcome(self) -> Outcome
    where
        T: Output,
    {
        outcome(self.take(), |error| ToolError::from_error(&error))
    }
}

/// Reads a `Result` whose error dereferences to an `Error`.
#[doc(hidden)]
pub trait FailsWithBox {
    type Value;
    fn outcome(self) -> Outcome
    where
        Self::Value: Output;
}

impl<T, E: Deref<Target: AsError>> FailsWithBox for Returned<Result<T, E>> {
    type Value = T;

    fn outcome(self) -> Outcome
    where
        T: Output,
    {
        outcome(self.take(), |error| ToolError::from_error(error.as_error()))
    }
}

/// An error whose type is not known.
#[doc(hidden)]
pub trait AsError {
    fn as_error(&self) -> &(dyn Error + 'static);
}

impl AsError for dyn Error {
    fn as_error(&self) -> &(dyn Error + 'static) {
        self
    }
}

impl AsError for dyn Error + Send {
    fn as_error(&self) -> &(dyn Error + 'static) {
        self
    }
}

impl AsError for dyn Error + Send + Sync {
    fn as_error(&self) -> &(dyn Error + 'static) {
        self
    }
}

/// The error of a tool: any type with a text.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a tool's error: it has no text",
    label = "returned by a tool",
    note = "implement `std::fmt::Display` for it, for example by `thiserror`: a caller reads the text"
)]
pub trait Failure {
    /// Returns the text.
    fn text(&self) -> String;
}

#[diagnostic::do_not_recommend]
impl<E: Display> Failure for E {
    fn text(&self) -> String {
        self.to_string()
    }
}

/// Reads a `Result` whose error has a text and nothing else.
#[doc(hidden)]
pub trait FailsWithText {
    type Value;
    type Error;
    fn outcome(&self) -> Outcome
    where
        Self::Value: Output,
        Self::Error: Failure;
}

impl<T, E> FailsWithText for Returned<Result<T, E>> {
    type Value = T;
    type Error = E;

    fn outcome(&self) -> Outcome
    where
        T: Output,
        E: Failure,
    {
        outcome(self.take(), |error| ToolError::from_text(error.text()))
    }
}

/// The error of a `Result` whose types an expansion knows. It calls `Failed::new(error).outcome(text)`, and the compiler
/// takes one of three methods, as for [`Returned`].
#[doc(hidden)]
#[derive(Debug)]
pub struct Failed<E>(E);

#[doc(hidden)]
impl<E> Failed<E> {
    pub const fn new(error: E) -> Self {
        Self(error)
    }
}

#[doc(hidden)]
impl<E: Error + 'static> Failed<E> {
    pub fn outcome(self, _: fn(&E) -> String) -> Outcome {
        ToolError::from_error(&self.0).into()
    }
}

/// Reads an error that dereferences to an `Error`.
#[doc(hidden)]
pub trait FailedWithBox {
    type Error;
    fn outcome(self, text: fn(&Self::Error) -> String) -> Outcome;
}

impl<E: Deref<Target: AsError>> FailedWithBox for Failed<E> {
    type Error = E;

    fn outcome(self, _: fn(&E) -> String) -> Outcome {
        ToolError::from_error(self.0.as_error()).into()
    }
}

/// Reads an error that has a text and nothing else.
#[doc(hidden)]
pub trait FailedWithText {
    type Error;
    fn outcome(&self, text: fn(&Self::Error) -> String) -> Outcome;
}

impl<E> FailedWithText for Failed<E> {
    type Error = E;

    fn outcome(&self, text: fn(&E) -> String) -> Outcome {
        ToolError::from_text(text(&self.0)).into()
    }
}

/// Reads a value that is not a `Result`.
#[doc(hidden)]
pub trait Succeeds {
    type Value;
    fn schema(generator: &mut SchemaGenerator) -> Option<Schema>
    where
        Self::Value: Output;
    fn outcome(&mut self) -> Outcome
    where
        Self::Value: Output;
}

impl<T> Succeeds for Returned<T> {
    type Value = T;

    fn schema(generator: &mut SchemaGenerator) -> Option<Schema>
    where
        T: Output,
    {
        T::schema(generator)
    }

    fn outcome(&mut self) -> Outcome
    where
        T: Output,
    {
        self.take().reply().into()
    }
}

fn outcome<T: Output, E>(result: Result<T, E>, tool_error: impl FnOnce(E) -> ToolError) -> Outcome {
    match result {
        Ok(value) => value.reply().into(),
        Err(error) => tool_error(error).into(),
    }
}

#[cfg(test)]
mod tests {
    use std::{fmt, io};

    use crate::tool::{
        ask::Ask,
        cause::Symptom,
        output::Reply,
        returned::{
            FailedWithBox as _, FailedWithText as _, FailsWithBox as _, FailsWithText as _, Succeeds as _, *,
        },
    };

    /// Reads a value as an expansion does: a function would not know the type.
    macro_rules! error {
        ($value:expr) => {
            match Returned::new($value).outcome() {
                Outcome::Done(reply) => reply.error,
                Outcome::Ask(_) => panic!("no question was asked"),
            }
        };
    }

    /// An error with a cause, as `thiserror` derives them.
    #[derive(Debug)]
    enum StoreError {
        Read(io::Error),
    }

    impl fmt::Display for StoreError {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("the store cannot be read")
        }
    }

    impl Error for StoreError {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            let Self::Read(cause) = self;
            Some(cause)
        }
    }

    fn denied() -> io::Error {
        io::Error::from_raw_os_error(13)
    }

    #[test]
    fn errors_with_a_cause_are_read_with_it() {
        let error = error!(Err::<(), _>(StoreError::Read(denied()))).unwrap();
        assert_eq!(error.message(), format!("the store cannot be read: {}", denied()));
        assert_eq!(error.symptom(), Some(Symptom::PermissionDenied));

        let boxed: Box<dyn Error + Send + Sync> = StoreError::Read(denied()).into();
        let error = error!(Err::<(), _>(boxed)).unwrap();
        assert_eq!(error.message(), format!("the store cannot be read: {}", denied()));
        assert_eq!(error.symptom(), Some(Symptom::PermissionDenied));

        let boxed: Box<dyn Error> = denied().into();
        assert_eq!(error!(Err::<(), _>(boxed)).unwrap().symptom(), Some(Symptom::PermissionDenied));
        let not_found = StoreError::Read(io::ErrorKind::NotFound.into());
        assert_eq!(error!(Err::<(), _>(not_found)).unwrap().symptom(), None);
    }

    #[test]
    fn errors_that_are_texts_are_never_a_refusal_of_the_system() {
        let text = denied().to_string();
        for error in [error!(Err::<(), _>(text.clone())), error!(Err::<(), &str>(&text))] {
            let error = error.unwrap();
            assert_eq!((error.message(), error.symptom()), (&*text, None));
        }
        let quoting: Box<dyn Error + Send + Sync> = text.into();
        assert_eq!(error!(Err::<(), _>(quoting)).unwrap().symptom(), None);
        let database = "attempt to write a readonly database".to_owned();
        assert_eq!(error!(Err::<(), _>(database)).unwrap().symptom(), None);
        let status = "the compiler ended with exit status: 1".to_owned();
        assert_eq!(error!(Err::<(), _>(status)).unwrap().symptom(), Some(Symptom::ChildFailed));
    }

    #[test]
    fn values_that_are_not_results_are_answers() {
        assert_eq!(error!(7), None);
        assert_eq!(error!(Some("text".to_owned())), None);
        assert_eq!(error!(Ok::<_, String>(7)), None);
        assert_eq!(error!(Ok::<_, StoreError>(())), None);
    }

    #[test]
    fn errors_of_known_types_are_read_as_those_of_others() {
        let boxed: Box<dyn Error + Send + Sync> = StoreError::Read(denied()).into();
        for outcome in [
            Failed::new(StoreError::Read(denied())).outcome(Failure::text),
            Failed::new(boxed).outcome(Failure::text),
        ] {
            let Outcome::Done(Reply { error: Some(error), .. }) = outcome else { panic!("{outcome:?}") };
            assert_eq!(error.message(), format!("the store cannot be read: {}", denied()));
            assert!(error.is_permission_denied());
        }
        let Outcome::Done(reply) = Failed::new("busy").outcome(Failure::text) else { panic!("no question") };
        assert_eq!(reply.error.unwrap().message(), "busy");
    }

    #[test]
    fn questions_are_not_errors() {
        let ask = || Ask::default().roots("roots");
        let asked = Outcome::Ask(ask());
        assert_eq!(Returned::new(Err::<(), _>(ask())).outcome(), asked);
        assert_eq!(Failed::new(ask()).outcome(Failure::text), asked);
        assert_eq!(Returned::new(Err::<(), _>(ToolError::from(ask()))).outcome(), asked);
        let boxed: Box<dyn Error + Send + Sync> = ask().into();
        assert_eq!(Returned::new(Err::<(), _>(boxed)).outcome(), asked);
    }
}
