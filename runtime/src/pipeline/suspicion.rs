//! Adds to an error of a sandboxed handler that its sandbox may be the reason, and names the ways out.

use super::Core;
use crate::{
    message::Message,
    tool::{cause::Symptom, descriptor::Descriptor, error::ToolError, output::Reply},
};

/// Explains an error that the sandbox may have caused. Nothing tells for certain that it did: other refusals have the same
/// error kind, for example of a file that the server's user must not read.
pub(super) fn explain(tool: &Descriptor, mut reply: Reply) -> Reply {
    let Some(symptom) = reply.error.as_ref().and_then(ToolError::symptom) else { return reply };
    let Some((reason, way_out)) = suspicion(symptom, tool.is_read_only(), tool.closed_world) else {
        return reply;
    };
    let Some(error) = reply.error.take() else { return reply };
    let declared = match (tool.is_read_only(), tool.closed_world) {
        (true, true) => "`read_only` and `closed_world`",
        (true, false) => "`read_only`",
        _ => "`closed_world`",
    };
    let message = Message::new(error.message().to_owned())
        .note(format!("tool `{}` is declared {declared}, and {reason}", tool.name))
        .help(format!("{way_out}; a tool that cannot be sandboxed declares `unsandboxed = \"reason\"`"));
    let error = error.with_message(message.to_string());
    if error.is_permission_denied() { error.or_reason("permission_denied").into() } else { error.into() }
}

/// Adds to a refusal of an unsandboxed handler that a thread which another tool left in its sandbox may be the reason.
pub(super) fn with_left_thread(core: &Core, mut reply: Reply) -> Reply {
    let is_refused = reply.error.as_ref().is_some_and(ToolError::is_permission_denied);
    let thread = is_refused.then(|| core.sandboxes.watch().reported()).flatten();
    match (reply.error.take(), thread) {
        (Some(error), Some(thread)) => {
            let message = Message::new(error.message().to_owned()).note(thread.note());
            error.with_message(message.to_string()).into()
        }
        (error, _) => Reply { error, ..reply },
    }
}

/// Returns why the sandbox of these words may be behind a symptom, and the ways out; `None` if it cannot be.
fn suspicion(symptom: Symptom, read_only: bool, closed_world: bool) -> Option<(&'static str, String)> {
    let both = || format!("{WRITE}; {CONNECT}");
    let either = match (read_only, closed_world) {
        (true, true) => both(),
        (true, false) => WRITE.to_owned(),
        _ => CONNECT.to_owned(),
    };
    Some(match symptom {
        Symptom::PermissionDenied => (denial(read_only, closed_world), either),
        Symptom::ChildFailed => {
            ("the programs that it starts run in its sandbox, which may have refused them something", either)
        }
        Symptom::DatabaseFailed if read_only => (
            "its sandbox may have refused to let SQLite write: a database in WAL mode needs that to be read, too",
            WRITE.to_owned(),
        ),
        Symptom::LookUpFailed if closed_world => {
            ("its sandbox may have refused the look-up, which needs the network", CONNECT.to_owned())
        }
        Symptom::DatabaseFailed | Symptom::LookUpFailed => return None,
    })
}

/// Says what the sandbox may have denied, and what else may have. A sandbox lets a tool read every file on disk that the
/// server can read.
fn denial(read_only: bool, closed_world: bool) -> &'static str {
    match (read_only, closed_world) {
        (true, true) => {
            "its sandbox may have refused to change something or to connect; it refuses no reading of files on disk, \
             so for a file that was only read, the server's user has no permission"
        }
        (true, false) => {
            "its sandbox may have refused to change something; it refuses no reading of files on disk, \
             so for a file that was only read, the server's user has no permission"
        }
        _ => {
            "its sandbox may have refused to connect; it refuses no access to files, \
             so for a file, the server's user has no permission"
        }
    }
}

/// The ways out of the sandbox of `read_only`.
const WRITE: &str =
    "to write, give the server a `scratch` folder, or declare the tool `additive` or `destructive`";
/// The ways out of the sandbox of `closed_world`.
const CONNECT: &str =
    "to connect, give the server the port in `closed_world_ports`, or remove `closed_world`";
