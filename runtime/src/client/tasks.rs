//! A call whose answer may be a task → its result, once there is one.

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

/// How often a server may ask before it answers.
const MOST: usize = 10;
/// How long until the next look at a task whose server does not say.
const PAUSE: Duration = Duration::from_secs(1);

/// Calls a tool, answers what it asks, and waits for its task.
pub(super) async fn call(
    running: &RunningService<RoleClient, Listener>,
    mut params: CallToolRequestParams,
) -> Result<CallToolResult, ServiceError> {
    for _round in 0..MOST {
        match running.call_tool_once(params.clone()).await? {
            CallToolResponse::Complete(result) => return Ok(result),
            CallToolResponse::InputRequired(round) => {
                let asked = round.input_requests.unwrap_or_default();
                params.input_responses = Some(answers(running.service(), &asked)?);
                params.request_state = round.request_state;
            }
            CallToolResponse::Task(created) => return result(running, created.task.task_id).await,
            _ => return Err(ServiceError::UnexpectedResponse),
        }
    }
    Err(ServiceError::InputRequiredRoundsExceeded { max_rounds: MOST })
}

/// What a task comes to.
async fn result(
    running: &RunningService<RoleClient, Listener>,
    id: String,
) -> Result<CallToolResult, ServiceError> {
    let mut told = None;
    loop {
        let seen = running.get_task(GetTaskParams::new(&id)).await?.task;
        if let Some(status) =
            seen.task.status_message.as_ref().filter(|status| told.as_ref() != Some(*status))
        {
            running.service().tell(status);
            told = Some(status.clone());
        }
        match seen.payload {
            TaskPayload::Completed { result } => return read(result),
            TaskPayload::Failed { error } => return Err(ServiceError::McpError(read(error)?)),
            TaskPayload::Cancelled => {
                return Err(ServiceError::McpError(ErrorData::internal_error(
                    "the task was cancelled",
                    None,
                )));
            }
            TaskPayload::InputRequired { input_requests } => {
                let said = answers(running.service(), &input_requests)?;
                running.update_task(UpdateTaskParams::new(&id, said)).await?;
            }
            _ => tokio::time::sleep(seen.task.poll_interval_ms.map_or(PAUSE, Duration::from_millis)).await,
        }
    }
}

/// What whoever sits here says to each question; this client is asked for nothing but forms.
fn answers(listener: &Listener, asked: &InputRequests) -> Result<InputResponses, ServiceError> {
    let answer = |request: &InputRequest| match request {
        InputRequest::Elicitation(request) => serde_json::to_value(listener.elicit(&request.params))
            .map_err(|_| ServiceError::UnexpectedResponse),
        _ => Err(ServiceError::UnexpectedResponse),
    };
    asked.iter().map(|(key, request)| Ok((key.clone(), answer(request)?))).collect()
}

fn read<T: DeserializeOwned>(object: JsonObject) -> Result<T, ServiceError> {
    serde_json::from_value(Value::Object(object)).map_err(|_| ServiceError::UnexpectedResponse)
}
