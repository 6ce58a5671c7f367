//! Records that wait → lines on the disk, those that wait together in one write and one sync.

use std::{collections::HashSet, sync::Arc, time::SystemTime};

use super::{
    chain::Head,
    disk::{Disk, Tail, Trouble},
    folder::{self, Folder},
    open::{Entry, Health, Kind, Shared},
    recover::Found,
    system,
    text::Body,
};

/// The free space below which nothing new is begun: at most this many bytes, and a twentieth of the file system.
const KEPT_FREE: u64 = 16 * 1024 * 1024;

/// The one who writes a log.
pub(super) struct Writer {
    pub(super) folder: Folder,
    pub(super) tail: Tail,
    pub(super) head: Head,
    pub(super) segment: u32,
    pub(super) log: String,
    pub(super) redaction: String,
    pub(super) segment_bytes: u64,
    pub(super) disk: Disk,
    /// Calls whose intent is written, and whose outcome is not.
    pub(super) at_work: HashSet<u128>,
    /// The file cannot be trusted any more.
    pub(super) failed: bool,
}

/// The first segment of a new log.
pub(super) fn first(path: &std::path::Path, disk: &Disk) -> Result<Tail, Trouble> {
    let tail = Tail::create(folder::segment(path, 1), disk)?;
    system::sync_folder(path)?;
    Ok(tail)
}

/// Goes on where the last process stopped; what it left torn is set aside in a file of its own.
pub(super) fn resumed(path: &std::path::Path, found: &Found, disk: &Disk) -> Result<Tail, Trouble> {
    let mut tail = Tail::open(folder::segment(path, found.segment), disk)?;
    if !found.torn.is_empty() {
        let aside = path.join(format!("torn-before-{}", found.head.next));
        let mut file = system::private();
        let mut file = file.write(true).create(true).truncate(true).open(aside)?;
        std::io::Write::write_all(&mut file, &found.torn)?;
        file.sync_all()?;
        tail.cut(found.len)?;
    }
    // What a crash left in memory only is on the disk from here on.
    tail.sync()?;
    Ok(tail)
}

impl Writer {
    /// Writes what waits until there is nothing more to come.
    pub(super) fn run(mut self, shared: &Arc<Shared>) {
        while let Some(entries) = shared.next() {
            let left_out = shared.take_left_out();
            if left_out > 0 {
                let mut body = Body::of("server");
                body.text("event", "left_out").number("records", left_out);
                if self.write(&[Entry::alone(body)]).is_err() {
                    shared.leave_out(left_out);
                }
            }
            self.commit(entries, shared);
        }
        let mut body = Body::of("server");
        body.text("event", "stop").number("at_work", self.at_work.len() as u64);
        let _ = self.write(&[Entry::alone(body)]);
    }

    /// Commits one batch and tells everybody in it, and before them whoever asks whether the log is well.
    fn commit(&mut self, entries: Vec<Entry>, shared: &Shared) {
        let low = self.is_low();
        let at_work = &self.at_work;
        let mut begun: HashSet<u128> = HashSet::new();
        let (batch, refused): (Vec<Entry>, Vec<Entry>) = entries.into_iter().partition(|entry| {
            !self.failed
                && match entry.kind {
                    Kind::Intent(call) => !low && begun.insert(call),
                    // Of a call whose intent was left out, nothing stands in the log.
                    Kind::Outcome(call) => at_work.contains(&call) || begun.contains(&call),
                    Kind::Other => !low || entry.done.is_some(),
                }
        });
        let written = if batch.is_empty() { Ok(()) } else { self.write(&batch) };
        match written {
            Ok(()) => {
                shared.set_health(self.health(low));
                for entry in &batch {
                    match entry.kind {
                        Kind::Intent(call) => _ = self.at_work.insert(call),
                        Kind::Outcome(call) => _ = self.at_work.remove(&call),
                        Kind::Other => {}
                    }
                }
                batch.into_iter().for_each(Entry::done);
            }
            Err(trouble) => {
                if !matches!(trouble, Trouble::Full) {
                    self.failed = true;
                    eprintln!("audit: nothing more is recorded until a restart: {}", why(trouble));
                }
                shared.set_health(self.health(true));
                shared.refuse(batch);
            }
        }
        shared.refuse(refused);
    }

    fn health(&self, low: bool) -> Health {
        match (self.failed, low) {
            (true, _) => Health::Failed,
            (_, true) => Health::Low,
            _ => Health::Up,
        }
    }

    fn is_low(&self) -> bool {
        self.tail.room().is_some_and(|room| room.free < KEPT_FREE.min(room.all / 20))
    }

    /// Writes and syncs; where that fails, the head stays where it was.
    pub(super) fn write(&mut self, entries: &[Entry]) -> Result<(), Trouble> {
        if self.failed {
            return Err(Trouble::Changed("it failed before".to_owned()));
        }
        if self.tail.len() >= self.segment_bytes {
            self.rotate()?;
        }
        self.append(entries)
    }

    fn append(&mut self, entries: &[Entry]) -> Result<(), Trouble> {
        let (mut head, mut lines, before) = (self.head, Vec::new(), self.tail.len());
        // Before 1970 there is no text for a time.
        let now = SystemTime::now().max(SystemTime::UNIX_EPOCH);
        let ts = humantime::format_rfc3339_micros(now).to_string();
        for entry in entries {
            head.append(&mut lines, &ts, &entry.body.0);
        }
        self.tail.append(&lines)?;
        if let Err(trouble) = self.tail.sync() {
            // None of it was acknowledged, and a reader should not find it.
            let _ = self.tail.cut(before);
            return Err(trouble);
        }
        self.head = head;
        Ok(())
    }

    /// Begins the next segment, whose first record names the last digest of this one.
    fn rotate(&mut self) -> Result<(), Trouble> {
        self.tail.is_in_place()?;
        let number = self.segment + 1;
        let tail = Tail::create(folder::segment(&self.folder.path, number), &self.disk)?;
        system::sync_folder(&self.folder.path)?;
        let old = std::mem::replace(&mut self.tail, tail);
        self.segment = number;
        if let Err(trouble) = self.append(&[self.opening()]) {
            let empty = std::mem::replace(&mut self.tail, old);
            self.segment -= 1;
            std::fs::remove_file(empty.path())?;
            return Err(trouble);
        }
        Ok(())
    }

    /// The first record of a segment.
    pub(super) fn opening(&self) -> Entry {
        let mut body = Body::of("server");
        body.text("event", "segment").text("log", &self.log).number("segment", self.segment.into());
        body.text("redaction_key", &self.redaction);
        Entry::alone(body)
    }
}

pub(super) fn why(trouble: Trouble) -> String {
    match trouble {
        Trouble::Full => "the disk is full".to_owned(),
        Trouble::Changed(why) => why,
        Trouble::Failed(error) => error.to_string(),
    }
}
