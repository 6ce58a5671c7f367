//! Calls of tools: arguments, results, limits, retries, and the order of the checks.

mod answers;
mod bad_arguments;
mod constraints;
mod exact_integers;
mod handlers;
mod hidden_characters;
mod lifecycle;
mod limits;
mod nested_faults;
mod output;
mod request_info;
mod retry;
mod session_state;
mod stage_order;
