//! Reports a comparison of two contracts in the form that its reader takes.

mod changelog;
mod json;
mod junit;
mod sarif;
mod text;

use super::{
    approvals::Approvals,
    change::{Change, ChangeClass},
    diff::ContractDiff,
};
use crate::message::Message;

/// The form of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReportFormat {
    Text,
    Json,
    Junit,
    Sarif,
    Changelog,
}

/// A comparison, or the reason why there is none.
pub(crate) struct ContractReport<'a> {
    /// The name of the older contract, for people.
    pub(crate) base: String,
    /// The name of the newer contract, for people.
    pub(crate) head: String,
    /// The path of the lock in the repository, to which findings are attached.
    pub(crate) lock: String,
    pub(crate) outcome: Result<&'a ContractDiff, Uncompared>,
    pub(crate) approvals: &'a Approvals,
}

/// The reason why two contracts were not compared. It is a finding, so that it is never taken for equality.
#[derive(Clone, Debug)]
pub(crate) struct Uncompared {
    /// The id of the finding.
    pub(crate) id: &'static str,
    pub(crate) message: Message,
}

/// The outcome of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ContractVerdict {
    /// The contracts are the same.
    Same,
    /// Every change is compatible or approved.
    Compatible,
    /// A change breaks callers, or waits for an approval.
    Findings,
    /// There was no comparison.
    Uncompared,
}

impl ContractVerdict {
    const fn word(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Compatible => "compatible",
            Self::Findings => "findings",
            Self::Uncompared => "uncompared",
        }
    }
}

impl ContractReport<'_> {
    /// Writes the report.
    pub(crate) fn write(&self, format: ReportFormat) -> String {
        match format {
            ReportFormat::Text => text::write(self),
            ReportFormat::Json => json::write(self),
            ReportFormat::Junit => junit::write(self),
            ReportFormat::Sarif => sarif::write(self),
            ReportFormat::Changelog => changelog::write(self),
        }
    }

    pub(crate) fn verdict(&self) -> ContractVerdict {
        match &self.outcome {
            Err(_) => ContractVerdict::Uncompared,
            Ok(comparison) if comparison.changes.iter().any(|change| self.is_finding(change)) => {
                ContractVerdict::Findings
            }
            Ok(comparison) if comparison.changes.is_empty() => ContractVerdict::Same,
            Ok(_) => ContractVerdict::Compatible,
        }
    }

    fn is_approved(&self, change: &Change) -> bool {
        let base_version = self.outcome.as_ref().map(|comparison| &comparison.versions[0]);
        base_version.is_ok_and(|version| self.approvals.covers(change, version))
    }

    /// Whether a person must still decide on a change.
    fn is_finding(&self, change: &Change) -> bool {
        change.class() > ChangeClass::Minor && !self.is_approved(change)
    }

    fn changes(&self) -> &[Change] {
        self.outcome.as_ref().map_or(&[], |comparison| &comparison.changes)
    }
}
