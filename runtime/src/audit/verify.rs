//! A folder, keys and checkpoints → whether the log in it is what was written, as far as they can tell.

use std::{
    fs::{self, File},
    path::Path,
    sync::mpsc::{self, Receiver, SyncSender},
    thread,
};

use super::{
    blocks::{Block, Blocks, lines},
    chain::Hash,
    check::{Check, Looked, Sum, look},
    checkpoints, folder,
    note::{Checkpoint, Key},
    scan::holds_more_than_a_record,
    signatures::Against,
};

/// What a log comes to.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) sum: Sum,
    pub(crate) against: Against,
    /// Whether a process writes it.
    pub(crate) is_written: bool,
    /// The bytes of a last line that is not ended.
    pub(crate) torn: u64,
}

/// Reads a whole log, block by block. `exported` are checkpoints that were kept elsewhere. An error says why it could
/// not be read; what is wrong with it is no error.
pub(crate) fn verify(
    path: &Path,
    keys: &[Key],
    exported: Vec<Checkpoint>,
    threads: usize,
) -> Result<Verdict, String> {
    let shown = path.display();
    let is_written = folder::is_written(path);
    // What is signed by now is on the disk by now.
    let own = checkpoints::snapshot(path).map_err(|error| format!("`{shown}`: {error}"))?;
    let numbers = folder::segments(path).map_err(|error| format!("`{shown}` cannot be read: {error}"))?;
    if numbers.is_empty() && own.is_none() && exported.is_empty() {
        return Err(format!("there is no audit log in `{shown}`"));
    }
    thread::scope(|scope| {
        let against = Against::new(scope, own, exported, keys);
        let hands: Vec<Hand> = (0..threads.max(1)).map(|_| Hand::at_work(scope)).collect();
        let mut reading =
            Reading { check: Check::new(), against, hands, given: 0, taken: 0, rooms: Vec::new() };
        let mut torn = 0;
        for (at, &number) in numbers.iter().enumerate() {
            let is_last = at + 1 == numbers.len();
            reading.segment(path, number, is_last, &mut torn)?;
        }
        let Reading { check, mut against, .. } = reading;
        let (mut sum, records) = check.finish();
        against.finish(records, &mut sum);
        Ok(Verdict { sum, against, is_written, torn })
    })
}

/// A thread that looks at lines.
struct Hand {
    give: SyncSender<Vec<u8>>,
    take: Receiver<(Vec<u8>, Vec<Looked>)>,
}

/// The blocks that one hand has before it.
const AHEAD: usize = 2;

impl Hand {
    fn at_work<'scope>(scope: &'scope thread::Scope<'scope, '_>) -> Self {
        let (give, given) = mpsc::sync_channel::<Vec<u8>>(AHEAD);
        let (done, take) = mpsc::sync_channel(AHEAD);
        scope.spawn(move || {
            for block in given {
                let looked = lines(&block).map(look).collect();
                if done.send((block, looked)).is_err() {
                    break;
                }
            }
        });
        Self { give, take }
    }
}

struct Reading {
    check: Check,
    against: Against,
    hands: Vec<Hand>,
    /// Blocks so far, to the hands in turn and from them in turn.
    given: usize,
    taken: usize,
    /// Memory of blocks that are done with.
    rooms: Vec<Vec<u8>>,
}

impl Reading {
    fn segment(&mut self, path: &Path, number: u32, is_last: bool, torn: &mut u64) -> Result<(), String> {
        let name = folder::segment(path, number);
        let unread = |error: std::io::Error| format!("`{}` cannot be read: {error}", name.display());
        self.check.segment(number);
        // A pipe would be waited for, and a link leads out of the folder.
        if !fs::symlink_metadata(&name).map_err(unread)?.is_file() {
            self.check.sum.find(None, format!("`{}` is no file", name.display()));
            return Ok(());
        }
        let mut blocks = Blocks::new(File::open(&name).map_err(unread)?);
        while let Some(block) = blocks.next(self.rooms.pop().unwrap_or_default()).map_err(unread)? {
            match block {
                Block::Lines(block) => self.give(block),
                Block::TooLong => {
                    self.take_all();
                    self.check.too_long();
                }
                Block::Torn(line) => {
                    self.take_all();
                    if is_last && !holds_more_than_a_record(&line) {
                        *torn = line.len() as u64;
                    } else {
                        self.check.torn();
                    }
                }
            }
        }
        self.take_all();
        self.check.segment_ends(is_last);
        Ok(())
    }

    fn give(&mut self, block: Vec<u8>) {
        if self.given - self.taken == AHEAD * self.hands.len() {
            self.take();
        }
        let hand = &self.hands[self.given % self.hands.len()];
        hand.give.send(block).expect("a hand works until nothing more is given");
        self.given += 1;
    }

    fn take_all(&mut self) {
        while self.taken < self.given {
            self.take();
        }
    }

    /// Takes the oldest block back.
    fn take(&mut self) {
        let hand = &self.hands[self.taken % self.hands.len()];
        let (block, looked) = hand.take.recv().expect("a hand gives back what it is given");
        self.taken += 1;
        for (line, looked) in lines(&block).zip(&looked) {
            let head: Option<(u64, Hash)> = self.check.take(line, looked);
            if let Some((next, hash)) = head {
                self.against.compare(next, &hash, &mut self.check.sum);
            }
        }
        self.rooms.push(block);
    }
}
