//! What is printed from the declaration: the manifest for programs, the reference for people.

mod enforcement;
mod manifest;
mod reference;

#[cfg(feature = "cli")]
pub(crate) use enforcement::EnforcedBy;
pub(crate) use enforcement::enforcement;
pub(crate) use manifest::{declaration, manifest};
#[cfg(feature = "cli")]
pub(crate) use reference::call_line;
pub(crate) use reference::reference;
