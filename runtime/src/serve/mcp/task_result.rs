//! Converts the tools' tasks to the protocol's, and words the errors of `tasks/*`.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rmcp::model::{DetailedTask, ErrorData, GetTaskResult, MetaObject, Task, TaskPayload, TaskStatus};
use serde_json::{Map, Value, json};

use super::peer;
use crate::{
    message::Message,
    serve::message::malformed_field,
    tasks::{End, MAX_KEPT_RESULT_BYTES, MAX_KEPT_RESULT_BYTES_PER_CALLER, Snapshot, TaskState},
};

/// The error code of a result that is not kept any more.
const RESULT_DROPPED: i32 = -31410;
/// The interval at which clients should ask for a task, in milliseconds.
const POLL_INTERVAL_MS: u64 = 1_000;

/// The result of `tasks/get`.
pub(crate) fn detailed(snapshot: Snapshot, meta: Map<String, Value>) -> Result<GetTaskResult, ErrorData> {
    let task = task(&snapshot);
    let payload = match snapshot.state {
        TaskState::Working => TaskPayload::Working,
        TaskState::Asking(questions) => {
            TaskPayload::InputRequired { input_requests: peer::requests(questions)? }
        }
        TaskState::Ended(End::Completed(result)) => {
            let invalid = |error: serde_json::Error| ErrorData::internal_error(error.to_string(), None);
            TaskPayload::Completed { result: serde_json::from_str(&result).map_err(invalid)? }
        }
        TaskState::Ended(End::Failed(error)) => TaskPayload::Failed { error },
        TaskState::Ended(End::Dropped) => TaskPayload::Failed { error: result_dropped() },
        TaskState::Ended(End::Cancelled) => TaskPayload::Cancelled,
    };
    let mut result = GetTaskResult::new(DetailedTask::new(task, payload));
    result.meta = (!meta.is_empty()).then_some(MetaObject(meta));
    Ok(result)
}

/// The task without its result.
pub(crate) fn task(snapshot: &Snapshot) -> Task {
    let (created, changed) = (timestamp(snapshot.created), timestamp(snapshot.changed));
    let ttl = u64::try_from(snapshot.ttl.as_millis()).unwrap_or(u64::MAX);
    let mut task = Task::new(&snapshot.id, TaskStatus::Working, created, changed);
    if let Some(progress) = &snapshot.progress {
        task = task.with_status_message(progress);
    }
    task.with_ttl_ms(ttl).with_poll_interval_ms(POLL_INTERVAL_MS)
}

/// The error in place of a result that is not kept any more.
fn result_dropped() -> Map<String, Value> {
    let [own, all] = [MAX_KEPT_RESULT_BYTES_PER_CALLER, MAX_KEPT_RESULT_BYTES].map(|bytes| bytes >> 20);
    let message = Message::new("the call ended, and its result is not kept any more")
        .note(format!("the results of one caller's tasks may hold {own} MiB, those of all callers {all} MiB"))
        .help("get each result soon after its task ends; check before you call again")
        .to_string();
    let error = json!({"code": RESULT_DROPPED, "message": message, "data": {"reason": "result_dropped"}});
    error.as_object().cloned().unwrap_or_default()
}

/// The error of answers that are too large to keep.
pub(crate) fn too_large() -> ErrorData {
    invalid(Message::new("the answers to this task's questions hold more than 1 MiB").help("send less"))
}

/// The error of malformed parameters.
pub(crate) fn malformed(method: &str, params: Option<&Value>) -> ErrorData {
    let answers = if method == "tasks/update" { ", \"inputResponses\": {…}" } else { "" };
    let fault = malformed_field(method, params).unwrap_or_default();
    invalid(
        Message::new(format!("the parameters of `{method}` are malformed: {fault}"))
            .help(format!("send {{\"taskId\": \"…\"{answers}}}")),
    )
}

/// The error of an id that leads to no task, or to another caller's.
pub(crate) fn unknown() -> ErrorData {
    invalid(
        Message::new("no such task")
            .note("a task is visible to its own caller only, and is kept for `ttlMs`")
            .help("call the tool again"),
    )
}

fn invalid(message: Message) -> ErrorData {
    ErrorData::invalid_params(message, None)
}

/// A time since 1970 by RFC 3339, in milliseconds.
fn timestamp(since_1970: Duration) -> String {
    let at = SignedDuration::try_from(since_1970).ok().and_then(|at| Timestamp::from_duration(at).ok());
    format!("{:.3}", at.unwrap_or(Timestamp::UNIX_EPOCH))
}
