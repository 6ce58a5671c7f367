//! Writes a report as lines of a changelog (Keep a Changelog 1.1.0).

use std::fmt::Write as _;

use super::ContractReport;
use crate::contract::change::{Change, ChangeClass};

pub(super) fn write(report: &ContractReport<'_>) -> String {
    if let Err(uncompared) = &report.outcome {
        return format!("{}\n", uncompared.message);
    }
    let mut text = String::new();
    for heading in ["Added", "Changed", "Deprecated", "Removed"] {
        let changes: Vec<_> =
            report.changes().iter().filter(|change| heading_of(change) == heading).collect();
        if changes.is_empty() {
            continue;
        }
        if !text.is_empty() {
            text.push('\n');
        }
        let _ = writeln!(text, "### {heading}\n");
        for change in changes {
            let breaking = if change.class() == ChangeClass::Breaking { "**Breaking:** " } else { "" };
            let _ = writeln!(text, "- {breaking}`{}`: {}", change.subject(), sentence(change));
        }
    }
    text
}

fn heading_of(change: &Change) -> &'static str {
    match change.rule.id {
        "tool-added" => "Added",
        "tool-removed" => "Removed",
        "deprecated" => "Deprecated",
        _ => "Changed",
    }
}

/// The fact and the values.
fn sentence(change: &Change) -> String {
    let detail = if change.detail.is_empty() { String::new() } else { format!(" ({})", change.detail) };
    format!("{}{detail}.", change.rule.fact)
}
