//! The protocol: revisions, invalid messages, tasks, the end of a connection, and a server inside another program.

mod bad_input;
mod connection_end;
mod embed;
mod malformed_fields;
mod revisions;
mod rmcp_regressions;
mod tasks;
mod user_handler;
mod wire_generator;
