//! Writes a report in SARIF 2.1.0 (OASIS), which code hosts show beside a change.

use serde_json::{Value, json};

use super::ContractReport;
use crate::contract::change::{ALL_RULES, Change, ChangeClass, ChangeRule};

pub(super) fn write(report: &ContractReport<'_>) -> String {
    let mut rules: Vec<Value> = ALL_RULES.iter().map(|rule| described(rule)).collect();
    let mut results: Vec<Value> = report.changes().iter().map(|change| result(report, change)).collect();
    if let Err(uncompared) = &report.outcome {
        let text = uncompared.message.to_string();
        let description = json!({"text": "two contracts cannot be compared"});
        rules.push(json!({"id": uncompared.id, "shortDescription": description}));
        results.push(json!({
            "ruleId": uncompared.id,
            "level": "error",
            "message": {"text": text},
            "locations": [location(report, None)],
        }));
    }
    let sarif = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "candor",
                "version": env!("CARGO_PKG_VERSION"),
                "informationUri": env!("CARGO_PKG_REPOSITORY"),
                "rules": rules,
            }},
            "results": results,
        }],
    });
    format!("{sarif:#}\n")
}

fn described(rule: &ChangeRule) -> Value {
    json!({
        "id": rule.id,
        "shortDescription": {"text": rule.fact},
        "fullDescription": {"text": format!("{}: {}", rule.fact, rule.consequence)},
        "defaultConfiguration": {"level": level(rule.class)},
    })
}

fn result(report: &ContractReport<'_>, change: &Change) -> Value {
    let mut result = json!({
        "ruleId": change.rule.id,
        "level": level(change.class()),
        "message": {"text": format!("{}: {change}", change.subject())},
        "partialFingerprints": {"candorChange/v1": change.fingerprint},
        "locations": [location(report, Some(change))],
    });
    if report.is_approved(change) {
        result["suppressions"] = json!([{"kind": "external", "status": "accepted"}]);
    }
    result
}

fn location(report: &ContractReport<'_>, change: Option<&Change>) -> Value {
    // A URI reference has slashes, and no spaces.
    let uri = report.lock.replace('\\', "/").replace('%', "%25").replace(' ', "%20");
    let mut location = json!({"physicalLocation": {"artifactLocation": {"uri": uri}}});
    if let Some(change) = change {
        location["logicalLocations"] = json!([{"fullyQualifiedName": change.subject()}]);
    }
    location
}

const fn level(class: ChangeClass) -> &'static str {
    match class {
        ChangeClass::Breaking => "error",
        ChangeClass::Dangerous => "warning",
        ChangeClass::Minor => "note",
    }
}
