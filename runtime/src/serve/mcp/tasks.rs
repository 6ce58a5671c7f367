//! `tasks/get`, `tasks/update` and `tasks/cancel` → the tools' tasks, or those of the user's own handler.

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
    task_call,
};
use crate::{
    tasks::{Taken, Tasks},
    tool::caller::Caller,
};

impl McpHandler {
    pub(crate) async fn task(
        &self,
        params: GetTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetTaskResult, ErrorData> {
        match self.of_tools(&context, |tasks, caller| tasks.see(caller, &params.task_id))? {
            Some(seen) => task_call::got(seen, self.shared.meta(revision(&context))),
            None if self.has_others() => self.own(GetTaskRequest::new(params), context).await,
            None => Err(task_call::unknown()),
        }
    }

    pub(crate) async fn answers_of_task(
        &self,
        mut params: UpdateTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let known = self.of_tools(&context, |kept, caller| {
            kept.see(caller, &params.task_id)?;
            let said = mem::take(&mut params.input_responses);
            match kept.answer(caller, &params.task_id, said) {
                Taken::Well => Some(Ok(())),
                Taken::TooLarge => Some(Err(task_call::too_large())),
                Taken::Unknown => None,
            }
        })?;
        match known {
            Some(taken) => taken,
            None if self.has_others() => self.own(UpdateTaskRequest::new(params), context).await,
            None => Err(task_call::unknown()),
        }
    }

    pub(crate) async fn end_of_task(
        &self,
        params: CancelTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        match self.of_tools(&context, |tasks, caller| tasks.cancel(caller, &params.task_id).then_some(()))? {
            Some(()) => Ok(()),
            None if self.has_others() => self.own(CancelTaskRequest::new(params), context).await,
            None => Err(task_call::unknown()),
        }
    }

    /// Looks for one of the tools' tasks. Before 2026-07-28 there are none.
    fn of_tools<T>(
        &self,
        context: &RequestContext<RoleServer>,
        find: impl FnOnce(&Tasks, &Caller) -> Option<T>,
    ) -> Result<Option<T>, ErrorData> {
        let (caller, _) = self.visit(context)?;
        Ok(modern(context).then(|| find(&self.shared.core.tasks, &caller)).flatten())
    }

    /// Whether requests about tasks are answered here.
    pub(crate) fn has_tasks(&self, context: &RequestContext<RoleServer>) -> bool {
        modern(context) && self.shared.has_tasks()
    }

    /// Whether the user's own handler has tasks, or there are no others.
    fn has_others(&self) -> bool {
        let own = self
            .shared
            .user_handler
            .as_ref()
            .is_some_and(|user_handler| user_handler.info().capabilities.supports_tasks());
        own || !self.shared.has_tasks()
    }
}

fn modern(context: &RequestContext<RoleServer>) -> bool {
    !revision(context).is_legacy()
}
