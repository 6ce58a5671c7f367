//! Defines a change between two contracts: the rule that found it, its class, its place and its fingerprint.

mod rules;

use std::fmt;

use serde_json::Value;

use crate::{
    audit::{hex_text, sha256},
    canonical,
};
#[cfg(feature = "cli")]
pub(crate) use rules::ALL_RULES;
pub(crate) use rules::ChangeRule;

pub(crate) mod rule {
    //! The rules, by name.
    pub(crate) use super::rules::*;
}

/// The hexadecimal digits of a fingerprint: 64 bits, short enough to type.
const FINGERPRINT_DIGITS: usize = 16;

/// The consequence of a change for callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ChangeClass {
    /// Callers that rely on nothing new keep working.
    Minor,
    /// A person must decide: models or hosts may behave differently, or no rule can tell.
    Dangerous,
    /// A caller that worked before can fail.
    Breaking,
}

impl ChangeClass {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Minor => "minor",
            Self::Dangerous => "dangerous",
            Self::Breaking => "breaking",
        }
    }
}

/// One difference between two contracts.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) rule: &'static ChangeRule,
    /// The tool; `None` for the server itself.
    pub(crate) tool: Option<String>,
    /// The part of the tool or of the server, for example `input.symbol`; empty for the whole.
    pub(crate) place: String,
    /// The values before and after, in words.
    pub(crate) detail: String,
    /// Identifies the change in an approval.
    pub(crate) fingerprint: String,
}

impl Change {
    pub(crate) fn class(&self) -> ChangeClass {
        self.rule.class
    }

    /// The tool and the place, for a line of a report.
    pub(crate) fn subject(&self) -> String {
        match (self.tool.as_deref(), self.place.as_str()) {
            (None, "") => "server".to_owned(),
            (None, place) => format!("server.{place}"),
            (Some(tool), "") => tool.to_owned(),
            (Some(tool), place) => format!("{tool}.{place}"),
        }
    }
}

/// One sentence: what changed, the values, and the consequence.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let detail = if self.detail.is_empty() { String::new() } else { format!(" ({})", self.detail) };
        write!(f, "{}{detail}: {}", self.rule.fact, self.rule.consequence)
    }
}

/// The changes of one tool, or of the server, while they are found.
pub(crate) struct Changes {
    tool: Option<String>,
    pub(crate) list: Vec<Change>,
}

impl Changes {
    pub(crate) fn of(tool: Option<&str>) -> Self {
        Self { tool: tool.map(str::to_owned), list: Vec::new() }
    }

    /// Adds changes that were found apart from the tool.
    pub(crate) fn list_all(&mut self, changes: Vec<Change>) {
        self.list.extend(changes.into_iter().map(|change| {
            let fingerprint = fingerprint_of_part(self.tool.as_deref(), &change.fingerprint);
            Change { tool: self.tool.clone(), fingerprint, ..change }
        }));
    }

    /// Adds a change of a value.
    pub(crate) fn add(&mut self, rule: &'static ChangeRule, place: &str, before: &Value, after: &Value) {
        let detail = match (before, after) {
            (Value::Null, Value::Null) => String::new(),
            (Value::Null, after) => shown(after),
            (before, Value::Null) => format!("was {}", shown(before)),
            (before, after) => format!("was {}, is {}", shown(before), shown(after)),
        };
        self.add_detailed(rule, place, detail, before, after);
    }

    /// Adds a change whose values are better said in other words.
    pub(crate) fn add_detailed(
        &mut self,
        rule: &'static ChangeRule,
        place: &str,
        detail: String,
        before: &Value,
        after: &Value,
    ) {
        let fingerprint = fingerprint(rule.id, self.tool.as_deref(), place, [before, after]);
        self.list.push(Change {
            rule,
            tool: self.tool.clone(),
            place: place.to_owned(),
            detail,
            fingerprint,
        });
    }
}

/// The longest value that is repeated in a report, in characters.
const MAX_SHOWN_CHARS: usize = 60;

/// A value for a line of a report: cut, and without line breaks or hidden characters.
pub(crate) fn shown(value: &Value) -> String {
    let text = match value {
        Value::String(text) => format!("`{text}`"),
        other => other.to_string(),
    };
    let mut shown: String = text
        .chars()
        .take(MAX_SHOWN_CHARS)
        .flat_map(|c| {
            let escaped = crate::text::is_hidden(c) || c == '\n' || c == '\t';
            if escaped { c.escape_default().collect::<Vec<_>>() } else { vec![c] }
        })
        .collect();
    if text.chars().nth(MAX_SHOWN_CHARS).is_some() {
        shown.push('…');
    }
    shown
}

/// The fingerprint of a change that was found apart from its tool.
fn fingerprint_of_part(tool: Option<&str>, fingerprint: &str) -> String {
    self::fingerprint("", tool, fingerprint, [&Value::Null, &Value::Null])
}

/// A digest over everything that tells one change from another, so that an approval covers one change alone.
fn fingerprint(rule: &str, tool: Option<&str>, place: &str, values: [&Value; 2]) -> String {
    let all = serde_json::json!([rule, tool, place, values[0], values[1]]);
    let mut text = String::new();
    canonical::write(&all, &mut text);
    let mut digest = hex_text(&sha256(text.as_bytes()));
    digest.truncate(FINGERPRINT_DIGITS);
    digest
}
