//! Idempotency keys: repeated calls in memory and in real processes, and the stores of results.

mod carriers;
mod crash;
mod disconnect;
mod http;
mod in_memory;
mod journal;
mod process;
mod repair;
mod store;
