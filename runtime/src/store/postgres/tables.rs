//! Holds the rows of one transaction in memory while its changes are decided, and writes them.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    convert::Infallible,
};

use futures::future::OptionFuture;
use tokio_postgres::{Error, Row};

use super::{
    probe::Probe,
    rows::{
        self, COMPLETED_STATE, DIGEST_STATE, OPEN_STATE, OWN_ROW, StoredKey, TOMBSTONE_STATE, array, signed,
        unsigned,
    },
    statements::Statements,
};
use crate::{
    database::{DatabaseConnection, Parameter},
    ordered::CollectOrdered as _,
    store::{
        StoredResult,
        clock::StoreClock,
        record::{KeyRecord, RecordEnd},
        transition::{KeyTables, KeyUsage, TOTAL},
    },
};

/// The rows of one transaction, as its changes leave them.
pub(super) struct BatchTables {
    pub(super) now: u64,
    keys: HashMap<[u8; 32], LoadedKey>,
    callers: BTreeMap<[u8; 32], LoadedCaller>,
    pub(super) total: KeyUsage,
    due: VecDeque<[u8; 32]>,
}

#[derive(Default)]
struct LoadedKey {
    /// Whether the database has a row.
    is_stored: bool,
    record: Option<KeyRecord>,
    due: u64,
    is_changed: bool,
}

#[derive(Default)]
struct LoadedCaller {
    usage: KeyUsage,
    known_keys: u64,
    is_changed: bool,
}

impl BatchTables {
    pub(super) fn new(
        clock: Option<&StoreClock>,
        callers: &[Row],
        keys: &[Row],
        total: KeyUsage,
        due: impl Iterator<Item = [u8; 32]>,
    ) -> Result<Self, Error> {
        let (now, keys) = rows::read(keys)?;
        let keys = keys.into_iter().map(|StoredKey { key, record, due }| {
            (key, LoadedKey { is_stored: true, record: Some(record), due, is_changed: false })
        });
        let callers = callers.iter().map(|row| {
            let usage = KeyUsage { keys: unsigned(row.get(1)), bytes: unsigned(row.get(2)) };
            (array(row.get(0)), LoadedCaller { usage, known_keys: unsigned(row.get(3)), is_changed: false })
        });
        Ok(Self {
            now: clock.map_or(now, StoreClock::now),
            keys: keys.collect(),
            callers: callers.collect_ordered(),
            total,
            due: due.collect(),
        })
    }

    /// Counts a row of a caller that is added or removed.
    fn count_row(&mut self, caller: [u8; 32], is_added: bool) {
        let row = self.callers.entry(caller).or_default();
        row.known_keys = if is_added { row.known_keys + 1 } else { row.known_keys.saturating_sub(1) };
        row.is_changed = true;
    }

    /// Writes all rows that were changed, and commits.
    pub(super) async fn write(
        &self,
        connection: &DatabaseConnection,
        statements: &Statements,
        deployment: i32,
        probe: Option<&Probe>,
    ) -> Result<(), Error> {
        let mut written = KeyColumns::default();
        let mut removed: Vec<&[u8]> = Vec::new();
        for (key, loaded) in self.keys.iter().filter(|(_, loaded)| loaded.is_changed) {
            match &loaded.record {
                Some(record) => written.push(key, record, loaded.due),
                None if loaded.is_stored => removed.push(key),
                None => {}
            }
        }
        let mut callers = CallerColumns::default();
        let mut idle: Vec<&[u8]> = Vec::new();
        for (caller, loaded) in &self.callers {
            if loaded.is_changed || (probe.is_some() && *caller == OWN_ROW) {
                callers.push(caller, loaded);
                if loaded.known_keys == 0 && loaded.usage == KeyUsage::default() {
                    idle.push(caller);
                }
            }
        }
        let client = &connection.client;
        let parameters = written.parameters(&deployment);
        let write_keys =
            (!written.key.is_empty()).then(|| client.execute(&statements.write_keys, &parameters));
        let remove_keys = (!removed.is_empty())
            .then_some(async { client.execute(&statements.remove_keys, &[&deployment, &removed]).await });
        let write_callers = (!callers.caller.is_empty()).then_some(async {
            let CallerColumns { caller, live_keys, result_bytes, known_keys } = &callers;
            client
                .execute(
                    &statements.write_callers,
                    &[&deployment, caller, live_keys, result_bytes, known_keys],
                )
                .await
        });
        let remove_idle = (!idle.is_empty()).then_some(async {
            client.execute(&statements.remove_idle_callers, &[&deployment, &idle]).await
        });
        let probe = probe.map(|probe| probe.write(connection, deployment));
        // All are sent at once. After an error, the commit is a roll-back.
        let (probed, keys, removed, callers, idle, committed) = tokio::join!(
            biased;
            OptionFuture::from(probe),
            OptionFuture::from(write_keys),
            OptionFuture::from(remove_keys),
            OptionFuture::from(write_callers),
            OptionFuture::from(remove_idle),
            client.batch_execute("COMMIT"),
        );
        probed.transpose()?;
        for done in [keys, removed, callers, idle] {
            done.transpose()?;
        }
        committed
    }
}

/// The changed keys, a column each.
#[derive(Default)]
struct KeyColumns<'a> {
    key: Vec<&'a [u8]>,
    caller: Vec<&'a [u8]>,
    fingerprint: Vec<&'a [u8]>,
    attempt: Vec<Vec<u8>>,
    began: Vec<i64>,
    lease_end: Vec<i64>,
    repeatable: Vec<bool>,
    task: Vec<Option<&'a str>>,
    state: Vec<i16>,
    ended: Vec<Option<i64>>,
    result: Vec<Option<&'a [u8]>>,
    result_size: Vec<Option<i64>>,
    due: Vec<i64>,
    declaration: Vec<Option<&'a [u8]>>,
}

impl<'a> KeyColumns<'a> {
    fn push(&mut self, key: &'a [u8; 32], record: &'a KeyRecord, due: u64) {
        self.key.push(key);
        self.caller.push(&record.caller);
        self.fingerprint.push(&record.fingerprint);
        self.attempt.push(record.attempt.0.to_be_bytes().to_vec());
        self.began.push(signed(record.began));
        self.lease_end.push(signed(record.lease_end));
        self.repeatable.push(record.repeatable);
        self.task.push(record.task.as_deref());
        let (state, ended, result, size) = match &record.end {
            RecordEnd::Open => (OPEN_STATE, None, None, None),
            RecordEnd::Completed(at, StoredResult::Kept(text)) => {
                (COMPLETED_STATE, Some(*at), Some(text.as_bytes()), Some(text.len() as u64))
            }
            RecordEnd::Completed(at, StoredResult::Digest { sha256, bytes }) => {
                (DIGEST_STATE, Some(*at), Some(sha256.as_slice()), Some(*bytes))
            }
            RecordEnd::Tombstone(at) => (TOMBSTONE_STATE, Some(*at), None, None),
        };
        self.state.push(state);
        self.ended.push(ended.map(signed));
        self.result.push(result);
        self.result_size.push(size.map(signed));
        self.due.push(signed(due));
        self.declaration.push(record.declaration.as_ref().map(<[u8; 32]>::as_slice));
    }

    fn parameters<'p>(&'p self, deployment: &'p i32) -> [Parameter<'p>; 15] {
        [
            deployment,
            &self.key,
            &self.caller,
            &self.fingerprint,
            &self.attempt,
            &self.began,
            &self.lease_end,
            &self.repeatable,
            &self.task,
            &self.state,
            &self.ended,
            &self.result,
            &self.result_size,
            &self.due,
            &self.declaration,
        ]
    }
}

/// The changed usages, a column each.
#[derive(Default)]
struct CallerColumns<'a> {
    caller: Vec<&'a [u8]>,
    live_keys: Vec<i64>,
    result_bytes: Vec<i64>,
    known_keys: Vec<i64>,
}

impl<'a> CallerColumns<'a> {
    fn push(&mut self, caller: &'a [u8; 32], loaded: &LoadedCaller) {
        self.caller.push(caller);
        self.live_keys.push(signed(loaded.usage.keys));
        self.result_bytes.push(signed(loaded.usage.bytes));
        self.known_keys.push(signed(loaded.known_keys));
    }
}

impl KeyTables for BatchTables {
    type Error = Infallible;

    fn record(&mut self, key: &[u8; 32]) -> Result<Option<KeyRecord>, Infallible> {
        Ok(self.keys.get(key).and_then(|loaded| loaded.record.clone()))
    }

    fn put(&mut self, key: &[u8; 32], record: &KeyRecord) -> Result<(), Infallible> {
        let loaded = self.keys.entry(*key).or_default();
        (loaded.due, loaded.is_changed) = (record.due(), true);
        if loaded.record.replace(record.clone()).is_none() {
            self.count_row(record.caller, true);
        }
        Ok(())
    }

    fn remove(&mut self, key: &[u8; 32]) -> Result<(), Infallible> {
        let loaded = self.keys.entry(*key).or_default();
        loaded.is_changed = true;
        if let Some(record) = loaded.record.take() {
            self.count_row(record.caller, false);
        }
        Ok(())
    }

    fn usage(&mut self, of: &[u8; 32]) -> Result<KeyUsage, Infallible> {
        if *of == TOTAL {
            return Ok(self.total);
        }
        Ok(self.callers.get(of).map(|caller| caller.usage).unwrap_or_default())
    }

    fn set_usage(&mut self, of: &[u8; 32], usage: KeyUsage) -> Result<(), Infallible> {
        if *of == TOTAL {
            self.total = usage;
        } else {
            let caller = self.callers.entry(*of).or_default();
            (caller.usage, caller.is_changed) = (usage, true);
        }
        Ok(())
    }

    /// Does nothing: the row of a key has the time at which it is due.
    fn add_due(&mut self, _: u64, _: &[u8; 32]) -> Result<(), Infallible> {
        Ok(())
    }

    fn take_due(&mut self, now: u64) -> Result<Option<[u8; 32]>, Infallible> {
        // Another replica may have pruned a key since it was found.
        while let Some(key) = self.due.pop_front() {
            if self.keys.get(&key).is_some_and(|loaded| loaded.record.is_some() && loaded.due <= now) {
                return Ok(Some(key));
            }
        }
        Ok(None)
    }
}
