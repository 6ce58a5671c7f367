//! Counts the calls of deprecated tools and by earlier names, and adds a note to the results of deprecated tools.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use super::CallAnswer;
use crate::{
    registry::Registry,
    tool::{
        descriptor::{Deprecated, Descriptor},
        output::{Annotations, Audience, Block},
    },
    wire_names,
};

/// The tools that callers should no longer call, or no longer by that name.
pub(crate) struct OutdatedTools {
    /// In the registry's order; `None` for a tool without a deprecation and aliases.
    tools: Vec<Option<Box<OutdatedTool>>>,
}

struct OutdatedTool {
    descriptor: &'static Descriptor,
    /// The text for models and the value for programs, of a deprecated tool.
    note: Option<(String, Value)>,
    /// The calls by the tool's name, then by each alias.
    calls: Vec<AtomicU64>,
}

/// The number of answered calls of a deprecated tool, or by an alias.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OutdatedCalls {
    /// The tool.
    pub tool: &'static str,
    /// The alias that was called; `None` for the deprecated tool's own name.
    pub alias: Option<&'static str>,
    /// The number of calls since the server was built.
    pub calls: u64,
}

impl OutdatedTools {
    pub(crate) fn new(registry: &Registry) -> Self {
        let outdated = |descriptor: &'static Descriptor| {
            let is_outdated = descriptor.deprecated.is_some() || !descriptor.aliases.is_empty();
            is_outdated.then(|| {
                Box::new(OutdatedTool {
                    descriptor,
                    note: descriptor.deprecated.as_ref().map(|deprecated| note(descriptor.name, deprecated)),
                    calls: descriptor.names().map(|_| AtomicU64::new(0)).collect(),
                })
            })
        };
        Self { tools: registry.tools().iter().map(|tool| outdated(tool.descriptor)).collect() }
    }

    /// Counts the answer to a call of the tool at `index` by the name `called`, and adds the note.
    pub(super) fn answered(&self, index: Option<usize>, called: &str, answer: CallAnswer) -> CallAnswer {
        let outdated = index.and_then(|index| self.tools[index].as_deref());
        match (outdated, answer) {
            (Some(outdated), CallAnswer::Reply(mut reply)) => {
                let at = outdated.descriptor.names().position(|name| name == called);
                if let Some(calls) = at.and_then(|at| outdated.calls.get(at)) {
                    calls.fetch_add(1, Ordering::Relaxed);
                }
                if let Some((text, value)) = &outdated.note {
                    let annotations = Annotations { audience: vec![Audience::Assistant], priority: None };
                    let block = Box::new(Block::Text(text.clone()));
                    reply.content.push(Block::Annotated { block, annotations });
                    reply.meta.insert(wire_names::DEPRECATED.to_owned(), value.clone());
                }
                CallAnswer::Reply(reply)
            }
            (_, answer) => answer,
        }
    }

    /// The counters of every deprecated tool and every alias.
    pub(crate) fn calls(&self) -> Vec<OutdatedCalls> {
        let mut all = Vec::new();
        for outdated in self.tools.iter().flatten() {
            let tool = outdated.descriptor.name;
            for (name, calls) in outdated.descriptor.names().zip(&outdated.calls) {
                let alias = (name != tool).then_some(name);
                if alias.is_some() || outdated.note.is_some() {
                    all.push(OutdatedCalls { tool, alias, calls: calls.load(Ordering::Relaxed) });
                }
            }
        }
        all
    }
}

fn note(tool: &str, deprecated: &Deprecated) -> (String, Value) {
    let Deprecated { since, remove_in, use_instead } = deprecated;
    let value = json!({"since": since, "removeIn": remove_in, "useInstead": use_instead});
    (deprecated.note(tool), value)
}
