//! What tests and benchmarks share: servers to be mistreated, a client that sends any bytes at all, and a server on
//! bare rmcp to be measured against.

pub mod fixture;
pub mod rich;
pub mod twin;
pub mod wire;
