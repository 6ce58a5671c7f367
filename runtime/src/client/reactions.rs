//! Holds what a client does with the questions and reports of a server.

use serde_json::{Value, json};

use super::{ElicitAction, FilledForm};

/// The reactions of a client. One that is missing declines, or ignores the report.
#[derive(Default)]
pub(crate) struct Reactions {
    pub(crate) confirm: Option<Box<OnConfirm>>,
    pub(crate) form: Option<Box<OnForm>>,
    pub(crate) progress: Option<Box<OnProgress>>,
    pub(crate) status: Option<Box<OnStatus>>,
}

type OnConfirm = dyn Fn(&str) -> ElicitAction + Send + Sync;
type OnForm = dyn Fn(&str, &Value) -> FilledForm + Send + Sync;
type OnProgress = dyn Fn(f64, Option<f64>, &str) + Send + Sync;
type OnStatus = dyn Fn(&str) + Send + Sync;

impl Reactions {
    /// Whether the client can answer questions.
    pub(super) fn can_answer(&self) -> bool {
        self.confirm.is_some() || self.form.is_some()
    }

    /// Answers a question whose fields are described by `schema`, as the result of `elicitation/create`.
    pub(super) fn elicit(&self, question: &str, schema: &Value) -> Value {
        if schema["properties"].as_object().is_some_and(|fields| !fields.is_empty()) {
            // A form that cannot be filled in is declined.
            return match self.form.as_ref().map(|form| form(question, schema)) {
                Some(FilledForm::Filled(content)) => json!({"action": "accept", "content": content}),
                Some(FilledForm::Cancelled) => json!({"action": "cancel"}),
                Some(FilledForm::Declined) | None => json!({"action": "decline"}),
            };
        }
        match self.confirm.as_ref().map(|confirm| confirm(question)) {
            Some(ElicitAction::Accept) => json!({"action": "accept", "content": {}}),
            Some(ElicitAction::Decline) => json!({"action": "decline"}),
            Some(ElicitAction::Cancel) | None => json!({"action": "cancel"}),
        }
    }

    /// Answers the parameters of `elicitation/create`. Only forms are declared; a question by a link is dismissed.
    #[cfg(feature = "cli")]
    pub(super) fn elicit_params(&self, params: &Value) -> Value {
        match params["mode"].as_str() {
            None | Some("form") => {
                self.elicit(params["message"].as_str().unwrap_or_default(), &params["requestedSchema"])
            }
            Some(_) => json!({"action": "cancel"}),
        }
    }

    /// Passes on a report of progress.
    pub(super) fn report_progress(&self, done: f64, total: Option<f64>, message: &str) {
        if let Some(progress) = &self.progress {
            progress(done, total, message);
        }
    }

    /// Passes on the status message of a task.
    pub(super) fn report_status(&self, status: &str) {
        if let Some(on_status) = &self.status {
            on_status(status);
        }
    }
}
