//! Servers as processes: their arguments, streams and terminal, and starts that fail.

mod broken_output;
mod host_config;
mod lost_threads;
mod own_arguments;
mod start_errors;
mod stdio;
mod stdout;
mod terminal;
