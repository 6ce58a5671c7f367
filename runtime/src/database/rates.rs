//! Counts calls against rates, over all replicas.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use super::{Database, DatabaseError};

const TAKE: &str = "SELECT candor.take_rates($1, $2, $3, $4)";
/// Forgets the callers that have been idle for the period of their rate.
const FORGET_IDLE_RATES: &str = "\
    DELETE FROM candor.rates \
    WHERE deployment = $1 AND arrival < extract(epoch FROM pg_catalog.clock_timestamp()) * 1000000000";
/// The calls between two searches for idle callers.
const FORGET_INTERVAL: u64 = 4096;

/// The place of one caller in one rate.
pub(crate) struct RateCell {
    pub(crate) id: [u8; 32],
    /// The nanoseconds of one call at an even pace.
    pub(crate) pace: u64,
    /// The nanoseconds that an arrival time may be ahead before the next call.
    pub(crate) tolerance: u64,
}

impl Database {
    /// Takes a call from all rates, or from none. Returns the time until each allows it; all are zero if it was taken.
    pub(crate) async fn take_rates(
        self: &Arc<Self>,
        cells: Vec<RateCell>,
    ) -> Result<Vec<Duration>, DatabaseError> {
        let deployment = self.deployment;
        if self.rates_taken.fetch_add(1, Ordering::Relaxed) % FORGET_INTERVAL == FORGET_INTERVAL - 1 {
            // Its failure is that of any other statement, which tells the operator.
            let forgotten = self.statement(move |connection| {
                Box::pin(async move {
                    let forget = connection.prepared(FORGET_IDLE_RATES).await?;
                    connection.client.execute(&forget, &[&deployment]).await
                })
            });
            self.spawn(async move { drop(forgotten.await) });
        }
        // Once: a second time would count the call twice.
        self.statement_once(move |connection| {
            let (mut ids, mut paces, mut tolerances) = (Vec::new(), Vec::new(), Vec::new());
            for RateCell { id, pace, tolerance } in &cells {
                ids.push(id.to_vec());
                paces.push(i64::try_from(*pace).unwrap_or(i64::MAX));
                tolerances.push(i64::try_from(*tolerance).unwrap_or(i64::MAX));
            }
            Box::pin(async move {
                let take = connection.prepared(TAKE).await?;
                let row =
                    connection.client.query_one(&take, &[&deployment, &ids, &paces, &tolerances]).await?;
                let waits: Vec<i64> = row.try_get(0)?;
                Ok(waits.into_iter().map(|wait| Duration::from_nanos(wait.unsigned_abs())).collect())
            })
        })
        .await
    }
}
