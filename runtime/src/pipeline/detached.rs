//! Performs a call apart from its request, so that its end is stored even if the request is dropped.

use std::sync::Arc;

use futures::FutureExt as _;
use tokio::sync::oneshot;

use super::{CallAnswer, Core, Refusal, call_run::CallWork, perform, request::Denial};
use crate::{record::PendingRecord, spans};

/// The request that waits for the answer of a detached call.
pub(super) struct WaitingRequest(Option<oneshot::Sender<Result<CallAnswer, Denial>>>);

impl WaitingRequest {
    /// Answers the request, unless it has an answer already or is gone.
    pub(super) fn answer(&mut self, answer: Result<CallAnswer, Denial>) {
        if let Some(sender) = self.0.take() {
            let _ = sender.send(answer);
        }
    }
}

/// Performs a call that goes on if its request is dropped, so that its result is stored.
pub(super) async fn detached(
    core: &Arc<Core>,
    pending: Option<&PendingRecord<'_>>,
    work: Box<CallWork>,
) -> Result<CallAnswer, Denial> {
    let (sender, answer) = oneshot::channel();
    let (core, pending) = (Arc::clone(core), pending.map(PendingRecord::detach));
    let work = async move {
        let recorder = core.audit.as_ref().zip(pending);
        let pending = recorder.map(|(recorder, pending)| recorder.resume(pending));
        let mut waiting = WaitingRequest(Some(sender));
        let answer = perform(&core, pending.as_ref(), work, &mut waiting).await;
        waiting.answer(answer);
        if let Some(keys) = &core.idempotency {
            keys.prune().await;
        }
    };
    // Boxed, so that the spawn moves a pointer and not every stage.
    tokio::spawn(spans::detached(work).boxed());
    // A defect of the server may have ended the task after the handler ran.
    answer.await.unwrap_or_else(|_| Err(Denial::after_run(Refusal::ResultWithheld)))
}

impl WaitingRequest {
    /// No request waits: the call is not detached.
    pub(super) fn none() -> Self {
        Self(None)
    }
}
