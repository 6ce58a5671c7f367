//! Defines the changes that calls wait for. A store gathers them, and makes one transaction of several.

use tokio::sync::oneshot;

use super::{
    Attempt, AttemptId, KeyStoreError, Reserved, ScopedKey, StoreLimits, StoredResult,
    transition::{self, KeyTables},
};

type Done<T> = oneshot::Sender<Result<T, KeyStoreError>>;

/// A change that a call waits for.
pub(super) enum WriteOp {
    Reserve {
        key: ScopedKey,
        attempt: Attempt,
        done: Done<Reserved>,
    },
    Complete {
        key: ScopedKey,
        attempt: AttemptId,
        result: StoredResult,
        done: Done<bool>,
    },
    Release {
        key: ScopedKey,
        attempt: AttemptId,
        done: Done<bool>,
    },
    Prune {
        limit: usize,
        done: Done<usize>,
    },
    /// Writes something, to find out whether the disk takes it.
    Check {
        done: Done<()>,
    },
}

/// The answer to a change, which is given once the transaction is on the disk.
pub(super) enum WriteAnswer {
    Reserved(Reserved),
    Held(bool),
    Pruned(usize),
    Checked,
}

impl WriteOp {
    /// Whether the change must reach the disk. Keys whose time is over are pruned again if it does not.
    #[cfg(feature = "redb")]
    pub(super) fn is_durable(&self) -> bool {
        !matches!(self, Self::Prune { .. })
    }

    /// Makes the change on the tables of a store, inside a transaction.
    pub(super) fn apply<T: KeyTables>(
        &self,
        tables: &mut T,
        limits: &StoreLimits,
        now: u64,
    ) -> Result<WriteAnswer, T::Error> {
        Ok(match self {
            Self::Reserve { key, attempt, .. } => {
                WriteAnswer::Reserved(transition::reserve(tables, limits, now, *key, attempt.clone())?)
            }
            Self::Complete { key, attempt, result, .. } => {
                let result = result.clone();
                WriteAnswer::Held(transition::complete(tables, limits, now, *key, *attempt, result)?)
            }
            Self::Release { key, attempt, .. } => {
                WriteAnswer::Held(transition::release(tables, *key, *attempt)?)
            }
            Self::Prune { limit, .. } => WriteAnswer::Pruned(transition::prune(tables, now, *limit)?),
            Self::Check { .. } => WriteAnswer::Checked,
        })
    }

    /// Whether this is a reservation for a call that no longer waits.
    #[cfg(feature = "postgres")]
    pub(super) fn is_abandoned(&self) -> bool {
        matches!(self, Self::Reserve { done, .. } if done.is_closed())
    }

    /// The change that undoes a reservation, for a call that does not run.
    #[cfg(feature = "postgres")]
    pub(super) fn release_of(&self) -> Option<Self> {
        match self {
            Self::Reserve { key, attempt, .. } => Some(Self::release(*key, attempt.id)),
            _ => None,
        }
    }

    /// A release that no call waits for.
    #[cfg(feature = "postgres")]
    pub(super) fn release(key: ScopedKey, attempt: AttemptId) -> Self {
        Self::Release { key, attempt, done: oneshot::channel().0 }
    }

    /// Answers the call. Returns whether it still waited.
    pub(super) fn answer(self, answer: Result<WriteAnswer, KeyStoreError>) -> bool {
        match (self, answer) {
            (Self::Reserve { done, .. }, Ok(WriteAnswer::Reserved(reserved))) => {
                done.send(Ok(reserved)).is_ok()
            }
            (Self::Complete { done, .. } | Self::Release { done, .. }, Ok(WriteAnswer::Held(held))) => {
                done.send(Ok(held)).is_ok()
            }
            (Self::Prune { done, .. }, Ok(WriteAnswer::Pruned(pruned))) => done.send(Ok(pruned)).is_ok(),
            (Self::Check { done }, Ok(WriteAnswer::Checked)) => done.send(Ok(())).is_ok(),
            (Self::Reserve { done, .. }, Err(error)) => done.send(Err(error)).is_ok(),
            (Self::Complete { done, .. } | Self::Release { done, .. }, Err(error)) => {
                done.send(Err(error)).is_ok()
            }
            (Self::Prune { done, .. }, Err(error)) => done.send(Err(error)).is_ok(),
            (Self::Check { done }, Err(error)) => done.send(Err(error)).is_ok(),
            (_, Ok(_)) => unreachable!("`apply` gives each change its own kind of answer"),
        }
    }
}
