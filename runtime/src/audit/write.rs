//! Writes a log: starts the writer of a folder, which takes records from a queue.

mod checkpoints;
pub(super) mod default_dir;
mod denials;
pub(super) mod disk;
pub(super) mod folder;
pub(super) mod keys;
mod log_file;
pub(super) mod options;
pub(super) mod queue;
pub(super) mod record;
mod recover;
pub(super) mod redact;
mod start;
mod writer;

pub(super) use start::start;
