//! The code that tests and benchmarks share: test servers, clients that send any bytes they like, and a server on bare
//! rmcp for comparison.

#![expect(clippy::missing_panics_doc, clippy::missing_errors_doc, reason = "in a test, both are failures")]

pub mod capability_client;
pub mod child_process;
pub mod collector;
pub mod comparison;
pub mod conformance;
pub mod cut_proxy;
pub mod event_stream;
pub mod fixture;
pub mod forged_log;
pub mod gate;
pub mod http;
pub mod issuer;
pub mod ledger_log;
pub mod log;
pub mod messages;
pub mod orders;
pub mod orders_site;
pub mod packages;
pub mod portable_schemas;
pub mod raw_client;
pub mod schema_types;
pub mod stdio_server;
pub mod syntax_tree;
pub mod task_client;
pub mod task_server;
pub mod usage_log;
pub mod wait;
pub mod wire_generator;
