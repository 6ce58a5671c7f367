//! Writes calls to the audit log: an intent before a call runs, an outcome before it is answered, or a denial.

mod call;
mod config;
mod denied_by;
mod origin;
mod recorder;

pub(crate) use call::{InFlightRecord, KeyMark, OwnedPending, PendingRecord, Unrecorded};
pub(crate) use config::{Recording, open};
pub(crate) use denied_by::DeniedBy;
pub(crate) use origin::{Origin, TraceId};
pub(crate) use recorder::{CallSubject, Recorder};
