//! Uses each state of a question once, over all replicas.

use std::{sync::Arc, time::Duration};

use super::{Database, DatabaseError, Parameter};

/// The time for which a state is remembered beyond its expiry. A state whose expiry is longer ago is refused without a row, so
/// that it is used once whatever the clocks of the replicas are.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(600);
/// Uses a state; returns whether this use is the first. Returns nothing if the state is too old.
const USE: &str = "\
    INSERT INTO candor.nonces AS row (deployment, nonce, use, expiry) \
    SELECT $1, $2, $3, $4 WHERE $4::bigint > extract(epoch FROM pg_catalog.clock_timestamp()) * 1000 \
    ON CONFLICT (deployment, nonce) DO UPDATE SET use = row.use \
    RETURNING use = $3";
const FORGET_NONCES: &str = "\
    DELETE FROM candor.nonces WHERE deployment = $1 AND nonce IN (\
        SELECT nonce FROM candor.nonces WHERE deployment = $1 \
            AND expiry < extract(epoch FROM pg_catalog.clock_timestamp()) * 1000 \
            ORDER BY expiry LIMIT 4 FOR UPDATE SKIP LOCKED)";

impl Database {
    /// Uses up the state with this nonce and this expiry, in time since 1970. Returns whether it was not used before.
    pub(crate) async fn use_once(
        self: &Arc<Self>,
        nonce: Vec<u8>,
        expiry: Duration,
    ) -> Result<bool, DatabaseError> {
        let deployment = self.deployment;
        let mut use_id = [0; 16];
        getrandom::fill(&mut use_id).expect("the operating system provides random bytes");
        let kept = i64::try_from((expiry + CLOCK_TOLERANCE).as_millis()).unwrap_or(i64::MAX);
        self.statement(move |connection| {
            let nonce = nonce.clone();
            Box::pin(async move {
                let [insert, forget] = connection.all_prepared([USE, FORGET_NONCES]).await?;
                let client = &connection.client;
                let use_id = use_id.as_slice();
                let parameters: [Parameter<'_>; 4] = [&deployment, &nonce, &use_id, &kept];
                let (used, forgotten) = tokio::join!(
                    client.query_opt(&insert, &parameters),
                    client.execute(&forget, &parameters[..1]),
                );
                forgotten?;
                Ok(used?.is_some_and(|row| row.get(0)))
            })
        })
        .await
    }
}
