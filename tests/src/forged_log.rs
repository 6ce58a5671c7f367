//! Forges audit logs of any number of segments, chained as Candor chains them.

use std::{fs, path::Path};

use sha2::{Digest as _, Sha256};

use crate::log::segment;

/// The redaction key of a forged log: 32 zeros.
const KEY: &str =
    "candor audit redaction key v1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Appends a record: returns its line, and updates `prev` to its digest.
pub fn record(prev: &mut [u8; 32], body: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(b"candor audit record v1\0\0");
    hash.update(*prev);
    hash.update((body.len() as u64).to_be_bytes());
    hash.update(body);
    let before = hex(prev);
    *prev = hash.finalize().into();
    format!("{body},\"prev\":\"{before}\",\"hash\":\"{}\"}}\n", hex(prev))
}

/// Writes a log of segments of one record each, with its redaction key beside it.
pub fn log(folder: &Path, segments: u32) {
    make(folder);
    let mut prev = [0; 32];
    for number in 1..=segments {
        let body = opening(number - 1, number);
        private(&segment(folder, number), &record(&mut prev, &body));
    }
}

/// Writes a log of one segment of about this many bytes, with its redaction key beside it.
pub fn large_log(folder: &Path, bytes: usize) {
    make(folder);
    let mut prev = [0; 32];
    let mut text = record(&mut prev, &opening(0, 1));
    for seq in 1.. {
        if text.len() >= bytes {
            break;
        }
        let padding = "x".repeat(700);
        let members = format!(r#""kind":"denied","decision":{{"denied_by":"{padding}"}}"#);
        text += &record(&mut prev, &format!(r#"{{"v":1,"seq":{seq},"ts":"{TIME}",{members}"#));
    }
    private(&segment(folder, 1), &text);
}

const TIME: &str = "2026-11-21T12:00:00.000000Z";

/// The first record of a segment.
fn opening(seq: u32, number: u32) -> String {
    format!(r#"{{"v":1,"seq":{seq},"ts":"{TIME}",{}"#, segment_members(number))
}

/// The members of the first record of a segment, after its time.
pub fn segment_members(number: u32) -> String {
    let key = &hex(&Sha256::digest(KEY))[..16];
    format!(r#""kind":"server","event":"segment","log":"forged","segment":{number},"redaction_key":"{key}""#)
}

/// Replaces text in the records of a log, and computes the whole chain again, as a person without the signing key can.
/// Returns whether the text was found.
pub fn rewrite(log: &Path, from: &str, to: &str) -> bool {
    let (mut prev, mut changed) = ([0; 32], false);
    let segments = (1..).map(|number| segment(log, number)).take_while(|path| path.exists());
    for path in segments {
        let text = fs::read_to_string(&path).expect("the segment is text");
        let lines = text.lines().map(|line| {
            let body = line.split_once(",\"prev\":").expect("a record has a chain").0;
            changed |= body.contains(from);
            record(&mut prev, &body.replace(from, to))
        });
        let lines: String = lines.collect();
        fs::write(path, lines).expect("the disk has room");
    }
    changed
}

/// Makes the folder of a log, and its redaction key.
pub fn make(folder: &Path) {
    use std::os::unix::fs::DirBuilderExt as _;

    fs::DirBuilder::new().mode(0o700).create(folder).expect("the folder is new");
    let mut key = folder.as_os_str().to_owned();
    key.push(".redaction-key");
    private(Path::new(&key), &format!("{}\n", "0".repeat(64)));
}

fn private(path: &Path, text: &str) {
    use std::io::Write as _;

    private_file(path).write_all(text.as_bytes()).expect("the disk has room");
}

/// Creates a file that only its owner can read.
pub fn private_file(path: &Path) -> fs::File {
    use std::os::unix::fs::OpenOptionsExt as _;

    let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.expect("the file is new")
}
