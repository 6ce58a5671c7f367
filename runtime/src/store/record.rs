//! Defines the row of one key, and its state at a given time.

use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::{
    Attempt, AttemptId, KEY_RETENTION, KeyState, PastAttempt, ScopedKey, StoredResult, TOMBSTONE_RETENTION,
};

/// The row of one key. Times are milliseconds since 1970 by the store's clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KeyRecord {
    pub(super) caller: [u8; 32],
    pub(super) fingerprint: [u8; 32],
    /// `None` in a row of a version that did not keep it.
    pub(super) declaration: Option<[u8; 32]>,
    pub(super) attempt: AttemptId,
    pub(super) began: u64,
    pub(super) lease_end: u64,
    pub(super) repeatable: bool,
    pub(super) task: Option<String>,
    pub(super) end: RecordEnd,
}

/// The end of the attempt in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RecordEnd {
    /// The attempt has not ended, as far as the store knows.
    Open,
    /// It ended at this time with this result.
    Completed(u64, StoredResult),
    /// It ended at this time, and its result was removed.
    Tombstone(u64),
}

impl KeyRecord {
    pub(super) fn new(key: ScopedKey, attempt: Attempt, now: u64) -> Self {
        let Attempt { id, fingerprint, declaration, lease, repeatable, task } = attempt;
        let (lease_end, declaration) = (now.saturating_add(millis(lease)), Some(declaration));
        let (caller, attempt, began, end) = (key.caller, id, now, RecordEnd::Open);
        Self { caller, fingerprint, declaration, attempt, began, lease_end, repeatable, task, end }
    }

    /// Returns the state of the key at `now`.
    pub(super) fn state(&self, now: u64) -> KeyState {
        let (kept, known) = (millis(KEY_RETENTION), millis(KEY_RETENTION + TOMBSTONE_RETENTION));
        match &self.end {
            // A time before the end is that of a clock which was set back: the key is as new as can be.
            RecordEnd::Completed(at, _) | RecordEnd::Tombstone(at) if now.saturating_sub(*at) >= known => {
                KeyState::Absent
            }
            RecordEnd::Completed(at, result) if now.saturating_sub(*at) < kept => {
                KeyState::Completed(self.attempt(now), result.clone())
            }
            RecordEnd::Completed(..) | RecordEnd::Tombstone(_) => KeyState::Expired,
            RecordEnd::Open if now < self.lease_end => KeyState::InProgress(self.attempt(now)),
            RecordEnd::Open if self.repeatable || now - self.lease_end >= known => KeyState::Absent,
            RecordEnd::Open => KeyState::Unknown(self.attempt(now)),
        }
    }

    /// Returns the time at which the row is shortened or removed next.
    pub(super) fn due(&self) -> u64 {
        let (kept, known) = (millis(KEY_RETENTION), millis(KEY_RETENTION + TOMBSTONE_RETENTION));
        match &self.end {
            RecordEnd::Open if self.repeatable => self.lease_end,
            RecordEnd::Open => self.lease_end.saturating_add(known),
            RecordEnd::Completed(at, _) => at.saturating_add(kept),
            RecordEnd::Tombstone(at) => at.saturating_add(known),
        }
    }

    /// Returns the bytes of the stored result.
    pub(super) fn result_bytes(&self) -> u64 {
        match &self.end {
            RecordEnd::Completed(_, StoredResult::Kept(text)) => text.len() as u64,
            _ => 0,
        }
    }

    fn attempt(&self, now: u64) -> PastAttempt {
        PastAttempt {
            id: self.attempt,
            fingerprint: self.fingerprint,
            declaration: self.declaration,
            began: Duration::from_millis(self.began),
            lease_left: Duration::from_millis(self.lease_end.saturating_sub(now)),
            task: self.task.clone(),
        }
    }
}

/// Returns a duration in milliseconds.
pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The bytes of the checksum at the start of a row.
const CHECKSUM_BYTES: usize = 8;
/// The bit of a row's flags that says that the call may run again after a dead attempt.
const REPEATABLE_FLAG: u64 = 1;
/// The bit of a row's flags that says that the digest of the declaration follows. Rows of earlier versions lack both.
const DECLARATION_FLAG: u64 = 2;

impl KeyRecord {
    /// Writes the row as bytes that begin with a checksum over the key and the rest.
    #[cfg_attr(
        not(any(feature = "redb", test)),
        expect(dead_code, reason = "the memory keeps rows as they are")
    )]
    pub(super) fn encode(&self, key: &[u8; 32]) -> Vec<u8> {
        let mut bytes = vec![0; CHECKSUM_BYTES];
        bytes.extend_from_slice(&self.caller);
        bytes.extend_from_slice(&self.fingerprint);
        bytes.extend_from_slice(&self.attempt.0.to_le_bytes());
        let flags = if self.repeatable { REPEATABLE_FLAG } else { 0 }
            | if self.declaration.is_some() { DECLARATION_FLAG } else { 0 };
        for number in [self.began, self.lease_end, flags] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(self.declaration.as_ref().map_or(&[], <[u8; 32]>::as_slice));
        let task = self.task.as_deref().unwrap_or_default();
        bytes.extend_from_slice(&(task.len() as u64).to_le_bytes());
        bytes.extend_from_slice(task.as_bytes());
        let (kind, at) = match &self.end {
            RecordEnd::Open => (0, 0),
            RecordEnd::Completed(at, StoredResult::Kept(_)) => (1, *at),
            RecordEnd::Completed(at, StoredResult::Digest { .. }) => (2, *at),
            RecordEnd::Tombstone(at) => (3, *at),
        };
        bytes.push(kind);
        bytes.extend_from_slice(&at.to_le_bytes());
        match &self.end {
            RecordEnd::Completed(_, StoredResult::Kept(text)) => bytes.extend_from_slice(text.as_bytes()),
            RecordEnd::Completed(_, StoredResult::Digest { sha256, bytes: size }) => {
                bytes.extend_from_slice(sha256);
                bytes.extend_from_slice(&size.to_le_bytes());
            }
            RecordEnd::Open | RecordEnd::Tombstone(_) => {}
        }
        let checksum = checksum(key, &bytes[CHECKSUM_BYTES..]);
        bytes[..CHECKSUM_BYTES].copy_from_slice(&checksum);
        bytes
    }

    /// Reads a row; `None` if it is not what was written for this key.
    #[cfg_attr(
        not(any(feature = "redb", test)),
        expect(dead_code, reason = "the memory keeps rows as they are")
    )]
    pub(super) fn decode(key: &[u8; 32], bytes: &[u8]) -> Option<Self> {
        let (sum, mut rest) = bytes.split_first_chunk::<CHECKSUM_BYTES>()?;
        if *sum != checksum(key, rest) {
            return None;
        }
        let rest = &mut rest;
        let (caller, fingerprint) = (take(rest)?, take(rest)?);
        let attempt = AttemptId(u128::from_le_bytes(take(rest)?));
        let [began, lease_end, flags] = [number(rest)?, number(rest)?, number(rest)?];
        let declaration = if flags & DECLARATION_FLAG == 0 { None } else { Some(take(rest)?) };
        let task_bytes = number(rest)?;
        let (task, tail) = rest.split_at_checked(usize::try_from(task_bytes).ok()?)?;
        *rest = tail;
        let task = (!task.is_empty()).then(|| String::from_utf8(task.to_vec())).transpose().ok()?;
        let ([kind], at) = (take(rest)?, number(rest)?);
        let end = match kind {
            0 => RecordEnd::Open,
            1 => RecordEnd::Completed(at, StoredResult::Kept(str::from_utf8(rest).ok()?.into())),
            2 => {
                let result = StoredResult::Digest { sha256: take(rest)?, bytes: number(rest)? };
                RecordEnd::Completed(at, result)
            }
            3 => RecordEnd::Tombstone(at),
            _ => return None,
        };
        let repeatable = flags & REPEATABLE_FLAG != 0;
        Some(Self { caller, fingerprint, declaration, attempt, began, lease_end, repeatable, task, end })
    }
}

/// Takes the first bytes of `rest`, if there are as many.
pub(super) fn take<const BYTES: usize>(rest: &mut &[u8]) -> Option<[u8; BYTES]> {
    let (taken, tail) = rest.split_first_chunk::<BYTES>()?;
    *rest = tail;
    Some(*taken)
}

/// Takes a number off the start of `rest`.
pub(super) fn number(rest: &mut &[u8]) -> Option<u64> {
    take(rest).map(u64::from_le_bytes)
}

fn checksum(key: &[u8; 32], bytes: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let mut hash = Sha256::new();
    hash.update(key);
    hash.update(bytes);
    let hash: [u8; 32] = hash.finalize().into();
    let mut checksum = [0; CHECKSUM_BYTES];
    checksum.copy_from_slice(&hash[..CHECKSUM_BYTES]);
    checksum
}

#[cfg(test)]
mod tests {
    use crate::store::record::*;

    fn records() -> Vec<KeyRecord> {
        let base = KeyRecord {
            caller: [1; 32],
            fingerprint: [2; 32],
            declaration: Some([11; 32]),
            attempt: AttemptId(3 << 100),
            began: 4,
            lease_end: 5,
            repeatable: true,
            task: None,
            end: RecordEnd::Open,
        };
        let kept = RecordEnd::Completed(6, StoredResult::Kept("{\"ö\":1}".into()));
        let digest = RecordEnd::Completed(7, StoredResult::Digest { sha256: [8; 32], bytes: 9 });
        let task = Some("task".to_owned());
        vec![
            KeyRecord { end: kept, task, ..base.clone() },
            KeyRecord { end: digest, repeatable: false, ..base.clone() },
            KeyRecord { declaration: None, ..base.clone() },
            KeyRecord { end: RecordEnd::Tombstone(10), ..base.clone() },
            base,
        ]
    }

    #[test]
    fn record_is_read_as_it_was_written() {
        for record in records() {
            assert_eq!(KeyRecord::decode(&[7; 32], &record.encode(&[7; 32])), Some(record));
        }
    }

    /// The first layout: a number in place of the flags, and no digest of the declaration.
    #[test]
    fn record_of_the_first_layout_is_read_without_a_declaration() {
        for repeatable in [false, true] {
            let mut bytes = [[1; 32], [2; 32]].concat();
            bytes.extend_from_slice(&(3_u128 << 100).to_le_bytes());
            for number in [4, 5, u64::from(repeatable), 4] {
                bytes.extend_from_slice(&number.to_le_bytes());
            }
            bytes.extend_from_slice(b"task\x01");
            bytes.extend_from_slice(&6_u64.to_le_bytes());
            bytes.extend_from_slice("{\"ö\":1}".as_bytes());
            let row = [&checksum(&[7; 32], &bytes), bytes.as_slice()].concat();
            let first = records().into_iter().next().expect("there are some");
            let expected = KeyRecord { declaration: None, repeatable, ..first };
            assert_eq!(KeyRecord::decode(&[7; 32], &row), Some(expected));
        }
    }

    #[test]
    fn record_with_any_byte_changed_or_under_another_key_is_not_read() {
        for record in records() {
            let bytes = record.encode(&[7; 32]);
            assert_eq!(KeyRecord::decode(&[6; 32], &bytes), None);
            for at in 0..bytes.len() {
                let mut changed = bytes.clone();
                changed[at] ^= 1;
                assert_eq!(KeyRecord::decode(&[7; 32], &changed), None, "byte {at}");
                assert_eq!(KeyRecord::decode(&[7; 32], &bytes[..at]), None, "cut at {at}");
            }
        }
    }
}
