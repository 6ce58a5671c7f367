//! What the tests share: servers to be mistreated, and a client that sends any bytes at all.

pub mod fixture;
pub mod rich;
pub mod wire;
