//! Adds to the record of a read what it has in common with other reads.

use std::collections::BTreeMap;

use serde_json::Value;

/// The members of a context that its reads get.
const CONTEXT_MEMBERS: [&str; 7] =
    ["tool_digest", "effect", "caller", "transport", "protocol", "scopes", "replica"];

/// The members that many reads have in common.
struct Context {
    members: Value,
    /// As they are written.
    text: Vec<u8>,
}

/// The contexts of reads in one segment, by their numbers.
#[derive(Default)]
pub(super) struct ReadContexts(BTreeMap<u64, Context>);

impl ReadContexts {
    /// Takes the next record. A read gets what its context says.
    pub(super) fn add(&mut self, mut record: Value, line: &[u8]) -> Value {
        match (record["kind"].as_str(), record["event"].as_str()) {
            (Some("server"), Some("segment" | "start")) => self.0.clear(),
            (Some("server"), Some("context")) => {
                if let Some(number) = record["context"].as_u64() {
                    let text = members_after_tool(line).to_vec();
                    self.0.insert(number, Context { members: record.clone(), text });
                }
            }
            (Some("read"), _) => {
                for member in CONTEXT_MEMBERS {
                    if let Some(value) = self.of(&record).and_then(|context| context.members.get(member)) {
                        record[member] = value.clone();
                    }
                }
            }
            _ => {}
        }
        record
    }

    fn of(&self, read: &Value) -> Option<&Context> {
        self.0.get(&read["context"].as_u64()?)
    }

    /// Returns what the context of a read says as it is written; nothing for another record.
    pub(super) fn members_of(&self, record: &Value) -> &[u8] {
        let context = if record["kind"] == "read" { self.of(record) } else { None };
        context.map_or(b"", |context| &context.text)
    }
}

/// Returns the place of the last two members of a record.
pub(super) fn chain(line: &[u8]) -> usize {
    memchr::memmem::rfind(line, b",\"prev\":").unwrap_or(line.len())
}

/// Returns the members of a context that a read does not have, each after a comma.
fn members_after_tool(line: &[u8]) -> &[u8] {
    let body = &line[..chain(line)];
    memchr::memmem::find(body, b",\"tool_digest\":").map_or(b"", |at| &body[at..])
}
