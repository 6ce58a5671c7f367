//! Example servers built with Candor, on real data.

pub mod broker;
pub mod liars;
pub mod prices;
pub mod weather;
