//! What was said of an audit log, and the tools that insist on one → the log, or why the server does not start.

pub(crate) mod call;

use crate::{
    audit::{self, AuditLog},
    message::Message,
    pipeline::Recorder,
    registry::{Definition, Registry, StartError},
    tool::descriptor::Audit,
};

/// What becomes of the records of calls.
pub(crate) enum Recording {
    /// Nobody said.
    Unsaid,
    /// There are none, and somebody said so.
    Nowhere,
    In(AuditLog),
    /// The folder that `serve` takes where nobody said. A server none of whose tools insists does without.
    #[cfg_attr(not(feature = "cli"), expect(dead_code, reason = "only `serve` has a default"))]
    ByDefault(Option<AuditLog>),
}

/// Opens the log that calls are recorded in. What a tool insists on is there, or the server does not start.
pub(crate) fn recorder(
    recording: Recording,
    registry: &Registry,
    open: impl FnOnce(&AuditLog) -> Result<Recorder, Message>,
) -> Result<Option<Recorder>, StartError> {
    let is = |class| move |tool: &Definition| tool.descriptor.audit == class;
    let insists =
        registry.tools().iter().find(|tool| is(Audit::Required)(tool)).map(|tool| tool.descriptor.name);
    match (recording, insists) {
        (Recording::Nowhere, _) | (Recording::Unsaid, None) => Ok(None),
        (Recording::Unsaid, Some(tool)) => Err(StartError::Unaudited(tool)),
        (Recording::In(log), _) => open(&log).map(Some).map_err(|why| StartError::Audit(why.into())),
        (Recording::ByDefault(_), _) if registry.tools().iter().all(is(Audit::Off)) => Ok(None),
        (Recording::ByDefault(log), tool) => {
            match (log.ok_or_else(audit::no_folder).and_then(|log| open(&log)), tool) {
                (Ok(recorder), _) => Ok(Some(recorder)),
                (Err(why), Some(tool)) => Err(StartError::Audit(insisting(why, tool).into())),
                (Err(why), None) => {
                    // Nobody insists, and nobody is left to think that there are records.
                    eprintln!("audit: no call is recorded: {why}");
                    Ok(None)
                }
            }
        }
    }
}

fn insisting(why: Message, tool: &str) -> Message {
    why.note(format!("tool `{tool}` is declared `audit = \"required\"`, and does not run unrecorded"))
}
