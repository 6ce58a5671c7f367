//! Drives a call that outlasts its request: the client gets a task (SEP-2663, 2026-07-28) and asks for its result later.

use std::collections::BTreeMap;

use futures::FutureExt as _;
use rmcp::model::{CallToolResponse, CreateTaskResult, ErrorCode, ErrorData, InputResponses, MetaObject};
use serde_json::{Map, Value};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinError,
};
use tokio_util::{
    sync::CancellationToken,
    task::{TaskTracker, task_tracker::TaskTrackerToken},
};

use super::{
    peer::{self, ClientPeer},
    progress,
    rounds::{CallInput, Invocation, MAX_ROUNDS, too_many_rounds},
    task_result,
};
#[cfg(feature = "postgres")]
use crate::tasks::StoredCall;
use crate::{
    message::Message,
    ordered::CollectOrdered as _,
    pipeline::{self, Admission, AdmissionStage, CallAnswer, Refusal, TaskMode},
    serve::convert,
    tasks::{End, Running, Snapshot},
    tool::{
        ask::{ClientFeatures, Question},
        call::Reports,
        error::ToolError,
        output::Reply,
        progress::{Report, ReportFilter},
    },
};

/// The error code of a task whose questions were not answered in time.
const UNANSWERED: i32 = -31408;

/// A call that goes on after its request.
pub(crate) struct TaskCall {
    invocation: Invocation,
    input: CallInput,
    features: ClientFeatures,
    running: Running,
    reports: mpsc::Receiver<Report>,
    /// The rounds of the call's connection.
    connection_rounds: TaskTracker,
    /// The number of the last round of an earlier run, so that the keys of questions differ over all runs.
    earlier_rounds: usize,
}

/// The end of one round.
type RoundResult = Result<CallAnswer, Refusal>;

impl TaskCall {
    pub(crate) fn new(
        mut invocation: Invocation,
        input: CallInput,
        features: ClientFeatures,
        running: Running,
        connection_rounds: TaskTracker,
    ) -> Self {
        let (sender, reports) = mpsc::channel(progress::MAX_QUEUED_REPORTS);
        invocation.reports = Some(Reports { sender, filter: ReportFilter { progress: true, log: None } });
        // The task outlives its request, and is cancelled by `tasks/cancel` alone.
        invocation.cancelled = running.cancelled().child_token();
        Self { invocation, input, features, running, reports, connection_rounds, earlier_rounds: 0 }
    }

    /// Answers with the task as soon as the handler begins. A refusal or a confirmation before that is the answer, as of
    /// any call.
    pub(crate) async fn begin(
        self,
        admission: Option<Admission>,
        request_cancelled: &CancellationToken,
    ) -> Result<CallToolResponse, ErrorData> {
        let meta = self.invocation.shared.meta(self.invocation.revision);
        let cancel_task = self.running.cancelled().clone().drop_guard();
        let (sender, begun) = oneshot::channel();
        let mut work = tokio::spawn(self.work(admission, sender).boxed());
        tokio::select! {
            biased;
            Ok(snapshot) = begun => {
                // From here on only `tasks/cancel` stops the call.
                cancel_task.disarm();
                let task = task_result::task(&snapshot);
                return Ok(CreateTaskResult::new(task).with_meta(MetaObject(meta)).into());
            }
            response = &mut work => return never_begun(response),
            () = request_cancelled.cancelled() => {}
        }
        drop(cancel_task);
        never_begun(work.await)
    }

    /// Runs all rounds. Returns the response of the first round if the handler never began.
    async fn work(
        mut self,
        admission: Option<Admission>,
        begun: oneshot::Sender<Snapshot>,
    ) -> Option<Result<CallToolResponse, ErrorData>> {
        let CallInput { state, responses, .. } = &mut self.input;
        let peer = ClientPeer::stateless(self.features, state.take(), std::mem::take(responses));
        let (tasks, id) = (self.invocation.shared.clone(), self.running.id().to_owned());
        let announce = move || {
            if let Some(snapshot) = Running::begin(&tasks.core.tasks, &id) {
                // A client that has gone can still ask for a task that it was told about before.
                let _ = begun.send(snapshot);
            }
        };
        #[cfg(feature = "postgres")]
        self.keep_call();
        let in_flight = self.in_flight();
        let task = TaskMode::Requested { id: self.running.id().to_owned(), begin: Some(Box::new(announce)) };
        let first = self.round(&peer, AdmissionStage::from(admission), task).await;
        drop(in_flight);
        if !self.running.has_begun() {
            return Some(self.invocation.response(first));
        }
        let end = self.later_rounds(first).await;
        self.running.end(end);
        None
    }

    /// Keeps the call, so that another replica can run it again if this one dies.
    #[cfg(feature = "postgres")]
    fn keep_call(&self) {
        let Invocation { shared, tool, idempotency_key, .. } = &self.invocation;
        if let Some(tool) = tool.filter(|_| shared.core.tasks.are_shared()) {
            let tool = shared.core.tool(tool);
            // A malformed key is refused before the handler begins.
            let key = idempotency_key.read(None).unwrap_or_default();
            let arguments = &self.input.arguments;
            self.running.keep_call(StoredCall::of(
                tool.descriptor,
                tool.effect_digest,
                arguments,
                key,
                self.features,
            ));
        }
    }

    /// Runs the call of a dead replica, from its first round. `attempts` runs have been interrupted.
    #[cfg(feature = "postgres")]
    pub(crate) async fn run_again(mut self, attempts: usize) {
        self.earlier_rounds = attempts * MAX_ROUNDS;
        let peer = ClientPeer::stateless(self.features, None, InputResponses::default());
        let end = match self.next(&peer).await {
            Some(first) => self.later_rounds(first).await,
            None => End::Cancelled,
        };
        self.running.end(end);
    }

    /// Counts the call as in flight: while the tokens live, a server that shuts down waits for it.
    fn in_flight(&self) -> [TaskTrackerToken; 2] {
        [self.invocation.shared.in_flight.token(), self.connection_rounds.token()]
    }

    async fn later_rounds(&mut self, first: RoundResult) -> End {
        let (mut last, mut round) = (first, 0);
        loop {
            let (questions, state) = match last {
                Ok(CallAnswer::Reply(reply)) => return completed(reply, &self.running),
                Ok(CallAnswer::Ask { questions, state }) => (questions, state),
                Ok(CallAnswer::Task(_)) => {
                    unreachable!("only a first round is answered with another task, and it begins none")
                }
                Err(refusal) => return failed(&convert::error(&refusal)),
            };
            round += 1;
            if round > MAX_ROUNDS {
                return failed(&too_many_rounds());
            }
            let (questions, keys) = match numbered(self.earlier_rounds + round, questions) {
                Ok(numbered) => numbered,
                Err(error) => return failed(&error),
            };
            let Some(mut answers) = self.running.ask(questions).await else { return self.unanswered() };
            let answers = keys.into_iter().filter_map(|(wire, key)| Some((key, answers.remove(&wire)?)));
            let peer =
                ClientPeer::stateless(self.features, state, answers.collect_ordered::<InputResponses>());
            let Some(next) = self.next(&peer).await else { return End::Cancelled };
            last = next;
        }
    }

    /// Runs a later round when it has a slot; `None` if the task is cancelled first.
    async fn next(&mut self, peer: &ClientPeer<'_>) -> Option<RoundResult> {
        let _in_flight = self.in_flight();
        let Invocation { shared, caller, tool, name, .. } = &self.invocation;
        let admission = tokio::select! {
            biased;
            () = self.running.cancelled().cancelled() => return None,
            admission = pipeline::admit_in_turn(&shared.core, caller, *tool, name) => admission,
        };
        Some(match admission {
            Ok(admission) => {
                let task = TaskMode::Requested { id: self.running.id().to_owned(), begin: None };
                self.round(peer, AdmissionStage::Admitted(admission), task).await
            }
            Err(refusal) => Err(refusal.into()),
        })
    }

    /// Runs one round, and publishes its progress as the task's status.
    async fn round(&mut self, peer: &ClientPeer<'_>, stage: AdmissionStage, task: TaskMode) -> RoundResult {
        let Self { invocation, input, running, reports, .. } = self;
        let mut answer = std::pin::pin!(invocation.round(input.arguments.clone(), peer, stage, task));
        loop {
            tokio::select! {
                biased;
                Some(report) = reports.recv() => {
                    if let Report::Progress { done, total, message } = report {
                        running.set_progress(status(done, total, &message));
                    }
                }
                answer = &mut answer => return answer,
            }
        }
    }

    fn unanswered(&self) -> End {
        if self.running.cancelled().is_cancelled() {
            return End::Cancelled;
        }
        let fact = format!("the questions of tool `{}` were not answered in time", self.invocation.name);
        let message = Message::new(fact).help("call it again when the user can answer");
        failed(&ErrorData::new(ErrorCode(UNANSWERED), message, None))
    }
}

/// The end of a task whose tool has answered.
fn completed(reply: Reply, running: &Running) -> End {
    let reason = reply.error.as_ref().and_then(ToolError::fixed_reason);
    if running.cancelled().is_cancelled() && reason == Some("cancelled") {
        return End::Cancelled;
    }
    match serde_json::to_string(&convert::result(reply, Map::new())) {
        Ok(result) => End::Completed(result.into()),
        Err(error) => failed(&ErrorData::internal_error(error.to_string(), None)),
    }
}

/// The response to a call whose handler never began.
fn never_begun(
    response: Result<Option<Result<CallToolResponse, ErrorData>>, JoinError>,
) -> Result<CallToolResponse, ErrorData> {
    match response {
        Ok(Some(response)) => response,
        // The call was cancelled while it began, or its own task panicked: neither leaves anything to report.
        Ok(None) | Err(_) => Err(ErrorData::internal_error("internal error", None)),
    }
}

/// The questions of a round under keys that differ from those of all other rounds, and the tool's own keys by them.
#[expect(clippy::type_complexity, reason = "the only call names both parts")]
fn numbered(
    round: usize,
    questions: Vec<(String, Question)>,
) -> Result<(Vec<(String, Question)>, BTreeMap<String, String>), ErrorData> {
    let (mut numbered, mut keys) = (Vec::new(), BTreeMap::new());
    for (key, question) in questions {
        // A question that clients cannot show is the tool's fault, and fails before a client asks for it.
        peer::request(question.clone())?;
        let wire = format!("{round}/{key}");
        numbered.push((wire.clone(), question));
        keys.insert(wire, key);
    }
    Ok((numbered, keys))
}

fn failed(error: &ErrorData) -> End {
    End::Failed(match serde_json::to_value(error) {
        Ok(Value::Object(object)) => object,
        _ => Map::new(),
    })
}

/// Progress as one line for a person.
fn status(done: f64, total: Option<f64>, message: &str) -> String {
    let amount = match total {
        Some(total) => format!("{done} of {total}"),
        None => done.to_string(),
    };
    if message.is_empty() { amount } else { format!("{message} ({amount})") }
}
