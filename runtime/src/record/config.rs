//! Decides whether a server keeps an audit log, and opens it.

use super::Recorder;
use crate::{
    audit::{self, AuditLog, OpenError},
    message::Message,
    registry::{Definition, Registry},
    start_error::StartError,
    stderr,
    tool::descriptor::Audit,
};

/// The audit log that a server was configured with.
pub(crate) enum Recording {
    /// Neither a log nor its absence was configured.
    Unset,
    /// The server keeps no log, by configuration.
    Disabled,
    To(AuditLog),
    /// The folder that `serve` takes if nothing was configured; a server without `required` tools goes on without it.
    #[cfg_attr(not(feature = "cli"), expect(dead_code, reason = "only `serve` has a default"))]
    Default(Option<AuditLog>),
}

/// Opens the log. A server with a tool that requires records does not start without one.
pub(crate) fn open(
    recording: Recording,
    registry: &Registry,
    open: impl FnOnce(&AuditLog) -> Result<Recorder, OpenError>,
) -> Result<Option<Recorder>, StartError> {
    let has_class = |class| move |tool: &Definition| tool.descriptor.audit == class;
    let required = registry.tools().iter().find(|tool| has_class(Audit::Required)(tool));
    match (recording, required.map(|tool| tool.descriptor.name)) {
        (Recording::Disabled, _) | (Recording::Unset, None) => Ok(None),
        (Recording::Unset, Some(tool)) => Err(StartError::Unaudited(tool)),
        (Recording::To(log), _) => {
            open(&log).map(Some).map_err(|error| StartError::Audit(error.into_message()))
        }
        (Recording::Default(_), _) if registry.tools().iter().all(has_class(Audit::Off)) => Ok(None),
        (Recording::Default(log), required) => {
            let recorder = log.ok_or_else(|| audit::no_folder().into()).and_then(|log| open(&log));
            match (recorder, required) {
                (Ok(recorder), _) => Ok(Some(recorder)),
                // A changed log is evidence, whether or not a tool requires records.
                (Err(OpenError::Changed(why)), _) => Err(StartError::Audit(why)),
                (Err(OpenError::Unfit(why)), Some(tool)) => Err(StartError::Audit(required_by(why, tool))),
                (Err(OpenError::Unfit(why)), None) => {
                    // No tool requires records, but the operator must not believe that there are some.
                    stderr::line(format_args!("audit: no call is recorded: {why}"));
                    Ok(None)
                }
            }
        }
    }
}

fn required_by(why: Message, tool: &str) -> Message {
    why.note(format!("tool `{tool}` is declared `audit = \"required\"`, and does not run unrecorded"))
}
