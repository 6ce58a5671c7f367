//! Prints what a server declares: the manifest for programs and the reference for people.

mod enforcement;
mod manifest;
mod outline;
mod reference;

#[cfg(feature = "cli")]
pub(crate) use enforcement::EnforcedBy;
pub(crate) use enforcement::enforcement;
pub(crate) use manifest::{declaration, manifest};
pub(crate) use outline::Outline;
#[cfg(feature = "cli")]
pub(crate) use reference::call_line;
pub(crate) use reference::reference;
