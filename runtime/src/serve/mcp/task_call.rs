//! Calls that outlast their requests ↔ the protocol's tasks (SEP-2663, 2026-07-28).

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CreateTaskResult, DetailedTask, ErrorCode, ErrorData,
    GetTaskResult, InputRequests, MetaObject, Task, TaskPayload, TaskStatus,
};
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
    convert,
    peer::{self, ClientPeer},
    progress,
    rounds::MOST,
};
use crate::{
    pipeline::{self, Admission, Answer, Origin, Refusal, Request, TaskMode},
    revision::Revision,
    sandbox::UnsandboxedHandle,
    serve::Shared,
    tasks::{End, Running, Seen, State},
    tool::{
        ask::{Abilities, Question},
        call::Reports,
        caller::Caller,
        error::ToolError,
        output::Reply,
        progress::{Report, Wanted},
    },
};

/// How often a client had better ask, in milliseconds.
const POLL_MS: u64 = 1_000;
/// The error code of a task whose questions nobody answered.
const UNANSWERED: i32 = -31408;

/// A call that is to go on after its request.
pub(crate) struct TaskCall {
    pub(crate) shared: Arc<Shared>,
    /// The rounds of its connection.
    pub(crate) here: TaskTracker,
    /// The threads without a sandbox, where it is served on sandboxed ones.
    pub(crate) unsandboxed: Option<Arc<UnsandboxedHandle>>,
    pub(crate) caller: Arc<Caller>,
    pub(crate) origin: Origin,
    pub(crate) idempotency_key: Option<Value>,
    pub(crate) abilities: Abilities,
    pub(crate) call: CallToolRequestParams,
}

/// One round's end.
type Round = Result<Answer, Refusal>;

impl TaskCall {
    /// Answers with the task, once nothing stands before the handler any more. What does, and what a person is asked
    /// before, is the answer as of any call.
    pub(crate) async fn begin(
        self,
        admission: Option<Admission>,
        running: Running,
        cancelled: &CancellationToken,
    ) -> Result<CallToolResponse, ErrorData> {
        let meta = self.shared.meta(Revision::V2026_07_28);
        let taken_back = running.cancelled().clone().drop_guard();
        let (sender, begun) = oneshot::channel();
        let mut work = tokio::spawn(self.work(admission, running, sender));
        tokio::select! {
            biased;
            Ok(seen) = begun => {
                // From now on, the task alone is what can be taken back.
                taken_back.disarm();
                return Ok(CreateTaskResult::new(task(&seen)).with_meta(MetaObject(meta)).into());
            }
            answer = &mut work => return answered(answer, meta),
            () = cancelled.cancelled() => {}
        }
        drop(taken_back);
        answered(work.await, meta)
    }

    /// All rounds; the end of the first, where the call never began.
    async fn work(
        mut self,
        admission: Option<Admission>,
        running: Running,
        sender: oneshot::Sender<Seen>,
    ) -> Option<Round> {
        let (state, responses) = (self.call.request_state.take(), self.call.input_responses.take());
        let person = ClientPeer::coming_back(self.abilities, state, responses.unwrap_or_default());
        let begun = || {
            if let Some(seen) = Running::begin(&self.shared.core.tasks, running.id()) {
                // A client that has gone can still ask for what it was told before.
                let _ = sender.send(seen);
            }
        };
        let at_work = self.at_work();
        let first =
            self.round(&person, admission, &running, TaskMode::Requested(Some(Box::new(begun)))).await;
        drop(at_work);
        if !running.has_begun() {
            return Some(first);
        }
        let end = self.rounds(first, &running).await;
        running.end(end);
        None
    }

    /// While it is held, a server that is to stop waits, if it can wait so long.
    fn at_work(&self) -> [TaskTrackerToken; 2] {
        [self.shared.at_work.token(), self.here.token()]
    }

    /// The rounds after the first.
    async fn rounds(&self, first: Round, running: &Running) -> End {
        let (mut last, mut round) = (first, 0);
        loop {
            let (questions, state) = match last {
                Ok(Answer::Reply(reply)) => return over(reply, running),
                Ok(Answer::Ask { questions, state }) => (questions, state),
                Err(refusal) => return failed(&convert::error(&refusal)),
            };
            round += 1;
            if round > MOST {
                let message = "the tool asked ten times, and still has no answer";
                return failed(&ErrorData::internal_error(message, None));
            }
            let (asked, keys) = match named(round, questions) {
                Ok(named) => named,
                Err(error) => return failed(&error),
            };
            let Some(mut answers) = running.ask(asked).await else { return self.unanswered(running) };
            let said = keys.into_iter().filter_map(|(wire, key)| Some((key, answers.remove(&wire)?)));
            let person = ClientPeer::coming_back(self.abilities, state, said.collect());
            let Some(next) = self.next(&person, running).await else { return End::Cancelled };
            last = next;
        }
    }

    /// A later round, once there is a place for it; none where the task is taken back before.
    async fn next(&self, person: &ClientPeer<'_>, running: &Running) -> Option<Round> {
        let _at_work = self.at_work();
        let admission = tokio::select! {
            biased;
            () = running.cancelled().cancelled() => return None,
            admission = pipeline::admit_again(&self.shared.core, &self.caller, &self.call.name) => admission,
        };
        Some(match admission {
            Ok(admission) => self.round(person, Some(admission), running, TaskMode::Requested(None)).await,
            Err(refusal) => Err(refusal),
        })
    }

    /// One round.
    async fn round(
        &self,
        person: &ClientPeer<'_>,
        admission: Option<Admission>,
        running: &Running,
        task: TaskMode<'_>,
    ) -> Round {
        let (sender, mut reports) = mpsc::channel(progress::WAITING);
        let wanted = Wanted { progress: true, log: None };
        let request = Request {
            tool: self.call.name.clone().into_owned(),
            arguments: self.call.arguments.clone().unwrap_or_default(),
            caller: Arc::clone(&self.caller),
            admission,
            // A later one comes with its admission.
            is_next_round: false,
            revision: Revision::V2026_07_28,
            idempotency_key: self.idempotency_key.clone(),
            reports: Some(Reports { sender, wanted }),
            cancelled: running.cancelled().child_token(),
            origin: &self.origin,
            unsandboxed: self.unsandboxed.as_deref(),
            person,
            task,
        };
        let mut answer = pipeline::call(&self.shared.core, request);
        loop {
            tokio::select! {
                biased;
                Some(report) = reports.recv() => {
                    if let Report::Progress { done, total, message } = report {
                        running.tell(far(done, total, &message));
                    }
                }
                answer = &mut answer => return answer,
            }
        }
    }

    fn unanswered(&self, running: &Running) -> End {
        if running.cancelled().is_cancelled() {
            return End::Cancelled;
        }
        let message = format!(
            "nobody answered what tool `{}` asked\nhelp: call it again once somebody can answer",
            self.call.name
        );
        failed(&ErrorData::new(ErrorCode(UNANSWERED), message, None))
    }
}

/// The end of a task whose tool has answered.
fn over(reply: Reply, running: &Running) -> End {
    let reason = reply.error.as_ref().and_then(ToolError::fixed_reason);
    if running.cancelled().is_cancelled() && reason == Some("cancelled") {
        return End::Cancelled;
    }
    match serde_json::to_string(&convert::result(reply, Map::new())) {
        Ok(result) => End::Completed(result.into()),
        Err(error) => failed(&ErrorData::internal_error(error.to_string(), None)),
    }
}

/// The end of a call that never became a task.
fn answered(
    round: Result<Option<Round>, JoinError>,
    meta: Map<String, Value>,
) -> Result<CallToolResponse, ErrorData> {
    match round {
        Ok(Some(Ok(Answer::Reply(reply)))) => Ok(convert::result(reply, meta).into()),
        Ok(Some(Ok(Answer::Ask { questions, state }))) => Ok(peer::round(questions, state, meta)?.into()),
        Ok(Some(Err(refusal))) => Err(convert::error(&refusal)),
        // It was taken back while it began, or its own task broke: there is nothing to say of either.
        Ok(None) | Err(_) => Err(ErrorData::internal_error("internal error", None)),
    }
}

/// Questions under names that no other round of the task has, and what the tool calls them.
#[expect(clippy::type_complexity, reason = "both are read in the line below the only call")]
fn named(
    round: usize,
    questions: Vec<(String, Question)>,
) -> Result<(Vec<(String, Question)>, BTreeMap<String, String>), ErrorData> {
    let (mut asked, mut keys) = (Vec::new(), BTreeMap::new());
    for (key, question) in questions {
        // What no client can show is the tool's fault, and found out before anybody asks.
        peer::request(question.clone())?;
        let wire = format!("{round}/{key}");
        asked.push((wire.clone(), question));
        keys.insert(wire, key);
    }
    Ok((asked, keys))
}

fn failed(error: &ErrorData) -> End {
    End::Failed(match serde_json::to_value(error) {
        Ok(Value::Object(object)) => object,
        _ => Map::new(),
    })
}

/// Progress in a line for a person.
fn far(done: f64, total: Option<f64>, message: &str) -> String {
    let far = match total {
        Some(total) => format!("{done} of {total}"),
        None => done.to_string(),
    };
    if message.is_empty() { far } else { format!("{message} ({far})") }
}

/// What `tasks/get` says.
pub(crate) fn got(seen: Seen, meta: Map<String, Value>) -> Result<GetTaskResult, ErrorData> {
    let task = task(&seen);
    let payload = match seen.state {
        State::Working => TaskPayload::Working,
        State::Asking(questions) => {
            let requests = questions.into_iter().map(|(key, question)| Ok((key, peer::request(question)?)));
            TaskPayload::InputRequired {
                input_requests: requests.collect::<Result<InputRequests, ErrorData>>()?,
            }
        }
        State::Ended(End::Completed(result)) => {
            let broken = |error: serde_json::Error| ErrorData::internal_error(error.to_string(), None);
            TaskPayload::Completed { result: serde_json::from_str(&result).map_err(broken)? }
        }
        State::Ended(End::Failed(error)) => TaskPayload::Failed { error },
        State::Ended(End::Cancelled) => TaskPayload::Cancelled,
    };
    let mut result = GetTaskResult::new(DetailedTask::new(task, payload));
    result.meta = (!meta.is_empty()).then_some(MetaObject(meta));
    Ok(result)
}

/// What is said to answers that are too long to be kept.
pub(crate) fn too_large() -> ErrorData {
    let message = "the answers to this task's questions hold more than 1 MiB\nhelp: send less";
    ErrorData::invalid_params(message, None)
}

/// What is said to parameters that are none of this method.
pub(crate) fn malformed(method: &str) -> ErrorData {
    let answers = if method == "tasks/update" { ", \"inputResponses\": {…}" } else { "" };
    let message = format!("these are no parameters of `{method}`\nhelp: send {{\"taskId\": \"…\"{answers}}}");
    ErrorData::invalid_params(message, None)
}

/// What is said to a name that leads nowhere, or to somebody else's task.
pub(crate) fn unknown() -> ErrorData {
    ErrorData::invalid_params(
        "there is no such task\nnote: a task is its caller's own, and is kept for `ttlMs`\nhelp: call the tool again",
        None,
    )
}

fn task(seen: &Seen) -> Task {
    let (created, changed) = (stamp(seen.created), stamp(seen.changed));
    let lasts = u64::try_from(seen.lasts.as_millis()).unwrap_or(u64::MAX);
    let mut task = Task::new(&seen.id, TaskStatus::Working, created, changed);
    if let Some(progress) = &seen.progress {
        task = task.with_status_message(progress);
    }
    task.with_ttl_ms(lasts).with_poll_interval_ms(POLL_MS)
}

/// RFC 3339, in milliseconds.
fn stamp(since_1970: Duration) -> String {
    let at = SignedDuration::try_from(since_1970).ok().and_then(|at| Timestamp::from_duration(at).ok());
    format!("{:.3}", at.unwrap_or(Timestamp::UNIX_EPOCH))
}
