//! Reads a log, its keys and its checkpoints, and finds what was changed, as far as they can show it.

mod check;
mod folders;
mod keys;
mod reader;
mod signatures;
#[cfg(test)]
mod tampered;
mod template;

use std::{
    collections::VecDeque,
    fs::{self, File},
    path::Path,
    sync::mpsc::{self, Receiver, SyncSender},
    thread,
};

pub(crate) use check::{Finding, Location};
pub(crate) use keys::make_signer;
pub(crate) use reader::Reader;
pub(crate) use signatures::exported;

pub(crate) use super::signed_note::{Checkpoint, VerifierKey};
use super::{
    blocks::{LineBlock, LineBlocks},
    chain::Hash,
    scan::holds_more_than_a_record,
    segments,
};
use check::{Check, ParsedLine, Summary, parse};
use signatures::CheckpointCheck;
use template::Templates;

/// What a log comes to.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) summary: Summary,
    pub(crate) checkpoints: CheckpointCheck,
    /// Whether a process writes it.
    pub(crate) is_written: bool,
    /// The bytes of a last line that is not ended.
    pub(crate) torn: u64,
}

/// Reads a whole log, block by block. `exported` are checkpoints that were kept elsewhere. An error says why it could
/// not be read; what is wrong with it is no error.
pub(crate) fn verify(
    path: &Path,
    keys: &[VerifierKey],
    exported: Vec<Checkpoint>,
    threads: usize,
) -> Result<Verdict, String> {
    let shown = path.display();
    let is_written = folders::is_written(path);
    // What is signed by now is on the disk by now.
    let own = signatures::snapshot(path).map_err(|error| format!("`{shown}`: {error}"))?;
    let numbers = segments::segments(path).map_err(|error| format!("`{shown}` cannot be read: {error}"))?;
    if numbers.is_empty() && own.is_none() && exported.is_empty() {
        return Err(format!("there is no audit log in `{shown}`"));
    }
    thread::scope(|scope| {
        let checkpoints = CheckpointCheck::new(scope, own, exported, keys);
        let workers: Vec<Worker> = (0..threads.max(1)).map(|_| Worker::in_flight(scope)).collect();
        let mut verification = Verification {
            check: Check::new(),
            checkpoints,
            workers,
            found: VecDeque::new(),
            given: 0,
            taken: 0,
            rooms: Vec::new(),
            torn: 0,
        };
        for (at, &number) in numbers.iter().enumerate() {
            verification.segment(path, number, at + 1 == numbers.len())?;
        }
        while verification.take() {}
        let Verification { check, mut checkpoints, torn, .. } = verification;
        let (mut summary, records) = check.finish();
        checkpoints.finish(records, &mut summary);
        Ok(Verdict { summary, checkpoints, is_written, torn })
    })
}

/// A thread that looks at lines.
struct Worker {
    give: SyncSender<Parsing>,
    take: Receiver<Parsing>,
}

/// A block and its lines as they were parsed at.
#[derive(Default)]
struct Parsing {
    block: Vec<u8>,
    parsed: Vec<ParsedLine>,
}

/// The blocks that one worker has before it.
const MAX_QUEUED_BLOCKS: usize = 2;

impl Worker {
    fn in_flight<'scope>(scope: &'scope thread::Scope<'scope, '_>) -> Self {
        let (give, given) = mpsc::sync_channel::<Parsing>(MAX_QUEUED_BLOCKS);
        let (done, take) = mpsc::sync_channel(MAX_QUEUED_BLOCKS);
        scope.spawn(move || {
            let mut templates = Templates::new();
            for mut work in given {
                parse(&work.block, &mut templates, &mut work.parsed);
                if done.send(work).is_err() {
                    break;
                }
            }
        });
        Self { give, take }
    }
}

/// What was found in the folder, in its order.
enum Step {
    Segment(u32),
    NoFile(String),
    /// Lines that a worker looks at.
    Lines,
    TooLong,
    /// An end that no newline ends: a line of so many bytes, as a crash can have left it, or something else.
    Torn(Option<u64>),
    SegmentEnds {
        is_last: bool,
    },
}

struct Verification {
    check: Check,
    checkpoints: CheckpointCheck,
    workers: Vec<Worker>,
    /// What is still to be checked.
    found: VecDeque<Step>,
    /// LineBlocks so far, to the workers in turn and from them in turn.
    given: usize,
    taken: usize,
    /// Memory of blocks that are done with.
    rooms: Vec<Parsing>,
    /// The bytes of a last line that is not ended.
    torn: u64,
}

impl Verification {
    fn segment(&mut self, path: &Path, number: u32, is_last: bool) -> Result<(), String> {
        let name = segments::segment(path, number);
        let unread = |error: std::io::Error| format!("`{}` cannot be read: {error}", name.display());
        self.found.push_back(Step::Segment(number));
        // A pipe would be waited for, and a link leads out of the folder.
        if !fs::symlink_metadata(&name).map_err(unread)?.is_file() {
            self.found.push_back(Step::NoFile(format!("`{}` is no file", name.display())));
            return Ok(());
        }
        let mut blocks = LineBlocks::new(File::open(&name).map_err(unread)?);
        loop {
            let Parsing { block, parsed } = self.rooms.pop().unwrap_or_default();
            match blocks.next(block).map_err(unread)? {
                None => break,
                Some(LineBlock::Lines(block)) => self.give(Parsing { block, parsed }),
                Some(LineBlock::TooLong) => self.found.push_back(Step::TooLong),
                Some(LineBlock::Torn(line)) => {
                    let is_torn = is_last && !holds_more_than_a_record(&line);
                    self.found.push_back(Step::Torn(is_torn.then_some(line.len() as u64)));
                }
            }
        }
        self.found.push_back(Step::SegmentEnds { is_last });
        Ok(())
    }

    fn give(&mut self, work: Parsing) {
        while self.given - self.taken == MAX_QUEUED_BLOCKS * self.workers.len() {
            self.take();
        }
        let worker = &self.workers[self.given % self.workers.len()];
        worker.give.send(work).expect("a worker works until nothing more is given");
        self.given += 1;
        self.found.push_back(Step::Lines);
    }

    /// Checks the oldest of what was found; whether there was something.
    fn take(&mut self) -> bool {
        let Some(found) = self.found.pop_front() else { return false };
        match found {
            Step::Segment(number) => self.check.segment(number),
            Step::NoFile(what) => self.check.summary.find(None, what),
            Step::Lines => self.lines(),
            Step::TooLong => self.check.too_long(),
            Step::Torn(Some(bytes)) => self.torn = bytes,
            Step::Torn(None) => self.check.torn(),
            Step::SegmentEnds { is_last } => self.check.segment_ends(is_last),
        }
        true
    }

    fn lines(&mut self) {
        let worker = &self.workers[self.taken % self.workers.len()];
        let work = worker.take.recv().expect("a worker gives back what it is given");
        self.taken += 1;
        let mut rest = &work.block[..];
        for parsed in &work.parsed {
            let (line, after) = rest.split_at(parsed.len);
            rest = &after[1..];
            let head: Option<(u64, Hash)> = self.check.take(line, parsed);
            if let Some((next, hash)) = head {
                self.checkpoints.compare(next, &hash, &mut self.check.summary);
            }
        }
        self.rooms.push(work);
    }
}
