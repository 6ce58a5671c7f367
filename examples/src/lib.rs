//! Example servers built with Candor, on real data.

pub mod liars;
pub mod prices;
