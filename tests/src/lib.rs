//! What tests and benchmarks share: servers to be mistreated, a client that sends any bytes at all, and a server on
//! bare rmcp to be measured against.

#![expect(clippy::missing_panics_doc, clippy::missing_errors_doc, reason = "in a test, both are failures")]

pub mod comparison;
pub mod conformance;
pub mod fixture;
pub mod forged;
pub mod http;
pub mod issuer;
pub mod log;
pub mod program;
pub mod rich;
pub mod tasks;
pub mod wire;
