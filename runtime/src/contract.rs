//! Prints what a server declares, the manifest for programs and the reference for people, and compares it with what it
//! declared before.

#[cfg(feature = "cli")]
mod approvals;
mod change;
pub(crate) mod cost;
mod definition;
mod diff;
mod effect;
mod enforcement;
mod explanation;
#[cfg(all(feature = "cli", feature = "http"))]
mod listed;
mod lock;
mod locked;
mod manifest;
mod normal;
mod outline;
mod page;
mod reference;
#[cfg(feature = "cli")]
mod report;
mod schema_diff;
mod store;
#[cfg(all(test, feature = "cli"))]
mod table;

#[cfg(feature = "cli")]
pub(crate) use approvals::Approvals;
#[cfg(feature = "cli")]
pub(crate) use cost::thousands;
pub(crate) use definition::digest_of;
pub(crate) use diff::compare_versions;
#[cfg(feature = "cli")]
pub(crate) use diff::{ContractDiff, compare};
pub(crate) use effect::effect_digest_of;
#[cfg(feature = "cli")]
pub(crate) use enforcement::EnforcedBy;
pub(crate) use enforcement::enforcement;
#[cfg(all(feature = "cli", feature = "http"))]
pub(crate) use listed::listed_tool;
#[cfg(feature = "cli")]
pub(crate) use lock::Lock;
pub(crate) use lock::lock;
#[cfg(feature = "cli")]
pub(crate) use locked::LockCheck;
pub(crate) use locked::check_locked;
pub(crate) use manifest::{declaration, manifest};
pub(crate) use outline::Outline;
pub(crate) use page::page;
#[cfg(feature = "cli")]
pub(crate) use page::{escaped, fill};
#[cfg(feature = "cli")]
pub(crate) use reference::call_line;
pub(crate) use reference::reference;
#[cfg(feature = "cli")]
pub(crate) use report::{ContractReport, ContractVerdict, ReportFormat, Uncompared};
pub(crate) use store::manifest_as;
pub use store::{Manifest, ManifestFormat};
