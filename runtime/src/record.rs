//! Writes calls to the audit log: an intent before a call runs and an outcome before it is answered, one record of a read,
//! a question or a denial.

mod call;
mod config;
mod denied_by;
mod identity;
mod origin;
mod read;
mod recorder;

pub(crate) use call::{
    ConfirmedBy, InFlightRecord, KeyMark, NotRun, OwnedPending, PendingRecord, ResultWithheld,
};
pub(crate) use config::{Recording, open};
pub(crate) use denied_by::DeniedBy;
pub(crate) use origin::{Origin, TraceId};
pub(crate) use recorder::{CallSubject, Recorder};
