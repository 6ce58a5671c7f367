//! Writes a report for people: the gravest changes first, then the version bump that they need.

use std::fmt::Write as _;

use super::{ContractReport, ContractVerdict};
use crate::contract::{change::ChangeClass, diff::Bump};

pub(super) fn write(report: &ContractReport<'_>) -> String {
    let comparison = match &report.outcome {
        Ok(comparison) => comparison,
        Err(uncompared) => return format!("{} [{}]\n", uncompared.message, uncompared.id),
    };
    let mut text = format!("{} compared with {}\n", report.head, report.base);
    for class in [ChangeClass::Breaking, ChangeClass::Dangerous, ChangeClass::Minor] {
        let changes: Vec<_> = report.changes().iter().filter(|change| change.class() == class).collect();
        if changes.is_empty() {
            continue;
        }
        let _ = writeln!(text, "\n{}: {}", class.word(), changes.len());
        for change in changes {
            let _ = writeln!(text, "  {}\n    {change}", change.subject());
            let _ = match (class, report.is_approved(change)) {
                (ChangeClass::Minor, _) => writeln!(text, "    {}", change.rule.id),
                (_, true) => writeln!(text, "    {}, approved", change.rule.id),
                (_, false) => writeln!(text, "    {}, to approve: {}", change.rule.id, change.fingerprint),
            };
        }
    }
    let _ = writeln!(text, "\n{}", verdict(report.verdict()));
    if !comparison.changes.is_empty() {
        let (needed, made) = comparison.bumps();
        let [base, head] = &comparison.versions;
        let made = match made {
            Some(Bump::None) => format!("both have {base}"),
            Some(made) => format!("from {base} to {head} is {}", in_words(made)),
            None => format!("from {base} to {head} is not a step to a later semantic version"),
        };
        let _ = writeln!(text, "version: the changes need {}; {made}", in_words(needed));
    }
    if !comparison.unknown_parts.is_empty() {
        let _ = writeln!(
            text,
            "not compared, since a running server does not tell them: {}",
            comparison.unknown_parts.join(", ")
        );
    }
    let expired = report.approvals.expired(&comparison.versions[0]);
    if expired > 0 {
        let _ = writeln!(
            text,
            "{expired} approvals are from before {} and no longer count",
            comparison.versions[0]
        );
    }
    text
}

fn verdict(verdict: ContractVerdict) -> &'static str {
    match verdict {
        ContractVerdict::Same => "no changes",
        ContractVerdict::Compatible => "compatible: every change is minor or approved",
        ContractVerdict::Findings | ContractVerdict::Uncompared => {
            "a person must decide: undo a change, or approve it with `diff --approve FINGERPRINT --reason TEXT`"
        }
    }
}

fn in_words(bump: Bump) -> &'static str {
    match bump {
        Bump::None => "no new version",
        Bump::Patch => "a patch version",
        Bump::Minor => "a minor version",
        Bump::Major => "a major version",
    }
}
