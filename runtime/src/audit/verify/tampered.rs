//! Changes every byte of a log of 300 records, as anyone without the signing key could, and verifies it.

use std::{fs, path::Path, thread, time::Duration};

use super::{
    Verdict, VerifierKey,
    check::Check,
    line::{ParsedLine, parse},
    make_signer,
    template::Templates,
    verify,
};
use crate::audit::{
    AuditLog, ReadRecord, RecordKind, RecordWriter, lines::lines, scan::holds_more_than_a_record, segments,
    write::keys::beside,
};

/// The record of a read.
struct TestRead;

impl ReadRecord for TestRead {
    fn context(&self, record: &mut RecordWriter) {
        record.text("tool", "look").object("caller", |caller| _ = caller.text("sub", "local"));
    }

    fn write(&self, record: &mut RecordWriter) {
        record.text("tool", "look").json("args", br#"{"n":7}"#).number("us", 12);
    }
}

/// Writes a signed log of `records` records in segments of about `segment` bytes, and returns the key that checks it.
fn log(path: &Path, records: u128, segment: u64) -> Vec<VerifierKey> {
    make_signer(&beside(path, ".signing-key"), "prices").unwrap();
    let log = AuditLog::at(path).segment_bytes(segment).checkpoint_every(64, Duration::from_secs(60)).quiet();
    let mut start = RecordWriter::of("server");
    start.text("event", "start");
    let handle = log.open(start).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    for call in 0..records / 2 {
        for (kind, status) in [(RecordKind::Intent(call), "intent"), (RecordKind::Outcome(call), "outcome")] {
            let mut record = RecordWriter::of(status);
            record
                .text("call_id", &format!("{call:032x}"))
                .text("tool", "get_price")
                .text("effect", "read_only");
            record.object("caller", |caller| _ = caller.text("sub", "local"));
            record.json(
                "args",
                br#"{"symbol":"hmac:00112233445566778899","day":-1.5e3,"all":[true,null,{"a":"\u00e9"}]}"#,
            );
            runtime.block_on(handle.commit(kind, record)).unwrap();
        }
        if call % 4 == 0 {
            handle.note_read(TestRead);
        }
    }
    handle.stop();
    vec![VerifierKey::parse(&fs::read_to_string(beside(path, ".signing-key.pub")).unwrap()).unwrap()]
}

fn verdict(path: &Path, keys: &[VerifierKey]) -> Verdict {
    verify(path, keys, &[], &beside(path, ".signing-key"), 1).unwrap()
}

fn parsed(block: &[u8], templates: &mut Templates) -> Vec<ParsedLine> {
    let mut parsed = Vec::new();
    parse(block, templates, &mut parsed);
    parsed
}

/// Whether something is found in `rest`, which ends with the last segment or with a segment before it.
fn is_detected(mut check: Check, rest: &[u8], is_last: bool, templates: &mut Templates) -> bool {
    for (line, parsed) in lines(rest).zip(parsed(rest, templates)) {
        check.take(line, &parsed);
        if !check.summary.findings.is_empty() {
            return true;
        }
    }
    let torn = memchr::memrchr(b'\n', rest).map_or(rest, |at| &rest[at + 1..]);
    !torn.is_empty() && (!is_last || holds_more_than_a_record(torn))
}

#[test]
fn every_changed_byte_is_detected() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit");
    let keys = log(&path, 300, 40_000);
    let whole = verdict(&path, &keys);
    let numbers = segments::segments(&path).unwrap();
    // In addition to the calls, there are reads and their contexts, and a record of each segment, of the start and of the stop.
    assert!(whole.summary.findings.is_empty() && whole.summary.records >= 302 + 38, "{whole:?}");
    let last = *numbers.last().unwrap();
    assert!(last > 3);
    let (mut check, mut templates) = (Check::new(), Templates::new());
    let segments: Vec<_> =
        numbers.iter().map(|&number| fs::read(segments::segment(&path, number)).unwrap()).collect();
    let mut lines_of_log = Vec::new();
    for (&number, bytes) in numbers.iter().zip(&segments) {
        check.segment(number);
        let mut start = 0;
        for (line, parsed) in lines(bytes).zip(parsed(bytes, &mut templates)) {
            let is_last = number == last;
            lines_of_log.push(OriginalLine {
                number,
                bytes,
                start,
                length: line.len(),
                is_last,
                before: check.clone(),
            });
            check.take(line, &parsed);
            start += line.len() + 1;
        }
        check.segment_ends(false);
    }
    // Each processor changes some of the lines.
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let changed: u32 = thread::scope(|scope| {
        let count = |first| {
            let mut templates = Templates::new();
            let lines = lines_of_log.iter().skip(first).step_by(processors);
            lines.map(|line| line.assert_changes_are_detected(&mut templates)).sum::<u32>()
        };
        let threads: Vec<_> = (0..processors).map(|first| scope.spawn(move || count(first))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert!(check.summary.findings.is_empty() && changed > 250_000, "{changed}");
}

/// A line of a segment, and the state of the check before it.
struct OriginalLine<'a> {
    number: u32,
    bytes: &'a [u8],
    start: usize,
    length: usize,
    /// Whether its segment is the last one.
    is_last: bool,
    before: Check,
}

impl OriginalLine<'_> {
    /// Checks that every change of two bits of a byte is detected. Returns the number of changes.
    fn assert_changes_are_detected(&self, templates: &mut Templates) -> u32 {
        let (number, start, mut changed) = (self.number, self.start, 0);
        for at in start..=start + self.length {
            // The lowest bit changes most letters and digits to others, the sixth changes the case.
            for bit in [0, 5] {
                let mut rest = self.bytes[start..].to_vec();
                rest.truncate(at - start + 3_000);
                rest[at - start] ^= 1 << bit;
                let is_last = self.is_last && start + rest.len() == self.bytes.len();
                assert!(
                    is_detected(self.before.clone(), &rest, is_last, templates),
                    "segment {number}, byte {at}, bit {bit}"
                );
                changed += 1;
            }
        }
        changed
    }
}

#[test]
fn changed_byte_on_the_disk_is_reported_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit");
    let keys = log(&path, 300, 40_000);
    for number in segments::segments(&path).unwrap() {
        let name = segments::segment(&path, number);
        let bytes = fs::read(&name).unwrap();
        for at in (0..bytes.len()).step_by(1_499) {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            fs::write(&name, &changed).unwrap();
            let line = 1 + memchr::memchr_iter(b'\n', &bytes[..at]).count() as u64;
            let summary = verdict(&path, &keys).summary;
            let location = summary.findings[0].at.unwrap();
            assert_eq!(
                (location.segment, location.line),
                (number, line),
                "byte {at}: {:?}",
                summary.findings
            );
        }
        fs::write(&name, bytes).unwrap();
    }
}

#[test]
fn every_changed_byte_of_the_checkpoints_is_detected() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit");
    let keys = log(&path, 12, 40_000);
    let name = path.join("checkpoints");
    let bytes = fs::read(&name).unwrap();
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        fs::write(&name, &changed).unwrap();
        assert!(!verdict(&path, &keys).summary.findings.is_empty(), "byte {at}");
    }
}
