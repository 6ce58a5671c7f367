//! Serves connections over stdio and HTTP. Together with the client, the only part that knows rmcp.

pub(crate) mod convert;
#[cfg(feature = "http")]
#[cfg_attr(
    not(feature = "cli"),
    expect(dead_code, unused_imports, reason = "only the command line has a listener of its own")
)]
pub(crate) mod http;
mod mcp;
mod message;
mod service;
mod shared;
mod shutdown;
mod stdio;
mod tool_list;
mod user_handler;

pub(crate) use rmcp::ServerHandler;

#[cfg(feature = "http")]
pub use http::{HttpOptions, HttpService};
pub use service::Service;
pub(crate) use shared::ReadinessCheck;
#[cfg(feature = "cli")]
pub(crate) use shutdown::Shutdown;
#[cfg(feature = "cli")]
pub(crate) use stdio::Stdio;
pub(crate) use tool_list::listed;
pub(crate) use user_handler::UserHandler;
