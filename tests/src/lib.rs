//! Behaviour of Candor through its public API.

pub mod twin;
