//! Runs a call once under its caller's key: reads the key, replays, reserves, and stores the result.

use std::{sync::Arc, time::Duration};

use serde_json::{Map, Value};
use tokio::time::Instant;

use super::{CallAnswer, Core, Refusal, request::Denial, result, task::TaskMode};
use crate::{
    idempotency::{self, Claim, Idempotency, KeyDenial, SentKey},
    limits::Slot,
    record::{DeniedBy, KeyMark, PendingRecord},
    registry::{Definition, KEY_ARGUMENT},
    revision::Revision,
    store::{Attempt, AttemptId, KeyState, KeyStoreError, PastAttempt, Reserved, ScopedKey, StoredResult},
    tasks::StoreUnavailable,
    tool::{
        caller::Caller,
        descriptor::{Descriptor, IdempotencyKey},
        output::Reply,
    },
};

/// The time for which a call waits for an equal one.
const EQUAL_CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// The interval at which the store is asked while another process holds the key.
const STORE_POLL_INTERVAL: Duration = Duration::from_millis(50);
/// The time beyond a tool's timeout after which an attempt counts as dead.
const LEASE_MARGIN: Duration = Duration::from_secs(30);

/// The key of a call, and the call that it stands for.
pub(super) struct Keyed {
    text: String,
    key: ScopedKey,
    fingerprint: [u8; 32],
    declaration: [u8; 32],
}

/// The key of a call as its handler sees it, and as the server keeps it.
#[derive(Default)]
pub(super) struct CallKey {
    pub(super) text: Option<String>,
    /// `None` for a tool that takes no key, and on a server that keeps none.
    pub(super) kept: Option<Keyed>,
}

/// Reads the key of a call, and takes it out of its arguments.
pub(super) fn read(
    core: &Core,
    tool: &Definition,
    caller: &Caller,
    sent: &SentKey,
    arguments: &mut Map<String, Value>,
) -> Result<CallKey, Refusal> {
    let declared = tool.descriptor;
    let keys = core.idempotency.as_ref().filter(|_| declared.idempotency_key != IdempotencyKey::None);
    let argument = keys.filter(|keys| keys.takes_argument).and_then(|_| arguments.remove(KEY_ARGUMENT));
    let text = sent.read(argument).map_err(Refusal::Malformed)?;
    let kept = text.as_ref().filter(|_| keys.is_some()).map(|text| Keyed {
        text: text.clone(),
        key: idempotency::scoped(caller, text),
        fingerprint: idempotency::fingerprint(declared, arguments),
        declaration: tool.effect_digest,
    });
    Ok(CallKey { text, kept })
}

/// Refuses a call without the key that its tool requires.
pub(super) fn require(core: &Core, tool: &Descriptor, key: &CallKey) -> Result<(), Denial> {
    match &core.idempotency {
        Some(keys) if tool.idempotency_key == IdempotencyKey::Required && key.kept.is_none() => {
            let denial = KeyDenial::Required { as_argument: keys.takes_argument };
            let reply = idempotency::refusal(tool, &denial);
            Err(Denial::replied(DeniedBy::Idempotency)(Box::new(reply)))
        }
        _ => Ok(()),
    }
}

/// Waits for the store, but no longer than the call itself may take. The store has told the operator why it failed.
async fn in_time<T>(tool: &Descriptor, answer: impl Future<Output = Result<T, KeyStoreError>>) -> Option<T> {
    tokio::time::timeout(tool.timeout, answer).await.ok()?.ok()
}

/// A call that asks for its key.
pub(super) struct LookUp<'a> {
    pub(super) core: &'a Core,
    pub(super) tool: &'a Definition,
    pub(super) caller: &'a Arc<Caller>,
    pub(super) arguments: &'a Map<String, Value>,
    pub(super) task: &'a TaskMode,
    pub(super) revision: Revision,
    pub(super) pending: Option<&'a PendingRecord<'a>>,
}

/// The result of a look-up.
pub(super) enum KeyAnswer {
    /// The key is free; it was claimed if that was wanted.
    Free(Option<Claim>),
    Answer(CallAnswer),
}

impl LookUp<'_> {
    /// Answers the call if its key is in use. Waits for an equal call that runs, and gives up `slot` meanwhile.
    pub(super) async fn answer(
        &self,
        keyed: &Keyed,
        wants_claim: bool,
        slot: &mut Option<Slot>,
    ) -> Result<KeyAnswer, Denial> {
        let Some(keys) = &self.core.idempotency else { return Ok(KeyAnswer::Free(None)) };
        let deadline = Instant::now() + EQUAL_CALL_TIMEOUT;
        loop {
            let (claim, holder) = match (wants_claim, keys.holder(&keyed.key)) {
                (true, _) => match keys.claim(&keyed.key) {
                    Ok(claim) => (Some(claim), None),
                    Err(holder) => (None, Some(holder)),
                },
                (false, holder) => (None, holder),
            };
            // After the claim, so that nothing changes in between.
            let state = in_time(self.tool.descriptor, keys.store.get(keyed.key)).await;
            let state = state.ok_or_else(|| self.deny(keyed, &KeyDenial::Unavailable))?;
            let lease_left = match (&state, &holder) {
                (KeyState::Absent, None) => return Ok(KeyAnswer::Free(claim)),
                // The task of a dead replica goes on here with its own key.
                (KeyState::InProgress(past), None)
                    if past.task.is_some() && past.task.as_deref() == self.task.id() =>
                {
                    return Ok(KeyAnswer::Free(claim));
                }
                (KeyState::InProgress(past), _) => {
                    if let Some(answer) = self.running(keyed, past).await? {
                        return Ok(KeyAnswer::Answer(answer));
                    }
                    past.lease_left
                }
                // The call runs in this process, whatever the store knows of it.
                (KeyState::Absent, Some(_)) => EQUAL_CALL_TIMEOUT,
                (KeyState::Unknown(past), Some(_)) if past.fingerprint == keyed.fingerprint => {
                    EQUAL_CALL_TIMEOUT
                }
                _ => return self.settled(keyed, &state).await.map(KeyAnswer::Answer),
            };
            drop(claim);
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(self.deny(keyed, &KeyDenial::InProgress { lease_left }));
            }
            *slot = None;
            let ended = async {
                match &holder {
                    Some(holder) => holder.cancelled().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = ended => {}
                () = tokio::time::sleep(left.min(STORE_POLL_INTERVAL)) => {}
            }
        }
    }

    /// Answers a call whose key is held: with the task of the equal call, if the client takes one.
    async fn running(&self, keyed: &Keyed, past: &PastAttempt) -> Result<Option<CallAnswer>, Denial> {
        self.check_equal(keyed, past)?;
        self.task_of(keyed, past).await
    }

    /// Checks that the attempt that holds the key is one of this call, at this version of its tool.
    fn check_equal(&self, keyed: &Keyed, past: &PastAttempt) -> Result<(), Denial> {
        if past.fingerprint != keyed.fingerprint {
            return Err(self.deny(keyed, &KeyDenial::Mismatch));
        }
        if past.declaration.is_some_and(|declaration| declaration != keyed.declaration) {
            return Err(self.deny(keyed, &KeyDenial::Redeclared));
        }
        Ok(())
    }

    async fn task_of(&self, keyed: &Keyed, past: &PastAttempt) -> Result<Option<CallAnswer>, Denial> {
        let Some(id) = past.task.as_deref().filter(|_| self.task.is_first_round()) else { return Ok(None) };
        match self.core.tasks.find(self.caller, id).await {
            Ok(task) => Ok(task.map(|snapshot| CallAnswer::Task(Box::new(snapshot)))),
            Err(StoreUnavailable) => Err(self.deny(keyed, &KeyDenial::Unavailable)),
        }
    }

    /// Answers a call whose key is neither absent nor in progress.
    async fn settled(&self, keyed: &Keyed, state: &KeyState) -> Result<CallAnswer, Denial> {
        let recorded = self.pending.is_some();
        let (past, result) = match state {
            KeyState::Expired => return Err(self.deny(keyed, &KeyDenial::Expired)),
            KeyState::Unknown(past) if past.fingerprint == keyed.fingerprint => {
                return Err(self.deny(keyed, &KeyDenial::Unknown { past, recorded }));
            }
            KeyState::Completed(past, result) => {
                self.check_equal(keyed, past)?;
                (past, result)
            }
            _ => return Err(self.deny(keyed, &KeyDenial::Mismatch)),
        };
        let text = match result {
            StoredResult::Kept(text) => text,
            StoredResult::Digest { sha256, bytes } => {
                return Err(self.deny(keyed, &KeyDenial::NotKept { past, sha256, bytes: *bytes }));
            }
        };
        if let Some(answer) = self.task_of(keyed, past).await? {
            return Ok(answer);
        }
        let reply = idempotency::read_reply(text).ok_or_else(|| self.deny(keyed, &KeyDenial::Unavailable))?;
        if let Some(pending) = self.pending {
            let mark = keyed.mark("completed", true);
            pending.replayed(self.tool, self.arguments, &mark, &reply).await;
        }
        let reply = result::for_revision(self.tool, reply, self.revision);
        Ok(CallAnswer::Reply(Reply { replayed: true, ..reply }))
    }

    fn deny(&self, keyed: &Keyed, denial: &KeyDenial<'_>) -> Denial {
        keyed.deny(self.tool.descriptor, denial)
    }
}

impl Keyed {
    fn mark(&self, state: &'static str, replayed: bool) -> KeyMark {
        KeyMark { key: self.text.clone(), state, replayed }
    }

    /// The mark of a call that is about to run.
    pub(super) fn intent_mark(&self) -> KeyMark {
        self.mark("in_progress", false)
    }

    fn deny(&self, tool: &Descriptor, denial: &KeyDenial<'_>) -> Denial {
        let answer = Ok(Box::new(idempotency::refusal(tool, denial)));
        Denial {
            by: Some(DeniedBy::Idempotency),
            answer,
            key: Some(Box::new(self.mark(denial.state(), false))),
        }
    }
}

/// A key that this call holds.
pub(super) struct HeldKey {
    pub(super) keyed: Keyed,
    pub(super) _claim: Claim,
}

impl HeldKey {
    fn keys(core: &Core) -> &Idempotency {
        core.idempotency.as_ref().expect("only a server that keeps keys claims them")
    }

    /// Reserves the key in the store.
    pub(super) async fn reserve(
        &self,
        core: &Core,
        tool: &Descriptor,
        id: AttemptId,
        task: Option<String>,
    ) -> Result<(), Denial> {
        let attempt = Attempt {
            id,
            fingerprint: self.keyed.fingerprint,
            declaration: self.keyed.declaration,
            lease: tool.timeout.saturating_add(LEASE_MARGIN),
            repeatable: tool.may_repeat(),
            task,
        };
        let denial = match in_time(tool, Self::keys(core).store.reserve(self.keyed.key, attempt)).await {
            Some(Reserved::Yes) => return Ok(()),
            // Another process was faster by a moment.
            Some(Reserved::Taken(state)) => KeyDenial::InProgress {
                lease_left: match state {
                    KeyState::InProgress(past) => past.lease_left,
                    _ => Duration::ZERO,
                },
            },
            Some(Reserved::TooManyKeys) => KeyDenial::TooManyKeys,
            Some(Reserved::Full) | None => KeyDenial::Unavailable,
        };
        Err(self.keyed.deny(tool, &denial))
    }

    /// Frees the key: the call had no effect, or may run again.
    pub(super) async fn release(&self, core: &Core, id: AttemptId) {
        // A key that cannot be freed is so when its lease runs out.
        let _ = Self::keys(core).store.release(self.keyed.key, id).await;
    }

    /// Stores the reply, or frees the key if the handler declares that nothing was done.
    pub(super) async fn settle(&self, core: &Core, id: AttemptId, reply: &Reply) {
        if reply.error.as_ref().is_some_and(|error| error.is_transient() || error.is_not_applied()) {
            return self.release(core, id).await;
        }
        // The caller gets the result also if it cannot be stored. Its key then stays in progress, and the call does not
        // run again unless it may.
        let _ = Self::keys(core).store.complete(self.keyed.key, id, idempotency::store_reply(reply)).await;
    }
}
