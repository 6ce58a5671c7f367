//! Verifies a log: reads its records and checkpoints, and finds what was changed.

mod blocks;
mod check;
mod folders;
mod keys;
mod line;
mod reader;
mod removals;
mod signatures;
mod summary;
#[cfg(test)]
mod tampered;
mod template;
mod worker;

use std::{collections::VecDeque, fs, io, path::Path, thread};

pub(crate) use keys::{make_signer, read_key};
pub(crate) use reader::LogReader;
pub(crate) use signatures::{CheckpointCheck, exported};
pub(crate) use summary::{Finding, LeftOutCounts, Location, RemovedBeginning, Summary};

pub(crate) use super::signed_note::{Checkpoint, VerifierKey};
use super::{chain::Hash, scan::holds_more_than_a_record, segments, write::signing_state};
use crate::{file_system, message::Message};
use blocks::{LineBlock, LineBlocks};
use check::Check;
use signatures::{EXPORTED, KEPT};
use worker::{MAX_QUEUED_BLOCKS, Parsing, Worker};

/// The result of a verification.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) summary: Summary,
    pub(crate) checkpoints: CheckpointCheck,
    /// Whether a process writes the log.
    pub(crate) is_written: bool,
    /// The bytes of a last line without a newline.
    pub(crate) torn: u64,
}

/// Verifies the log in a folder. `exported` are checkpoints that were stored elsewhere. `signing_key` is the file of the key,
/// beside which the server keeps the last checkpoint.
///
/// # Errors
///
/// The log cannot be read. What was changed in it is not an error, but a finding.
pub(crate) fn verify(
    folder: &Path,
    keys: &[VerifierKey],
    exported: &[Checkpoint],
    signing_key: &Path,
    threads: usize,
) -> Result<Verdict, Message> {
    let first = || segments::segments(folder).ok().and_then(|numbers| numbers.first().copied());
    let mut before = first();
    loop {
        let verdict = verify_each(folder, keys, exported, signing_key, threads, &mut |_| true);
        // Retention may remove segments while they are read. That happens once a day.
        let after = first();
        if after == before {
            return verdict;
        }
        before = after;
    }
}

/// Verifies a log as [`verify`] does, and calls `each` for every record, until it returns `false`.
pub(crate) fn verify_each(
    folder: &Path,
    keys: &[VerifierKey],
    exported: &[Checkpoint],
    signing_key: &Path,
    threads: usize,
    each: &mut dyn FnMut(&[u8]) -> bool,
) -> Result<Verdict, Message> {
    let unread =
        |error: io::Error| Message::failure(&format!("`{}` cannot be read", folder.display()), &error);
    let is_written = folders::is_written(folder);
    let kept = signing_state::read(&signing_state::file(signing_key, folder));
    // Read first: every record that these checkpoints cover is on the disk by now.
    let own = signatures::snapshot(folder).map_err(unread)?;
    let numbers = segments::segments(folder).map_err(unread)?;
    if numbers.is_empty() && own.is_none() && exported.is_empty() && !matches!(kept, Ok(Some(_))) {
        return Err(Message::new(format!("found no audit log in `{}`", folder.display())));
    }
    let mut others: Vec<_> = exported.iter().map(|checkpoint| (checkpoint.clone(), EXPORTED)).collect();
    let unreadable = match kept {
        Ok(kept) => {
            others.extend(kept.map(|kept| (kept.checkpoint, KEPT)));
            None
        }
        Err(unreadable) => Some(unreadable),
    };
    thread::scope(|scope| {
        let checkpoints = CheckpointCheck::new(scope, own, others, keys);
        let workers = (0..threads.max(1)).map(|_| Worker::spawn(scope)).collect();
        let mut verification = Verification::new(checkpoints, workers, each);
        if let Some(unreadable) = unreadable {
            verification.check.summary.add(None, unreadable.fact());
        }
        for (at, &number) in numbers.iter().enumerate() {
            verification.segment(folder, number, at + 1 == numbers.len())?;
        }
        while verification.check_next()? {}
        let Verification { check, mut checkpoints, torn, .. } = verification;
        let (mut summary, removals) = check.finish();
        checkpoints.finish(summary.next, &mut summary);
        removals.finish(keys, checkpoints.first_signed, &mut summary);
        Ok(Verdict { summary, checkpoints, is_written, torn })
    })
}

/// A part of the log that was read and is not checked yet.
enum Part {
    Segment(u32),
    NotAFile(String),
    /// Lines that a worker parses.
    Lines,
    TooLong,
    /// A last line without a newline: the bytes that a crash left, or `None` if no crash leaves such a line.
    Torn(Option<u64>),
    SegmentEnds {
        is_last: bool,
    },
}

/// Reads segments, gives their lines to workers, and checks the parsed lines in order.
struct Verification<'a> {
    check: Check,
    /// Takes each record.
    each: &'a mut dyn FnMut(&[u8]) -> bool,
    checkpoints: CheckpointCheck,
    workers: Vec<Worker>,
    /// The parts that are not checked yet, in order.
    parts: VecDeque<Part>,
    /// The number of blocks given to the workers and taken from them, each in turn.
    given: usize,
    taken: usize,
    /// Memory of checked blocks, to be used again.
    buffers: Vec<Parsing>,
    torn: u64,
}

impl<'a> Verification<'a> {
    fn new(
        checkpoints: CheckpointCheck,
        workers: Vec<Worker>,
        each: &'a mut dyn FnMut(&[u8]) -> bool,
    ) -> Self {
        Self {
            check: Check::new(),
            each,
            checkpoints,
            workers,
            parts: VecDeque::new(),
            given: 0,
            taken: 0,
            buffers: Vec::new(),
            torn: 0,
        }
    }

    /// Reads a segment. Parts of it may be checked later.
    fn segment(&mut self, folder: &Path, number: u32, is_last: bool) -> Result<(), Message> {
        let name = segments::segment(folder, number);
        let unread =
            |error: io::Error| Message::failure(&format!("`{}` cannot be read", name.display()), &error);
        self.parts.push_back(Part::Segment(number));
        if !fs::symlink_metadata(&name).map_err(unread)?.is_file() {
            self.parts.push_back(Part::NotAFile(format!("`{}` is not a regular file", name.display())));
            return Ok(());
        }
        let mut blocks = LineBlocks::new(file_system::open(&name).map_err(unread)?);
        loop {
            let Parsing { block, parsed } = self.buffers.pop().unwrap_or_default();
            match blocks.next(block).map_err(unread)? {
                None => break,
                Some(LineBlock::Lines(block)) => self.give(Parsing { block, parsed })?,
                Some(LineBlock::TooLong) => self.parts.push_back(Part::TooLong),
                Some(LineBlock::Torn(line)) => {
                    let is_torn = is_last && !holds_more_than_a_record(&line);
                    self.parts.push_back(Part::Torn(is_torn.then_some(line.len() as u64)));
                }
            }
        }
        self.parts.push_back(Part::SegmentEnds { is_last });
        Ok(())
    }

    fn give(&mut self, parsing: Parsing) -> Result<(), Message> {
        while self.given - self.taken == MAX_QUEUED_BLOCKS * self.workers.len() {
            self.check_next()?;
        }
        self.workers[self.given % self.workers.len()].give(parsing);
        self.given += 1;
        self.parts.push_back(Part::Lines);
        Ok(())
    }

    /// Checks the oldest part; `false` if there was none.
    fn check_next(&mut self) -> Result<bool, Message> {
        let Some(part) = self.parts.pop_front() else { return Ok(false) };
        match part {
            Part::Segment(number) => self.check.segment(number),
            Part::NotAFile(what) => self.check.summary.add(None, what),
            Part::Lines => self.check_lines()?,
            Part::TooLong => self.check.too_long(),
            Part::Torn(Some(bytes)) => self.torn = bytes,
            Part::Torn(None) => self.check.torn(),
            Part::SegmentEnds { is_last } => self.check.segment_ends(is_last),
        }
        Ok(true)
    }

    fn check_lines(&mut self) -> Result<(), Message> {
        let parsing = self.workers[self.taken % self.workers.len()].take();
        self.taken += 1;
        let mut rest = &parsing.block[..];
        for parsed in &parsing.parsed {
            let (line, after) = rest.split_at(parsed.len);
            rest = &after[1..];
            let head: Option<(u64, Hash)> = self.check.take(line, parsed);
            if parsed.record.is_some() && !(self.each)(line) {
                return Err(Message::new("the records are not wanted any more"));
            }
            if self.check.summary.records == 1
                && let Some((seq, prev)) = self.check.beginning()
            {
                self.checkpoints.begin(seq, &prev, &mut self.check.summary);
            }
            if let Some((next, hash)) = head {
                self.checkpoints.compare(next, &hash, &mut self.check.summary);
            }
        }
        self.buffers.push(parsing);
        Ok(())
    }
}
