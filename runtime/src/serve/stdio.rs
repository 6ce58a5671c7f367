//! Serves one client over a pair of byte streams, one message per line.

pub(super) mod descriptors;
mod fast_path;
pub(super) mod parse;
mod sandboxed;
pub(super) mod transport;
