//! The texts of the project: structure, prose, README, licences and versions of dependencies.

mod architecture;
mod dependencies;
mod prose;
mod readme;
mod rust_version;
