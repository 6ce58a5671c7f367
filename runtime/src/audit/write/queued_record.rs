//! Defines a record that waits for the writer.

use tokio::sync::oneshot;

use super::record::RecordWriter;

/// The relation of a record to a call in flight.
#[derive(Clone, Copy, Debug)]
pub(crate) enum RecordKind {
    Intent(u128),
    Outcome(u128),
    /// The outcome of a call that did not run.
    NotRun(u128),
    Other,
}

/// The record of a read, written when the read has ended.
pub(crate) trait ReadRecord: Send {
    /// Writes the members that many reads have in common.
    fn context(&self, record: &mut RecordWriter);
    /// Writes the other members.
    fn write(&self, record: &mut RecordWriter);
}

/// A record that the writer has not written yet.
pub(super) struct QueuedRecord {
    pub(super) kind: RecordKind,
    pub(super) content: RecordContent,
    /// Whether a tool requires this record.
    pub(super) is_required: bool,
    /// Tells the call that waits.
    pub(super) done: Option<oneshot::Sender<()>>,
}

pub(super) enum RecordContent {
    Ready(RecordWriter),
    /// Written by the writer's thread: the call has gone on.
    Deferred(Box<dyn Fn(&mut RecordWriter) + Send>),
    Read(Box<dyn ReadRecord>),
}

impl QueuedRecord {
    /// A record of the server itself.
    pub(super) fn of_server(record: RecordWriter) -> Self {
        let content = RecordContent::Ready(record);
        Self { kind: RecordKind::Other, content, is_required: false, done: None }
    }

    /// Tells the call that its record is on the disk.
    pub(super) fn acknowledge(self) {
        if let Some(done) = self.done {
            // The call may have been dropped.
            let _ = done.send(());
        }
    }
}
