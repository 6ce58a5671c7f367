//! What tests and benchmarks share: a server to be mistreated, a client that sends any bytes at all, and a server on
//! bare rmcp to be measured against.

pub mod fixture;
pub mod twin;
pub mod wire;
