//! Takes calls from the rates that all replicas of a server share.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::{LimitOf, Limits, Wait, in_flight::Slot, rate::RateLimit};
use crate::{
    database::{Database, RateCell},
    store::SharedDatabase,
    tool::{caller::Caller, descriptor::Descriptor},
};

/// The rates of a server whose replicas share a database. The database's clock decides.
pub(super) struct SharedRates {
    database: Arc<Database>,
    /// The names of the tools, by which all replicas know their rates.
    tools: Vec<&'static str>,
}

impl SharedRates {
    /// `None` if the replicas of the server share no database.
    pub(super) fn new<'a>(
        shared: &SharedDatabase,
        tools: impl Iterator<Item = &'a Descriptor>,
    ) -> Option<Self> {
        let database = Arc::clone(shared.database()?);
        Some(Self { database, tools: tools.map(|tool| tool.name).collect() })
    }
}

impl Limits {
    /// As [`Limits::admit`], with the calls of all replicas. Calls that run at once are those of this one.
    pub(super) async fn admit_shared(
        &self,
        rates: &SharedRates,
        index: usize,
        caller: &Caller,
    ) -> Result<Slot, Wait> {
        // Given back if a rate refuses the call.
        let slot = self.slot(index, caller)?;
        let identity = caller.identity();
        let of_caller = [identity.issuer.unwrap_or_default(), identity.subject];
        let rates_of = |rate: &Option<RateLimit>, of: LimitOf, parts: &[&str]| {
            rate.as_ref().map(|rate| (of, rate.shared_cell(id(parts))))
        };
        let wanted = [
            rates_of(
                &self.tools[index].rate,
                LimitOf::Tool,
                &["tool", rates.tools[index], of_caller[0], of_caller[1]],
            ),
            rates_of(&self.rate_per_caller, LimitOf::Caller, &["caller", of_caller[0], of_caller[1]]),
            rates_of(&self.rate_in_all, LimitOf::Server, &["server"]),
        ];
        let (limits, cells): (Vec<LimitOf>, Vec<RateCell>) = wanted.into_iter().flatten().unzip();
        if cells.is_empty() {
            return Ok(slot);
        }
        // The database has told the operator why it failed.
        let waits = rates.database.take_rates(cells).await.map_err(|_| Wait::Store)?;
        match limits.into_iter().zip(waits).max_by_key(|(_, wait)| *wait) {
            Some((of, wait)) if !wait.is_zero() => Err(Wait::Rate { of, wait }),
            _ => Ok(slot),
        }
    }
}

/// Returns the id of a caller's place in a rate. A missing issuer is an empty text, which is not a URL.
fn id(parts: &[&str]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}
