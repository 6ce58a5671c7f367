//! Prints what a server declares: the manifest for programs and the reference for people.

pub(crate) mod cost;
mod enforcement;
mod explanation;
mod manifest;
mod outline;
mod page;
mod reference;
mod store;

#[cfg(feature = "cli")]
pub(crate) use enforcement::EnforcedBy;
pub(crate) use enforcement::enforcement;
pub(crate) use manifest::{declaration, manifest};
pub(crate) use outline::Outline;
pub(crate) use page::page;
#[cfg(feature = "cli")]
pub(crate) use reference::call_line;
pub(crate) use reference::reference;
pub(crate) use store::manifest_as;
pub use store::{Manifest, ManifestFormat};
