//! Serves one client over the process's stdin and stdout, or over any pair of byte streams.

mod connection;
mod descriptors;
mod in_flight;
mod transport;

pub(crate) use descriptors::Stdio;
