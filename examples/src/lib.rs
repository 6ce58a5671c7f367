//! Servers built with Candor, on real data.
