//! Writes to stderr for threads that must neither panic nor wait: text that cannot be written is lost.

use std::{
    io::{self, Write as _},
    sync::{
        OnceLock,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

/// How many pieces of text wait while nothing reads stderr; the next ones are lost.
const MAX_QUEUED_TEXTS: usize = 1_000;
/// How long the end of the process waits for what is queued.
const FLUSH_TIMEOUT: Duration = Duration::from_millis(500);
/// The writer's stack, which holds no more than a write.
const STACK_BYTES: usize = 64 * 1024;

enum Job {
    Write(String),
    /// Everything before it was written, or lost.
    Flush(SyncSender<()>),
}

/// Writes a line.
pub(crate) fn line(text: impl std::fmt::Display) {
    write(format!("{text}\n"));
}

/// Writes `text` as it is.
pub(crate) fn write(text: String) {
    match writer() {
        // A full queue means that nothing reads stderr.
        Some(writer) => drop(writer.try_send(Job::Write(text))),
        None => write_now(&text),
    }
}

/// Waits until everything that was queued is written, but not for long: stderr may have no reader.
#[cfg_attr(not(feature = "cli"), expect(dead_code, reason = "only the command line ends a process"))]
pub(crate) fn flush() {
    let Some(writer) = WRITER.get().and_then(Option::as_ref) else { return };
    let (done, written) = sync_channel(1);
    if writer.try_send(Job::Flush(done)).is_ok() {
        let _ = written.recv_timeout(FLUSH_TIMEOUT);
    }
}

/// The queue of the thread that writes; none if the system has no thread left for it.
fn writer() -> Option<&'static SyncSender<Job>> {
    let start = || {
        let (writer, jobs) = sync_channel(MAX_QUEUED_TEXTS);
        let thread = thread::Builder::new().name("stderr".to_owned()).stack_size(STACK_BYTES);
        thread.spawn(move || run(&jobs)).ok().map(|_| writer)
    };
    WRITER.get_or_init(start).as_ref()
}

static WRITER: OnceLock<Option<SyncSender<Job>>> = OnceLock::new();

fn run(jobs: &Receiver<Job>) {
    while let Ok(job) = jobs.recv() {
        match job {
            Job::Write(text) => write_now(&text),
            Job::Flush(done) => drop(done.try_send(())),
        }
    }
}

fn write_now(text: &str) {
    // A full disk or a closed pipe cannot be reported anywhere else.
    let _ = io::stderr().write_all(text.as_bytes());
}
