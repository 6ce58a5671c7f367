//! Writes a report as JSON, for programs.

use serde_json::{Value, json};

use super::ContractReport;
use crate::contract::diff::Bump;

pub(super) fn write(report: &ContractReport<'_>) -> String {
    let changes: Vec<Value> = report
        .changes()
        .iter()
        .map(|change| {
            json!({
                "class": change.class().word(),
                "rule": change.rule.id,
                "tool": change.tool,
                "place": change.place,
                "message": change.to_string(),
                "fingerprint": change.fingerprint,
                "approved": report.is_approved(change),
            })
        })
        .collect();
    let mut all = json!({
        "verdict": report.verdict().word(),
        "base": report.base,
        "head": report.head,
        "changes": changes,
    });
    match &report.outcome {
        Ok(comparison) => {
            let (needed, made) = comparison.bumps();
            let [base, head] = &comparison.versions;
            all["versions"] = json!({"base": base, "head": head});
            all["bump"] = json!({"needed": needed.word(), "made": made.map(Bump::word)});
            all["not_compared"] = json!(comparison.unknown_parts);
        }
        Err(uncompared) => {
            all["error"] = json!({"id": uncompared.id, "message": uncompared.message.to_string()});
        }
    }
    format!("{all:#}\n")
}
