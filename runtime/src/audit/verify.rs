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
    blocks::{Block, Blocks},
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
        let hands: Vec<Hand> = (0..threads.max(1)).map(|_| Hand::in_flight(scope)).collect();
        let mut reading = Reading {
            check: Check::new(),
            checkpoints,
            hands,
            found: VecDeque::new(),
            given: 0,
            taken: 0,
            rooms: Vec::new(),
            torn: 0,
        };
        for (at, &number) in numbers.iter().enumerate() {
            reading.segment(path, number, at + 1 == numbers.len())?;
        }
        while reading.take() {}
        let Reading { check, mut checkpoints, torn, .. } = reading;
        let (mut summary, records) = check.finish();
        checkpoints.finish(records, &mut summary);
        Ok(Verdict { summary, checkpoints, is_written, torn })
    })
}

/// A thread that looks at lines.
struct Hand {
    give: SyncSender<Work>,
    take: Receiver<Work>,
}

/// A block and its lines as they were parsed at.
#[derive(Default)]
struct Work {
    block: Vec<u8>,
    parsed: Vec<ParsedLine>,
}

/// The blocks that one hand has before it.
const AHEAD: usize = 2;

impl Hand {
    fn in_flight<'scope>(scope: &'scope thread::Scope<'scope, '_>) -> Self {
        let (give, given) = mpsc::sync_channel::<Work>(AHEAD);
        let (done, take) = mpsc::sync_channel(AHEAD);
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
enum Found {
    Segment(u32),
    NoFile(String),
    /// Lines that a hand looks at.
    Lines,
    TooLong,
    /// An end that no newline ends: a line of so many bytes, as a crash can have left it, or something else.
    Torn(Option<u64>),
    SegmentEnds {
        is_last: bool,
    },
}

struct Reading {
    check: Check,
    checkpoints: CheckpointCheck,
    hands: Vec<Hand>,
    /// What is still to be checked.
    found: VecDeque<Found>,
    /// Blocks so far, to the hands in turn and from them in turn.
    given: usize,
    taken: usize,
    /// Memory of blocks that are done with.
    rooms: Vec<Work>,
    /// The bytes of a last line that is not ended.
    torn: u64,
}

impl Reading {
    fn segment(&mut self, path: &Path, number: u32, is_last: bool) -> Result<(), String> {
        let name = segments::segment(path, number);
        let unread = |error: std::io::Error| format!("`{}` cannot be read: {error}", name.display());
        self.found.push_back(Found::Segment(number));
        // A pipe would be waited for, and a link leads out of the folder.
        if !fs::symlink_metadata(&name).map_err(unread)?.is_file() {
            self.found.push_back(Found::NoFile(format!("`{}` is no file", name.display())));
            return Ok(());
        }
        let mut blocks = Blocks::new(File::open(&name).map_err(unread)?);
        loop {
            let Work { block, parsed } = self.rooms.pop().unwrap_or_default();
            match blocks.next(block).map_err(unread)? {
                None => break,
                Some(Block::Lines(block)) => self.give(Work { block, parsed }),
                Some(Block::TooLong) => self.found.push_back(Found::TooLong),
                Some(Block::Torn(line)) => {
                    let is_torn = is_last && !holds_more_than_a_record(&line);
                    self.found.push_back(Found::Torn(is_torn.then_some(line.len() as u64)));
                }
            }
        }
        self.found.push_back(Found::SegmentEnds { is_last });
        Ok(())
    }

    fn give(&mut self, work: Work) {
        while self.given - self.taken == AHEAD * self.hands.len() {
            self.take();
        }
        let hand = &self.hands[self.given % self.hands.len()];
        hand.give.send(work).expect("a hand works until nothing more is given");
        self.given += 1;
        self.found.push_back(Found::Lines);
    }

    /// Checks the oldest of what was found; whether there was something.
    fn take(&mut self) -> bool {
        let Some(found) = self.found.pop_front() else { return false };
        match found {
            Found::Segment(number) => self.check.segment(number),
            Found::NoFile(what) => self.check.summary.find(None, what),
            Found::Lines => self.lines(),
            Found::TooLong => self.check.too_long(),
            Found::Torn(Some(bytes)) => self.torn = bytes,
            Found::Torn(None) => self.check.torn(),
            Found::SegmentEnds { is_last } => self.check.segment_ends(is_last),
        }
        true
    }

    fn lines(&mut self) {
        let hand = &self.hands[self.taken % self.hands.len()];
        let work = hand.take.recv().expect("a hand gives back what it is given");
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
