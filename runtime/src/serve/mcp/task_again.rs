//! Runs the task of a dead replica again: the call comes from the database, and its caller is the one that asks for it.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use futures::FutureExt as _;
use tokio_util::task::TaskTracker;

use super::{
    rounds::{CallInput, Invocation},
    task_call::TaskCall,
};
use crate::{
    idempotency::SentKey,
    record::Origin,
    revision::Revision,
    serve::shared::Shared,
    tasks::{ClaimedTask, RunsAgain, StoredCall},
};

/// The transport of such a call, in its records.
const TASK_TRANSPORT: &str = "task";

/// Runs tasks again on the tools of a server, as long as that lives.
pub(crate) struct TaskRerunner(pub(crate) Weak<Shared>);

impl RunsAgain for TaskRerunner {
    fn declaration(&self, call: &StoredCall) -> Option<(&'static [&'static str], Duration)> {
        let shared = self.0.upgrade()?;
        let tool = shared.core.tool(shared.core.registry.index(&call.tool)?);
        let declared = tool.descriptor;
        let is_same = tool.effect_digest == call.declaration && declared.task.is_some();
        is_same.then_some((declared.scopes, declared.timeout))
    }

    fn run(&self, task: ClaimedTask) {
        let Some(shared) = self.0.upgrade() else { return };
        let ClaimedTask { call, caller, attempts, running } = task;
        let StoredCall { tool: name, arguments, key, features, .. } = call;
        let runs = TaskTracker::new();
        let invocation = Invocation {
            tool: shared.core.registry.index(&name),
            name,
            caller,
            revision: Revision::V2026_07_28,
            origin: Origin { transport: TASK_TRANSPORT, ..Origin::default() },
            idempotency_key: SentKey { meta: key.map(Into::into), headers: Vec::new() },
            reports: None,
            info: None,
            cancelled: running.cancelled().clone(),
            runs: runs.clone(),
            shared: Arc::clone(&shared),
        };
        let input = CallInput { arguments, ..CallInput::default() };
        let call = TaskCall::new(invocation, input, features, running, runs);
        tokio::spawn(call.run_again(usize::from(attempts)).boxed());
    }
}
