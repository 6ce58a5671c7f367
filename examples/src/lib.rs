//! Servers built with Candor, on real data.

pub mod prices;
