//! What is printed from the declaration: the manifest for programs, the reference for people.

mod enforcement;
mod manifest;
mod reference;

pub(crate) use enforcement::{By, enforcement};
pub(crate) use manifest::manifest;
pub(crate) use reference::{call_line, reference};
