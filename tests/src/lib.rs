//! What the tests share: a server to be mistreated, and a client that sends any bytes at all.

pub mod fixture;
pub mod wire;
