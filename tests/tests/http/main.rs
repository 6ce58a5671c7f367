//! The HTTP server: access, sessions, streams, limits, shutdown, and several replicas.

mod access;
mod cors;
mod drain;
mod embedded;
mod fast_path;
mod issuer;
mod left_calls;
mod limits;
mod replicas;
mod resume;
mod sessions;
mod stress;
mod tasks;
