//! The HTTP server: access, sessions, streams, limits on callers, and shutdown.

mod access;
mod cors;
mod drain;
mod embedded;
mod fast_path;
mod issuer;
mod left_calls;
mod resume;
mod sessions;
mod stress;
mod tasks;
