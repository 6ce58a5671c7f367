//! Writes a log: starts the writer of a folder, which takes records from a queue.

mod checkpoints;
mod contexts;
pub(super) mod default_dir;
mod denials;
pub(super) mod disk;
pub(super) mod folder;
pub(super) mod keys;
mod left_out;
mod log_file;
mod note_keeper;
pub(super) mod options;
pub(super) mod queue;
pub(super) mod queued_record;
pub(super) mod record;
mod recover;
pub(super) mod redact;
pub(super) mod removal_plan;
pub(super) mod retention;
pub(super) mod retention_job;
mod signed_end;
pub(super) mod signing_state;
pub(super) mod start;
mod writer;

pub(super) use start::start;
