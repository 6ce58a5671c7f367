//! Behaviour of Candor through its public API.
