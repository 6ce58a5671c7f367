//! Decides every change of a key's state, on the tables of any store, inside one transaction.

use super::{
    Attempt, AttemptId, KeyState, Reserved, ScopedKey, StoreLimits, StoredResult,
    record::{KeyRecord, RecordEnd},
};

/// The tables of a store within one transaction.
pub(super) trait KeyTables {
    type Error;

    fn record(&mut self, key: &[u8; 32]) -> Result<Option<KeyRecord>, Self::Error>;
    fn put(&mut self, key: &[u8; 32], record: &KeyRecord) -> Result<(), Self::Error>;
    fn remove(&mut self, key: &[u8; 32]) -> Result<(), Self::Error>;

    fn usage(&mut self, of: &[u8; 32]) -> Result<KeyUsage, Self::Error>;
    fn set_usage(&mut self, of: &[u8; 32], usage: KeyUsage) -> Result<(), Self::Error>;

    /// Adds a time at which a key is looked at by [`prune`].
    fn add_due(&mut self, at: u64, key: &[u8; 32]) -> Result<(), Self::Error>;
    /// Takes the earliest such time that is not after `now`, and returns its key.
    fn take_due(&mut self, now: u64) -> Result<Option<[u8; 32]>, Self::Error>;
}

/// The keys and the bytes of results that count against a limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct KeyUsage {
    pub(super) keys: u64,
    pub(super) bytes: u64,
}

/// The row of the usage of all callers. No digest of a caller is zero.
pub(super) const TOTAL: [u8; 32] = [0; 32];

/// Reserves a key that is absent.
pub(super) fn reserve<T: KeyTables>(
    tables: &mut T,
    limits: &StoreLimits,
    now: u64,
    key: ScopedKey,
    attempt: Attempt,
) -> Result<Reserved, T::Error> {
    if let Some(record) = tables.record(&key.key)? {
        match record.state(now) {
            KeyState::Absent => discard(tables, &key.key, &record)?,
            KeyState::InProgress(_) if is_of_same_task(&record, &attempt) => {
                discard(tables, &key.key, &record)?;
            }
            state => return Ok(Reserved::Taken(state)),
        }
    }
    let (own, all) = (tables.usage(&key.caller)?, tables.usage(&TOTAL)?);
    if own.keys >= limits.keys_per_caller {
        return Ok(Reserved::TooManyKeys);
    }
    if all.keys >= limits.keys {
        return Ok(Reserved::Full);
    }
    tables.set_usage(&key.caller, KeyUsage { keys: own.keys + 1, ..own })?;
    tables.set_usage(&TOTAL, KeyUsage { keys: all.keys + 1, ..all })?;
    let record = KeyRecord::new(key, attempt, now);
    tables.add_due(record.lease_end, &key.key)?;
    tables.put(&key.key, &record)?;
    Ok(Reserved::Yes)
}

/// Whether a key in progress is held for the task that the attempt is made in. A task has one runner at a time: the earlier
/// attempt is that of a dead replica, and writes nothing any more.
fn is_of_same_task(record: &KeyRecord, attempt: &Attempt) -> bool {
    record.repeatable
        && record.attempt != attempt.id
        && record.task.is_some()
        && record.task == attempt.task
        && record.fingerprint == attempt.fingerprint
}

/// Stores the result of the attempt that holds the key.
pub(super) fn complete<T: KeyTables>(
    tables: &mut T,
    limits: &StoreLimits,
    now: u64,
    key: ScopedKey,
    attempt: AttemptId,
    result: StoredResult,
) -> Result<bool, T::Error> {
    let Some(mut record) = held(tables, key, attempt)? else { return Ok(false) };
    let (own, all) = (tables.usage(&key.caller)?, tables.usage(&TOTAL)?);
    let result = match result {
        StoredResult::Kept(text)
            if own.bytes + text.len() as u64 > limits.bytes_per_caller
                || all.bytes + text.len() as u64 > limits.bytes =>
        {
            StoredResult::digest(text.as_bytes())
        }
        result => result,
    };
    record.end = RecordEnd::Completed(now, result);
    let bytes = record.result_bytes();
    if bytes > 0 {
        tables.set_usage(&key.caller, KeyUsage { bytes: own.bytes + bytes, ..own })?;
        tables.set_usage(&TOTAL, KeyUsage { bytes: all.bytes + bytes, ..all })?;
    }
    // The end of the lease is in the list of times, and leads to the time of the completed key.
    tables.put(&key.key, &record)?;
    Ok(true)
}

/// Removes the key that the attempt holds.
pub(super) fn release<T: KeyTables>(
    tables: &mut T,
    key: ScopedKey,
    attempt: AttemptId,
) -> Result<bool, T::Error> {
    let Some(record) = held(tables, key, attempt)? else { return Ok(false) };
    discard(tables, &key.key, &record)?;
    Ok(true)
}

/// Shortens or removes up to `limit` keys whose time is over.
pub(super) fn prune<T: KeyTables>(tables: &mut T, now: u64, limit: usize) -> Result<usize, T::Error> {
    for pruned in 0..limit {
        let Some(key) = tables.take_due(now)? else { return Ok(pruned) };
        let Some(record) = tables.record(&key)? else { continue };
        let due = record.due();
        if due > now {
            // The attempt was completed since, or this was the time of an earlier one.
            tables.add_due(due, &key)?;
            continue;
        }
        match record.end {
            RecordEnd::Completed(at, _) => {
                uncount(tables, &record)?;
                let shortened = KeyRecord { end: RecordEnd::Tombstone(at), task: None, ..record };
                tables.add_due(shortened.due(), &key)?;
                tables.put(&key, &shortened)?;
            }
            RecordEnd::Open | RecordEnd::Tombstone(_) => discard(tables, &key, &record)?,
        }
    }
    Ok(limit)
}

/// Sets the row of a key, which was decided before; `None` removes it.
#[cfg(feature = "redb")]
pub(super) fn restore<T: KeyTables>(
    tables: &mut T,
    key: &[u8; 32],
    record: Option<KeyRecord>,
) -> Result<(), T::Error> {
    if let Some(before) = tables.record(key)? {
        discard(tables, key, &before)?;
    }
    let Some(record) = record else { return tables.remove(key) };
    let all = tables.usage(&TOTAL)?;
    let bytes = record.result_bytes();
    tables.set_usage(&TOTAL, KeyUsage { keys: all.keys + 1, bytes: all.bytes + bytes })?;
    if !matches!(record.end, RecordEnd::Tombstone(_)) {
        let own = tables.usage(&record.caller)?;
        let own = KeyUsage { keys: own.keys + 1, bytes: own.bytes + bytes };
        tables.set_usage(&record.caller, own)?;
    }
    tables.add_due(record.due(), key)?;
    tables.put(key, &record)
}

/// Returns the row of a key that `attempt` still holds.
fn held<T: KeyTables>(
    tables: &mut T,
    key: ScopedKey,
    attempt: AttemptId,
) -> Result<Option<KeyRecord>, T::Error> {
    let record = tables.record(&key.key)?;
    Ok(record.filter(|record| record.attempt == attempt && record.end == RecordEnd::Open))
}

/// Removes a row, and what it counts.
fn discard<T: KeyTables>(tables: &mut T, key: &[u8; 32], record: &KeyRecord) -> Result<(), T::Error> {
    if !matches!(record.end, RecordEnd::Tombstone(_)) {
        uncount(tables, record)?;
    }
    let all = tables.usage(&TOTAL)?;
    tables.set_usage(&TOTAL, KeyUsage { keys: all.keys.saturating_sub(1), ..all })?;
    tables.remove(key)
}

/// Ends the count of a key for its caller, and of its result.
fn uncount<T: KeyTables>(tables: &mut T, record: &KeyRecord) -> Result<(), T::Error> {
    let (own, all) = (tables.usage(&record.caller)?, tables.usage(&TOTAL)?);
    let bytes = record.result_bytes();
    let own = KeyUsage { keys: own.keys.saturating_sub(1), bytes: own.bytes.saturating_sub(bytes) };
    tables.set_usage(&record.caller, own)?;
    tables.set_usage(&TOTAL, KeyUsage { bytes: all.bytes.saturating_sub(bytes), ..all })
}
