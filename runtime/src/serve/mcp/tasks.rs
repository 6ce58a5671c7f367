//! Answers `tasks/get`, `tasks/update` and `tasks/cancel`, for the tools' tasks and those of the user's own handler.

use std::mem;

use rmcp::{
    RoleServer,
    model::{
        CancelTaskParams, CancelTaskRequest, ErrorData, GetTaskParams, GetTaskRequest, GetTaskResult,
        UpdateTaskParams, UpdateTaskRequest,
    },
    service::RequestContext,
};

use super::{
    handler::{McpHandler, revision},
    task_result,
};
use crate::{
    tasks::{AnswerStatus, Tasks},
    tool::caller::Caller,
};

impl McpHandler {
    pub(crate) async fn task_get(
        &self,
        params: GetTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetTaskResult, ErrorData> {
        match self.find_task(&context, |tasks, caller| tasks.get(caller, &params.task_id))? {
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
        let result = self.find_task(&context, |tasks, caller| {
            tasks.get(caller, &params.task_id)?;
            let responses = mem::take(&mut params.input_responses);
            match tasks.answer(caller, &params.task_id, responses) {
                AnswerStatus::Accepted => Some(Ok(())),
                AnswerStatus::TooLarge => Some(Err(task_result::too_large())),
                AnswerStatus::Unknown => None,
            }
        })?;
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
        match self.find_task(&context, |tasks, caller| tasks.cancel(caller, &params.task_id).then_some(()))? {
            Some(()) => Ok(()),
            None if self.delegates_tasks() => self.delegate(CancelTaskRequest::new(params), context).await,
            None => Err(task_result::unknown()),
        }
    }

    /// Looks for one of the tools' tasks. Revisions before 2026-07-28 have no tasks.
    fn find_task<T>(
        &self,
        context: &RequestContext<RoleServer>,
        find: impl FnOnce(&Tasks, &Caller) -> Option<T>,
    ) -> Result<Option<T>, ErrorData> {
        let (caller, _) = self.identify(context)?;
        Ok(modern(context).then(|| find(&self.shared.core.tasks, &caller)).flatten())
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

fn modern(context: &RequestContext<RoleServer>) -> bool {
    !revision(context).is_legacy()
}
