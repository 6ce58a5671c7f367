//! Example servers built with Candor, on real data.

pub mod broker;
pub mod files;
pub mod liars;
pub mod notes;
pub mod prices;
pub mod weather;
