//! Parses blocks of lines on threads of their own.

use std::{
    sync::mpsc::{self, Receiver, SyncSender},
    thread,
};

use super::{
    line::{ParsedLine, parse},
    template::Templates,
};

/// The most blocks that one worker has in its queue.
pub(super) const MAX_QUEUED_BLOCKS: usize = 2;

/// A block and its parsed lines.
#[derive(Default)]
pub(super) struct Parsing {
    pub(super) block: Vec<u8>,
    pub(super) parsed: Vec<ParsedLine>,
}

/// A thread that parses lines. Blocks come back in the order in which they were given.
pub(super) struct Worker {
    blocks: SyncSender<Parsing>,
    results: Receiver<Parsing>,
}

impl Worker {
    pub(super) fn spawn<'scope>(scope: &'scope thread::Scope<'scope, '_>) -> Self {
        let (blocks, queue) = mpsc::sync_channel::<Parsing>(MAX_QUEUED_BLOCKS);
        let (done, results) = mpsc::sync_channel(MAX_QUEUED_BLOCKS);
        scope.spawn(move || {
            let mut templates = Templates::new();
            for mut parsing in queue {
                parse(&parsing.block, &mut templates, &mut parsing.parsed);
                if done.send(parsing).is_err() {
                    break;
                }
            }
        });
        Self { blocks, results }
    }

    pub(super) fn give(&self, parsing: Parsing) {
        self.blocks.send(parsing).expect("a worker runs until its queue is dropped");
    }

    pub(super) fn take(&self) -> Parsing {
        self.results.recv().expect("a worker returns every block")
    }
}
