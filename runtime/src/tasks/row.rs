//! Writes tasks as JSON for the database that replicas share, and reads them.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{
    RunOnce,
    entry::{Stage, TaskEntry},
    state::{End, Snapshot, TaskState},
};
use crate::tool::{ask::Question, caller::Caller};

/// Writes a task.
pub(super) fn write(entry: &TaskEntry) -> Vec<u8> {
    let state = match &entry.stage {
        Stage::Opened | Stage::Working => json!("working"),
        Stage::Asking { open, .. } => {
            let open = open.iter().map(|(key, question)| json!([key, write_question(question)]));
            json!({"asking": open.collect::<Vec<_>>()})
        }
        Stage::Ended { end, .. } => write_end(end),
    };
    write_row(&TaskRow {
        scopes: entry.scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        created: entry.created,
        changed: entry.changed,
        ttl: entry.ttl(),
        progress: entry.progress.clone(),
        once: entry.once,
        state,
    })
}

/// A task as it is written.
pub(super) struct TaskRow {
    /// The scopes that the call needed.
    scopes: Vec<String>,
    created: Duration,
    changed: Duration,
    ttl: Duration,
    progress: Option<String>,
    once: Option<RunOnce>,
    state: Value,
}

fn write_row(row: &TaskRow) -> Vec<u8> {
    let TaskRow { scopes, created, changed, ttl, progress, once, state } = row;
    let [created, changed, ttl] = [created, changed, ttl].map(milliseconds);
    json!({
        "scopes": scopes, "created": created, "changed": changed, "ttl": ttl, "progress": progress,
        "once": once.map(RunOnce::word), "state": state
    })
    .to_string()
    .into_bytes()
}

/// Reads a task; `None` if another version of the program wrote it in a way that this one does not know.
pub(super) fn read(bytes: &[u8]) -> Option<TaskRow> {
    let row: Value = serde_json::from_slice(bytes).ok()?;
    let time = |name: &str| row[name].as_u64().map(Duration::from_millis);
    Some(TaskRow {
        scopes: row["scopes"].as_array()?.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        created: time("created")?,
        changed: time("changed")?,
        ttl: time("ttl")?,
        progress: row["progress"].as_str().map(str::to_owned),
        once: row["once"].as_str().and_then(RunOnce::read),
        state: row["state"].clone(),
    })
}

impl TaskRow {
    /// Whether a caller holds the scopes that every request about the task needs.
    pub(super) fn is_within(&self, caller: &Caller) -> bool {
        self.scopes.iter().all(|scope| caller.holds(scope))
    }

    pub(super) fn snapshot(self, id: &str) -> Option<Snapshot> {
        let Self { created, changed, ttl, progress, state, .. } = self;
        let state = read_state(state)?;
        Some(Snapshot { id: id.to_owned(), created, changed, ttl, progress, state })
    }

    /// The time since 1970 at which the task was created.
    pub(super) fn created(&self) -> Duration {
        self.created
    }

    /// The reason why the call does not run again, if it must not.
    pub(super) fn once(&self) -> Option<RunOnce> {
        self.once
    }

    /// Returns the same task, ended.
    pub(super) fn ended(self, end: &End) -> Vec<u8> {
        write_row(&Self { state: write_end(end), progress: None, ..self })
    }
}

fn milliseconds(time: &Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn write_end(end: &End) -> Value {
    match end {
        // As text, so that it is answered as it was.
        End::Completed(result) => json!({"completed": result}),
        End::Failed(error) => json!({"failed": error}),
        End::Dropped => json!("dropped"),
        End::Cancelled => json!("cancelled"),
    }
}

fn read_state(state: Value) -> Option<TaskState> {
    match state {
        Value::String(word) => Some(match word.as_str() {
            "working" => TaskState::Working,
            "dropped" => TaskState::Ended(End::Dropped),
            "cancelled" => TaskState::Ended(End::Cancelled),
            _ => return None,
        }),
        Value::Object(mut state) => {
            let (word, value) = std::mem::take(&mut state).into_iter().next()?;
            Some(match (word.as_str(), value) {
                ("completed", Value::String(result)) => TaskState::Ended(End::Completed(result.into())),
                ("failed", Value::Object(error)) => TaskState::Ended(End::Failed(error)),
                ("asking", Value::Array(open)) if open.is_empty() => TaskState::Working,
                ("asking", Value::Array(open)) => TaskState::Asking(
                    open.iter()
                        .map(|open| Some((open[0].as_str()?.to_owned(), read_question(&open[1])?)))
                        .collect::<Option<_>>()?,
                ),
                _ => return None,
            })
        }
        _ => None,
    }
}

fn write_question(question: &Question) -> Value {
    match question {
        Question::Form { message, schema } => json!({"form": message, "schema": schema}),
        Question::Sample { prompt, max_tokens } => json!({"sample": prompt, "maxTokens": max_tokens}),
        Question::Roots => json!("roots"),
    }
}

fn read_question(question: &Value) -> Option<Question> {
    if question == "roots" {
        return Some(Question::Roots);
    }
    if let Some(message) = question["form"].as_str() {
        return Some(Question::Form { message: message.to_owned(), schema: question["schema"].clone() });
    }
    let prompt = question["sample"].as_str()?.to_owned();
    let max_tokens = question["maxTokens"].as_u64()?.try_into().ok()?;
    Some(Question::Sample { prompt, max_tokens })
}

/// Writes answers to questions.
pub(super) fn write_answers(answers: Map<String, Value>) -> Vec<u8> {
    Value::Object(answers).to_string().into_bytes()
}

pub(super) fn read_answers(bytes: &[u8]) -> Map<String, Value> {
    serde_json::from_slice(bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_read_as_they_were_written() {
        let form = Question::Form { message: "sure?\0".to_owned(), schema: json!({"type": "object"}) };
        let sample = Question::Sample { prompt: "say".to_owned(), max_tokens: 7 };
        for end in [
            End::Completed("{\"b\": 1.0, \"a\": \"\\u0000\"}".into()),
            End::Failed(Map::from_iter([("code".to_owned(), json!(-1))])),
            End::Dropped,
            End::Cancelled,
        ] {
            assert_eq!(read_state(write_end(&end)), Some(TaskState::Ended(end)));
        }
        for question in [form, sample, Question::Roots] {
            let state = json!({"asking": [["1/x", write_question(&question)]]});
            assert_eq!(read_state(state), Some(TaskState::Asking(vec![("1/x".to_owned(), question)])));
        }
        assert_eq!(read_state(json!({"asking": []})), Some(TaskState::Working));
        assert_eq!(read_state(json!("later")), None);
    }
}
