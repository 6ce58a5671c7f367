//! Prints the results and errors of a command, and turns a stdout that cannot be written into an exit code.

use std::{
    fmt::Display,
    io::{self, Write as _},
    process::ExitCode,
};

use super::{COULD_NOT, DONE};
use crate::stderr;

/// Prints the text of a command that succeeded, or the error of one that did not.
pub(super) fn print(text: Result<String, impl Display>) -> ExitCode {
    match text {
        Ok(text) => print_stdout(&text),
        Err(error) => fail(&error),
    }
}

/// Writes to stdout. A reader that closes the pipe early (`| head`) is not an error.
pub(super) fn print_stdout(text: &str) -> ExitCode {
    let mut stdout = io::stdout().lock();
    exit_code(stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()))
}

/// The exit code of a command whose output was written, or not.
pub(super) fn exit_code(written: io::Result<()>) -> ExitCode {
    match written {
        Ok(()) => ExitCode::from(DONE),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::from(DONE),
        Err(error) => fail(&format!("stdout cannot be written: {error}")),
    }
}

/// Prints an error, and gives the exit code of a command that could not run.
pub(super) fn fail(error: &impl Display) -> ExitCode {
    stderr::line(format_args!("error: {error}"));
    ExitCode::from(COULD_NOT)
}
