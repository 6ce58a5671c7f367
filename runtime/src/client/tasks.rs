//! Calls a tool whose answer may be a task, and waits for its result.

use std::time::Duration;

use rmcp::{
    RoleClient,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ErrorData, GetTaskParams, InputRequest,
        InputRequests, InputResponses, JsonObject, TaskPayload, UpdateTaskParams,
    },
    service::{RunningService, ServiceError},
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::builder::Listener;

/// The number of rounds of questions before a call fails.
const MAX_CLIENT_ROUNDS: usize = 10;
/// The interval of polls if the server does not set one.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Calls a tool, answers its questions, and waits for its task.
pub(super) async fn call(
    running: &RunningService<RoleClient, Listener>,
    mut params: CallToolRequestParams,
) -> Result<CallToolResult, ServiceError> {
    for _round in 0..MAX_CLIENT_ROUNDS {
        match running.call_tool_once(params.clone()).await? {
            CallToolResponse::Complete(result) => return Ok(result),
            CallToolResponse::InputRequired(round) => {
                let questions = round.input_requests.unwrap_or_default();
                params.input_responses = Some(answers(running.service(), &questions)?);
                params.request_state = round.request_state;
            }
            CallToolResponse::Task(created) => return result(running, created.task.task_id).await,
            _ => return Err(ServiceError::UnexpectedResponse),
        }
    }
    Err(ServiceError::InputRequiredRoundsExceeded { max_rounds: MAX_CLIENT_ROUNDS })
}

/// Waits for the result of a task.
async fn result(
    running: &RunningService<RoleClient, Listener>,
    id: String,
) -> Result<CallToolResult, ServiceError> {
    let mut last_status = None;
    loop {
        let task = running.get_task(GetTaskParams::new(&id)).await?.task;
        let status = task.task.status_message;
        if let Some(status) = status.filter(|status| last_status.as_ref() != Some(status)) {
            running.service().report_status(&status);
            last_status = Some(status);
        }
        match task.payload {
            TaskPayload::Completed { result } => return read(result),
            TaskPayload::Failed { error } => return Err(ServiceError::McpError(read(error)?)),
            TaskPayload::Cancelled => {
                return Err(ServiceError::McpError(ErrorData::internal_error(
                    "the task was cancelled",
                    None,
                )));
            }
            TaskPayload::InputRequired { input_requests } => {
                let answers = answers(running.service(), &input_requests)?;
                running.update_task(UpdateTaskParams::new(&id, answers)).await?;
            }
            _ => {
                let interval = task.task.poll_interval_ms.map_or(POLL_INTERVAL, Duration::from_millis);
                tokio::time::sleep(interval).await;
            }
        }
    }
}

/// Answers each question. This client declares only forms.
fn answers(listener: &Listener, questions: &InputRequests) -> Result<InputResponses, ServiceError> {
    let answer = |request: &InputRequest| match request {
        InputRequest::Elicitation(request) => serde_json::to_value(listener.elicit(&request.params))
            .map_err(|_| ServiceError::UnexpectedResponse),
        _ => Err(ServiceError::UnexpectedResponse),
    };
    questions.iter().map(|(key, request)| Ok((key.clone(), answer(request)?))).collect()
}

fn read<T: DeserializeOwned>(object: JsonObject) -> Result<T, ServiceError> {
    serde_json::from_value(Value::Object(object)).map_err(|_| ServiceError::UnexpectedResponse)
}
