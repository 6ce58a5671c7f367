//! Answers `tasks/get`, `tasks/update` and `tasks/cancel`, for the tools' tasks and those of the user's own handler.

use std::{collections::BTreeMap, mem, sync::Arc};

use rmcp::{
    RoleServer,
    model::{
        CancelTaskParams, CancelTaskRequest, ErrorData, GetTaskParams, GetTaskRequest, GetTaskResult,
        UpdateTaskParams, UpdateTaskRequest,
    },
    service::RequestContext,
};
use serde_json::json;

use super::{
    handler::{McpHandler, revision},
    task_result,
};
use crate::{
    message::Message,
    tasks::{AnswerStatus, StoreUnavailable, Tasks},
    tool::caller::Caller,
};

/// The tools' tasks, with the caller of a request about them.
type TasksOfCaller<'a> = (&'a Arc<Tasks>, Arc<Caller>);

impl McpHandler {
    pub(crate) async fn task_get(
        &self,
        params: GetTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetTaskResult, ErrorData> {
        let found = match self.tasks_of(&context)? {
            Some((tasks, caller)) => tasks.find(&caller, &params.task_id).await.map_err(unavailable)?,
            None => None,
        };
        match found {
            Some(snapshot) => task_result::detailed(snapshot, self.shared.meta(revision(&context))),
            None if self.delegates_tasks() => self.delegate(GetTaskRequest::new(params), context).await,
            None => Err(task_result::unknown()),
        }
    }

    pub(crate) async fn task_update(
        &self,
        mut params: UpdateTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let result = match self.tasks_of(&context)? {
            Some((tasks, caller)) => {
                let known = tasks.find(&caller, &params.task_id).await.map_err(unavailable)?;
                let responses = if known.is_some() {
                    mem::take(&mut params.input_responses)
                } else {
                    BTreeMap::default()
                };
                match tasks.update(&caller, &params.task_id, responses).await.map_err(unavailable)? {
                    AnswerStatus::Accepted => Some(Ok(())),
                    AnswerStatus::TooLarge => Some(Err(task_result::too_large())),
                    AnswerStatus::Unknown => None,
                }
            }
            None => None,
        };
        match result {
            Some(accepted) => accepted,
            None if self.delegates_tasks() => self.delegate(UpdateTaskRequest::new(params), context).await,
            None => Err(task_result::unknown()),
        }
    }

    pub(crate) async fn task_cancel(
        &self,
        params: CancelTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let is_known = match self.tasks_of(&context)? {
            Some((tasks, caller)) => {
                tasks.request_cancel(&caller, &params.task_id).await.map_err(unavailable)?
            }
            None => false,
        };
        match is_known {
            true => Ok(()),
            false if self.delegates_tasks() => self.delegate(CancelTaskRequest::new(params), context).await,
            false => Err(task_result::unknown()),
        }
    }

    /// The tools' tasks, and the caller of a request about them. Revisions before 2026-07-28 have no tasks.
    fn tasks_of(&self, context: &RequestContext<RoleServer>) -> Result<Option<TasksOfCaller<'_>>, ErrorData> {
        let (caller, _) = self.identify(context)?;
        Ok(modern(context).then(|| (&self.shared.core.tasks, caller)))
    }

    /// Whether this server answers requests about tasks under the request's revision.
    pub(crate) fn has_tasks(&self, context: &RequestContext<RoleServer>) -> bool {
        modern(context) && (self.shared.has_tasks() || self.user_handler_has_tasks())
    }

    fn user_handler_has_tasks(&self) -> bool {
        let user_handler = self.shared.user_handler.as_ref();
        user_handler.is_some_and(|user_handler| user_handler.info().capabilities.supports_tasks())
    }

    /// Whether the user's own handler answers requests about tasks that no tool has.
    fn delegates_tasks(&self) -> bool {
        self.user_handler_has_tasks() || !self.shared.has_tasks()
    }
}

/// The error of a request about a task of another replica, while the database that they share does not answer.
fn unavailable(StoreUnavailable: StoreUnavailable) -> ErrorData {
    let message = Message::new("tasks cannot be read at present")
        .help("send the same request again later; the server's log says why");
    ErrorData::internal_error(message, Some(json!({"reason": "store_unavailable"})))
}

fn modern(context: &RequestContext<RoleServer>) -> bool {
    !revision(context).is_legacy()
}
