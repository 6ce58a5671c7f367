//! Encodes the rows of each transaction as a frame of a journal, and reads the frames again.
//!
//! A journal is a header and frames, one a transaction, each with a checksum. One frame is written and synced before the
//! next, so that only the last one can be incomplete: it was never acknowledged, and is cut away. Anything else that is not
//! as it was written is damage.

use std::collections::HashMap;

use sha2::{Digest as _, Sha256};

use crate::store::record::{KeyRecord, number, take};

/// The bytes that a journal begins with.
const MAGIC: [u8; 8] = *b"candor-1";
/// The magic, the store, the number of the journal and a checksum.
const HEADER_BYTES: usize = 32;
/// The length of the body, the frame's number, the time and a checksum.
const FRAME_HEADER_BYTES: usize = 32;
/// In the place of the length of a row: the key was removed.
const REMOVED: u32 = u32::MAX;

/// The rows of keys; `None` for one that was removed.
pub(super) type JournalRows = HashMap<[u8; 32], Option<KeyRecord>>;

/// Tells a journal from all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct JournalId {
    /// The random number of the store.
    pub(super) store: u64,
    /// The first journal of a store has number 1.
    pub(super) number: u64,
}

/// Everything that a journal holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct JournalContent {
    /// Each key in its last state.
    pub(super) rows: JournalRows,
    /// The time of the last frame, in milliseconds since 1970; 0 before the first frame.
    pub(super) last_time: u64,
    /// Whether the end is a frame that was not written to its end.
    pub(super) is_torn: bool,
}

/// The reason why a journal cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum JournalFault {
    /// It belongs to another store.
    Foreign,
    Damaged,
}

impl JournalId {
    fn fields(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.store.to_le_bytes());
        bytes[8..].copy_from_slice(&self.number.to_le_bytes());
        bytes
    }

    /// Returns the header of the journal.
    pub(super) fn header(self) -> [u8; HEADER_BYTES] {
        let mut header = [0; HEADER_BYTES];
        header[..8].copy_from_slice(&MAGIC);
        header[8..24].copy_from_slice(&self.fields());
        let sum = checksum(&[&header[..24]]);
        header[24..].copy_from_slice(&sum);
        header
    }

    /// Reads a header; `None` if it is incomplete or damaged.
    fn read_header(bytes: &[u8]) -> Option<Self> {
        let mut fields = bytes.get(8..24)?;
        let id = Self { store: number(&mut fields)?, number: number(&mut fields)? };
        (bytes.get(..HEADER_BYTES)? == id.header()).then_some(id)
    }

    /// Appends a frame to `out`.
    pub(super) fn write_frame(self, frame: u64, time: u64, rows: &JournalRows, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[0; FRAME_HEADER_BYTES]);
        for (key, record) in rows {
            out.extend_from_slice(key);
            match record {
                None => out.extend_from_slice(&REMOVED.to_le_bytes()),
                Some(record) => {
                    let row = record.encode(key);
                    let length = u32::try_from(row.len()).expect("a row has less than 4 GiB");
                    out.extend_from_slice(&length.to_le_bytes());
                    out.extend_from_slice(&row);
                }
            }
        }
        let (header, body) = out[start..].split_at_mut(FRAME_HEADER_BYTES);
        header[..8].copy_from_slice(&(body.len() as u64).to_le_bytes());
        header[8..16].copy_from_slice(&frame.to_le_bytes());
        header[16..24].copy_from_slice(&time.to_le_bytes());
        let sum = checksum(&[&self.fields(), &header[..24], body]);
        header[24..].copy_from_slice(&sum);
    }

    /// Reads a frame at the start of `bytes`; `None` if it is incomplete or damaged.
    fn read_frame(self, bytes: &[u8]) -> Option<Frame<'_>> {
        let (header, rest) = bytes.split_at_checked(FRAME_HEADER_BYTES)?;
        let mut fields = header;
        let [length, number, time] = [number(&mut fields)?, number(&mut fields)?, number(&mut fields)?];
        let (body, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
        let is_whole = checksum(&[&self.fields(), &header[..24], body]) == header[24..];
        is_whole.then_some(Frame { number, time, body, rest })
    }

    /// Reads a whole journal.
    pub(super) fn read(self, bytes: &[u8]) -> Result<JournalContent, JournalFault> {
        let mut content = JournalContent::default();
        let (mut rest, mut next) = match Self::read_header(bytes) {
            Some(id) if id.store != self.store => return Err(JournalFault::Foreign),
            Some(id) if id != self => return Err(JournalFault::Damaged),
            Some(_) => (&bytes[HEADER_BYTES..], 0),
            // The header is written with the first frame.
            None => return self.end(bytes, 0, content),
        };
        while let Some(frame) = self.read_frame(rest).filter(|frame| frame.number == next) {
            frame.read_rows(&mut content.rows).ok_or(JournalFault::Damaged)?;
            content.last_time = frame.time;
            (rest, next) = (frame.rest, next + 1);
        }
        self.end(rest, next, content)
    }

    /// Checks that `rest` is nothing but a part of frame `number`.
    fn end(self, rest: &[u8], number: u64, content: JournalContent) -> Result<JournalContent, JournalFault> {
        // A later frame was written after this one had been synced.
        let is_later = |at: usize| {
            let found = rest.get(at + 8..at + 16)?.try_into().map(u64::from_le_bytes).ok()?;
            (found > number && found - number <= rest.len() as u64).then(|| self.read_frame(&rest[at..]))?
        };
        if (0..rest.len()).any(|at| is_later(at).is_some()) {
            return Err(JournalFault::Damaged);
        }
        Ok(JournalContent { is_torn: !rest.is_empty(), ..content })
    }
}

/// A frame whose checksum is right.
struct Frame<'a> {
    number: u64,
    time: u64,
    body: &'a [u8],
    /// The bytes after the frame.
    rest: &'a [u8],
}

impl Frame<'_> {
    /// Adds the rows of the frame; `None` if one is not as it was written.
    fn read_rows(&self, rows: &mut JournalRows) -> Option<()> {
        let mut body = self.body;
        while !body.is_empty() {
            let key = take(&mut body)?;
            let record = match u32::from_le_bytes(take(&mut body)?) {
                REMOVED => None,
                length => {
                    let (row, rest) = body.split_at_checked(usize::try_from(length).ok()?)?;
                    body = rest;
                    Some(KeyRecord::decode(&key, row)?)
                }
            };
            rows.insert(key, record);
        }
        Some(())
    }
}

fn checksum(parts: &[&[u8]]) -> [u8; 8] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    let hash: [u8; 32] = hash.finalize().into();
    *hash.first_chunk().expect("a digest has 32 bytes")
}

#[cfg(test)]
mod tests {
    use crate::store::{AttemptId, StoredResult, record::RecordEnd, redb::journal::*};

    const ID: JournalId = JournalId { store: 7, number: 3 };

    fn record(end: RecordEnd) -> KeyRecord {
        KeyRecord {
            caller: [1; 32],
            fingerprint: [2; 32],
            declaration: Some([9; 32]),
            attempt: AttemptId(3),
            began: 4,
            lease_end: 5,
            repeatable: false,
            task: None,
            end,
        }
    }

    /// Returns a journal of three frames, and the places at which they end.
    fn journal() -> (Vec<u8>, Vec<usize>) {
        let done = RecordEnd::Completed(6, StoredResult::Kept("done".into()));
        let frames = [
            vec![([1; 32], Some(record(RecordEnd::Open))), ([2; 32], Some(record(RecordEnd::Open)))],
            vec![],
            vec![([1; 32], Some(record(done))), ([2; 32], None)],
        ];
        let (mut bytes, mut ends) = (ID.header().to_vec(), Vec::new());
        for (number, rows) in (0..).zip(frames) {
            ID.write_frame(number, 10 + number, &rows.into_iter().collect(), &mut bytes);
            ends.push(bytes.len());
        }
        (bytes, ends)
    }

    #[test]
    fn journal_is_read_as_it_was_written() {
        let (bytes, _) = journal();
        let content = ID.read(&bytes).unwrap();
        assert_eq!((content.last_time, content.is_torn, content.rows.len()), (12, false, 2));
        assert!(content.rows[&[2; 32]].is_none());
        let record = content.rows[&[1; 32]].as_ref().unwrap();
        assert!(
            matches!(&record.end, RecordEnd::Completed(6, StoredResult::Kept(text)) if &**text == "done")
        );
        assert_eq!(JournalId { store: 8, ..ID }.read(&bytes), Err(JournalFault::Foreign));
        assert_eq!(JournalId { number: 4, ..ID }.read(&bytes), Err(JournalFault::Damaged), "renamed");
    }

    #[test]
    fn end_that_was_not_written_is_cut_away() {
        let (bytes, ends) = journal();
        assert_eq!(ID.read(&[]), Ok(JournalContent::default()));
        for cut in 1..bytes.len() {
            // The blocks of a write may reach the disk in any order, so that zeros may be in the place of some.
            for torn in [bytes[..cut].to_vec(), [&bytes[..cut], &[0; 40]].concat()] {
                let content = ID.read(&torn).unwrap();
                // A frame may end with zeros.
                let whole = ends.iter().filter(|end| torn.get(..**end) == bytes.get(..**end)).count();
                let time = if whole == 0 { 0 } else { 9 + whole as u64 };
                assert_eq!(content.last_time, time, "{cut}");
                let end = whole.checked_sub(1).map_or(HEADER_BYTES, |last| ends[last]);
                assert_eq!(content.is_torn, torn.len() != end, "{cut}");
            }
        }
    }

    #[test]
    fn changed_byte_before_the_last_frame_is_damage() {
        let (bytes, ends) = journal();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            let read = ID.read(&changed);
            if at < ends[1] {
                assert_eq!(read, Err(JournalFault::Damaged), "byte {at}");
            } else {
                let content = read.unwrap();
                assert!(content.is_torn && content.last_time == 11, "byte {at}");
            }
        }
    }
}
