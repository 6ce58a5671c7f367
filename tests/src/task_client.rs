//! A client of 2026-07-28 that takes tasks: it starts them, polls them, and answers their questions.

use std::time::Instant;

use candor::{Revision, Service};
use serde_json::{Value, json};

use crate::{
    capability_client::CapabilityClient, messages::accept, raw_client::ANSWER_TIMEOUT, task_server::EXTENSION,
};

/// The client.
pub struct TaskClient(CapabilityClient);

impl TaskClient {
    /// Connects with the extension of tasks and with elicitation.
    pub async fn connect(service: Service) -> Self {
        Self::with_capabilities(service, json!({"elicitation": {}, "extensions": {EXTENSION: {}}})).await
    }

    /// Connects with other capabilities.
    pub async fn with_capabilities(service: Service, capabilities: Value) -> Self {
        Self(CapabilityClient::connect(service, Revision::V2026_07_28, capabilities).await)
    }

    /// Sends a request, and receives its answer.
    pub async fn request(&mut self, method: &str, params: Value) -> Value {
        self.0.request(method, params).await
    }

    /// Calls a tool.
    pub async fn call(&mut self, tool: &str, arguments: Value) -> Value {
        self.request("tools/call", json!({"name": tool, "arguments": arguments})).await
    }

    /// Calls a tool, and returns the id of its task.
    pub async fn start_task(&mut self, tool: &str, arguments: Value) -> String {
        let answer = self.call(tool, arguments).await;
        assert_eq!(answer["result"]["resultType"], "task", "{answer}");
        answer["result"]["taskId"].as_str().expect("an id").to_owned()
    }

    /// Requests the state of a task.
    pub async fn get(&mut self, id: &str) -> Value {
        self.request("tasks/get", json!({"taskId": id})).await
    }

    /// Polls a task until it meets a condition.
    pub async fn poll_until(&mut self, id: &str, is_met: impl Fn(&Value) -> bool) -> Value {
        let start = Instant::now();
        loop {
            let task = self.get(id).await["result"].take();
            if is_met(&task) {
                return task;
            }
            assert!(start.elapsed() < ANSWER_TIMEOUT, "{task}");
        }
    }

    /// Polls a task until it no longer works: it has ended, or asks a question.
    pub async fn settled(&mut self, id: &str) -> Value {
        self.poll_until(id, |task| task["status"] != "working").await
    }

    /// Answers questions of a task.
    pub async fn update(&mut self, id: &str, responses: Value) {
        let answer = self.request("tasks/update", json!({"taskId": id, "inputResponses": responses})).await;
        assert_eq!(answer["result"]["resultType"], "complete", "{answer}");
        assert_eq!(answer["result"].get("taskId"), None, "{answer}");
    }
}

/// The answer to a form with one field `name`.
pub fn name_form(name: &str) -> Value {
    accept(json!({"name": name}))
}
