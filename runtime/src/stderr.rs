//! Writes to stderr for threads that must neither panic nor wait: text that cannot be written is lost.

use std::{
    io, mem,
    sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// How many bytes wait while nothing reads stderr; the next texts are lost.
const MAX_QUEUED_BYTES: usize = 1024 * 1024;
/// The memory that an empty queue keeps.
const KEPT_QUEUE_BYTES: usize = 64 * 1024;
/// How long the writer lets text gather after it wrote. Waking a thread costs its waker more than a line, so the first text
/// alone wakes it, and it finds the next ones by itself.
const PAUSE: Duration = Duration::from_millis(1);
/// How long the writer waits before it tries again to write to a pipe that is full and does not block.
const FULL_PIPE_PAUSE: Duration = Duration::from_millis(10);
/// How long the end of the process waits for what is queued.
const FLUSH_TIMEOUT: Duration = Duration::from_millis(500);
/// The most bytes that a pipe takes in one piece (`PIPE_BUF` of Linux), so that lines of several processes do not mix.
const PIECE_BYTES: usize = 4096;
/// The writer's stack, which holds no more than a write.
const STACK_BYTES: usize = 64 * 1024;

/// Writes a line.
pub(crate) fn line(text: impl std::fmt::Display) {
    write(format!("{text}\n"));
}

/// Writes `text` as it is.
pub(crate) fn write(text: impl AsRef<[u8]>) {
    match writer() {
        Some(writer) => writer.add(text.as_ref()),
        None => write_now(text.as_ref()),
    }
}

/// Waits until everything that was queued is written, but not for long: stderr may have no reader.
#[cfg_attr(not(feature = "cli"), expect(dead_code, reason = "only the command line ends a process"))]
pub(crate) fn flush() {
    if let Some(Some(writer)) = WRITER.get() {
        writer.flush();
    }
}

/// Returns the writer; none if the system has no thread left for it.
fn writer() -> Option<&'static StderrWriter> {
    let start = || {
        let writer: &'static StderrWriter = Box::leak(Box::default());
        let thread = thread::Builder::new().name("stderr".to_owned()).stack_size(STACK_BYTES);
        thread.spawn(|| writer.run()).ok().map(|_| writer)
    };
    *WRITER.get_or_init(start)
}

static WRITER: OnceLock<Option<&'static StderrWriter>> = OnceLock::new();

/// The queue of the thread that writes.
#[derive(Default)]
struct StderrWriter {
    queue: Mutex<QueuedText>,
    /// Wakes the thread: there is text after a silence, or a flush waits.
    wake: Condvar,
    /// Wakes flushes: text was written, or lost.
    written: Condvar,
}

#[derive(Default)]
struct QueuedText {
    text: Vec<u8>,
    /// Whether the thread waits for text, and must be woken.
    is_asleep: bool,
    /// The flushes that wait. Meanwhile, the thread makes no pause.
    flushes: usize,
    /// All bytes that were ever queued.
    queued_bytes: u64,
    /// All bytes of those that were written, or lost.
    written_bytes: u64,
}

impl StderrWriter {
    fn queue(&self) -> MutexGuard<'_, QueuedText> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, text: &[u8]) {
        let mut queue = self.queue();
        // A full queue means that nothing reads stderr. A text of any length finds a place in an empty one.
        if !queue.text.is_empty() && queue.text.len() + text.len() > MAX_QUEUED_BYTES {
            return;
        }
        queue.text.extend_from_slice(text);
        queue.queued_bytes += text.len() as u64;
        let was_asleep = mem::take(&mut queue.is_asleep);
        drop(queue);
        if was_asleep {
            self.wake.notify_one();
        }
    }

    fn flush(&self) {
        let deadline = Instant::now() + FLUSH_TIMEOUT;
        let mut queue = self.queue();
        let end = queue.queued_bytes;
        queue.flushes += 1;
        self.wake.notify_one();
        while queue.written_bytes < end {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let waited = self.written.wait_timeout(queue, left);
            queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        queue.flushes -= 1;
    }

    fn run(&self) {
        let mut text = Vec::new();
        loop {
            let mut queue = self.queue();
            while queue.text.is_empty() {
                queue.is_asleep = true;
                queue = self.wake.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
            queue.is_asleep = false;
            mem::swap(&mut queue.text, &mut text);
            drop(queue);
            write_now(&text);
            let mut queue = self.queue();
            queue.written_bytes += text.len() as u64;
            self.written.notify_all();
            drop(self.wake.wait_timeout_while(queue, PAUSE, |queue| queue.flushes == 0));
            text.clear();
            text.shrink_to(KEPT_QUEUE_BYTES);
        }
    }
}

/// Writes whole lines at a time.
fn write_now(mut text: &[u8]) {
    while !text.is_empty() {
        let (piece, rest) = text.split_at(piece_len(text));
        // A full disk or a closed pipe cannot be reported anywhere else.
        if write_piece(&mut io::stderr(), piece).is_err() {
            return;
        }
        text = rest;
    }
}

/// Returns the length of the lines that fit into one piece, or of the first line if it does not fit.
fn piece_len(text: &[u8]) -> usize {
    if text.len() <= PIECE_BYTES {
        return text.len();
    }
    let (start, rest) = text.split_at(PIECE_BYTES);
    let is_end = |byte: &u8| *byte == b'\n';
    match start.iter().rposition(is_end) {
        Some(end) => end + 1,
        None => rest.iter().position(is_end).map_or(text.len(), |end| PIECE_BYTES + end + 1),
    }
}

/// Writes all of `piece`, as soon as there is space in a pipe that another process made non-blocking.
fn write_piece(stderr: &mut impl io::Write, mut piece: &[u8]) -> io::Result<()> {
    while !piece.is_empty() {
        match stderr.write(piece) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => piece = &piece[written..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(FULL_PIPE_PAUSE),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_end_with_a_line() {
        let line = |len: usize| [&vec![b'x'; len - 1][..], b"\n"].concat();
        assert_eq!(piece_len(b"no line"), 7);
        assert_eq!(piece_len(&[line(3000), line(1000), line(100)].concat()), 4000);
        assert_eq!(piece_len(&[line(5000), line(100)].concat()), 5000);
        assert_eq!(piece_len(&vec![b'x'; 9000]), 9000);
    }

    #[test]
    fn full_pipe_that_does_not_block_loses_no_part_of_a_line() {
        /// Takes three bytes at every other attempt.
        #[derive(Default)]
        struct FullPipe(Vec<u8>, bool);

        impl io::Write for FullPipe {
            fn write(&mut self, text: &[u8]) -> io::Result<usize> {
                self.1 = !self.1;
                if self.1 {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                self.0.extend_from_slice(&text[..text.len().min(3)]);
                Ok(text.len().min(3))
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }

        let mut pipe = FullPipe::default();
        write_piece(&mut pipe, b"a line\n").unwrap();
        assert_eq!(pipe.0, b"a line\n");
    }
}
