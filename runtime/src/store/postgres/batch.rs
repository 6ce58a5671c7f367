//! Makes one transaction of several changes: locks their callers, reads their keys, decides, and writes.

use std::collections::BTreeSet;

use futures::future::OptionFuture;
use tokio_postgres::Error;

use super::{
    probe::Probe,
    rows::{OWN_ROW, array, signed, unsigned},
    statements::Statements,
    tables::BatchTables,
};
use crate::{
    database::{DatabaseConnection, Parameter},
    store::{
        KeyState, Reserved, StoreLimits,
        clock::StoreClock,
        transition::KeyUsage,
        write_op::{WriteAnswer, WriteOp},
    },
};

/// One replica at a time prunes: the others would wait for the same rows.
const LOCK_PRUNING: &str = "SELECT pg_catalog.pg_try_advisory_xact_lock(1129333316, $1)";
const FIND_DUE: &str = "\
    SELECT key, caller FROM candor.keys WHERE deployment = $1 \
        AND due <= coalesce($2, floor(extract(epoch FROM pg_catalog.clock_timestamp()) * 1000)::bigint) \
    ORDER BY due LIMIT $3";

/// A transaction over the keys of a deployment.
pub(super) struct Batch<'a> {
    pub(super) deployment: i32,
    pub(super) limits: &'a StoreLimits,
    /// The clock of a test; without it, the database's.
    pub(super) clock: Option<&'a StoreClock>,
    /// The usage of all callers, as far as it is known.
    pub(super) total: Option<KeyUsage>,
}

/// The result of a batch.
pub(super) struct Committed {
    pub(super) answers: Vec<WriteAnswer>,
    pub(super) total: Option<KeyUsage>,
}

impl Batch<'_> {
    /// Makes the changes of `ops`, and commits them. `is_sent` is set before the commit is sent: after a failure from then
    /// on, the changes may have been made.
    ///
    /// Two round trips: one for the locks and the rows, one for the changes with the commit. Pruning, which is a batch of its
    /// own, finds its rows with another.
    pub(super) async fn commit(
        &self,
        connection: &DatabaseConnection,
        ops: &[WriteOp],
        is_sent: &mut bool,
    ) -> Result<Committed, Error> {
        let statements = Statements::of(connection).await?;
        let due = self.due(connection, ops).await?;
        if due.as_ref().is_some_and(Vec::is_empty) {
            connection.client.batch_execute("COMMIT").await?;
            let answers = ops.iter().map(|_| WriteAnswer::Pruned(0)).collect();
            return Ok(Committed { answers, total: self.total });
        }
        let has_begun = due.is_some();
        let due = due.unwrap_or_default();
        let (keys, callers) = subjects(ops, &due);
        let (keys, callers) = (slices(&keys), slices(&callers));
        let mut tables = loop {
            let begin = OptionFuture::from((!has_begun).then(|| connection.client.batch_execute("BEGIN")));
            let of_deployment: [Parameter<'_>; 1] = [&self.deployment];
            let of_callers: [Parameter<'_>; 2] = [&self.deployment, &callers];
            let of_keys: [Parameter<'_>; 2] = [&self.deployment, &keys];
            let client = &connection.client;
            let is_known = self.total.is_some();
            let sum = (!is_known).then(|| client.query_one(&statements.sum_callers, &of_deployment));
            // All are sent at once, in this order.
            let (begun, added, callers_found, keys_found, sum) = tokio::join!(
                biased;
                begin,
                client.execute(&statements.add_callers, &of_callers),
                client.query(&statements.lock_callers, &of_callers),
                client.query(&statements.read_keys, &of_keys),
                OptionFuture::from(sum),
            );
            begun.transpose()?;
            added?;
            let (callers_found, keys_found) = (callers_found?, keys_found?);
            if callers_found.len() == callers.len() || has_begun {
                let total = match sum.transpose()? {
                    Some(row) => KeyUsage { keys: unsigned(row.get(0)), bytes: unsigned(row.get(1)) },
                    None => self.total.unwrap_or_default(),
                };
                let due = due.into_iter().map(|due| due.key);
                break BatchTables::new(self.clock, &callers_found, &keys_found, total, due)?;
            }
            // The row of an idle caller was pruned between the two statements.
            connection.client.batch_execute("ROLLBACK").await?;
        };
        let now = tables.now;
        let answers: Vec<WriteAnswer> = ops
            .iter()
            .map(|op| {
                let Ok(answer) = op.apply(&mut tables, self.limits, now);
                own_attempt(op, answer)
            })
            .collect();
        let is_probe = ops.iter().any(|op| matches!(op, WriteOp::Check { .. }));
        let probe = if is_probe { Some(Probe::of(connection).await?) } else { None };
        *is_sent = true;
        tables.write(connection, &statements, self.deployment, probe.as_ref()).await?;
        Ok(Committed { answers, total: Some(tables.total) })
    }

    /// Begins a transaction that prunes, and finds the keys whose time is over; `None` if there is nothing to prune.
    async fn due(
        &self,
        connection: &DatabaseConnection,
        ops: &[WriteOp],
    ) -> Result<Option<Vec<DueKey>>, Error> {
        let limit = ops.iter().find_map(|op| match op {
            WriteOp::Prune { limit, .. } => Some(*limit),
            _ => None,
        });
        let Some(limit) = limit else { return Ok(None) };
        let [lock, find] = connection.all_prepared([LOCK_PRUNING, FIND_DUE]).await?;
        let now = self.clock.map(|clock| signed(clock.now()));
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let parameters: [Parameter<'_>; 3] = [&self.deployment, &now, &limit];
        let (begun, locked, found) = tokio::join!(
            biased;
            // A prune that is lost in a crash is made again.
            connection.client.batch_execute("BEGIN; SET LOCAL synchronous_commit = off"),
            connection.client.query_one(&lock, &parameters[..1]),
            connection.client.query(&find, &parameters),
        );
        begun?;
        let (locked, found) = (locked?, found?);
        if !locked.get::<_, bool>(0) {
            return Ok(Some(Vec::new()));
        }
        let due = found.iter().map(|row| DueKey { key: array(row.get(0)), caller: array(row.get(1)) });
        Ok(Some(due.collect()))
    }
}

/// A key that is pruned.
struct DueKey {
    key: [u8; 32],
    caller: [u8; 32],
}

/// Returns the keys and the callers that a batch is about, each once and in order.
fn subjects(ops: &[WriteOp], due: &[DueKey]) -> (BTreeSet<[u8; 32]>, BTreeSet<[u8; 32]>) {
    let (mut keys, mut callers) = (BTreeSet::new(), BTreeSet::new());
    for op in ops {
        match op {
            WriteOp::Reserve { key, .. } | WriteOp::Complete { key, .. } | WriteOp::Release { key, .. } => {
                keys.insert(key.key);
                callers.insert(key.caller);
            }
            WriteOp::Check { .. } => drop(callers.insert(OWN_ROW)),
            WriteOp::Prune { .. } => {}
        }
    }
    for key in due {
        keys.insert(key.key);
        callers.insert(key.caller);
    }
    (keys, callers)
}

fn slices(digests: &BTreeSet<[u8; 32]>) -> Vec<&[u8]> {
    digests.iter().map(<[u8; 32]>::as_slice).collect()
}

/// Gives an attempt its own reservation: the answer to an earlier try may have been lost with the connection.
fn own_attempt(op: &WriteOp, answer: WriteAnswer) -> WriteAnswer {
    match (op, answer) {
        (
            WriteOp::Reserve { attempt, .. },
            WriteAnswer::Reserved(Reserved::Taken(KeyState::InProgress(past))),
        ) if past.id == attempt.id => WriteAnswer::Reserved(Reserved::Yes),
        (_, answer) => answer,
    }
}
