//! MCP tools that mean what they declare.
//!
//! [`mcp_tool`] turns a plain function into a declared tool, and rejects declarations that are incomplete, contradictory
//! or false. [`Server`] makes a program of such tools. [`testing::Client`] calls them over the real protocol in a test.
//!
//! ```
//! use candor::{Server, mcp_tool, testing::Client, tools};
//! use serde_json::json;
//!
//! /// Say hello.
//! #[mcp_tool(read_only, closed_world, public)]
//! fn hello(
//!     /// Whom to greet.
//!     name: &str,
//! ) -> String {
//!     format!("Hello, {name}!")
//! }
//!
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! let client = Client::of(Server::new("hello", "1.0.0").tools(tools![hello])).await;
//! assert_eq!(client.call("hello", json!({"name": "Ada"})).await.unwrap().text(), "Hello, Ada!");
//! # });
//! ```

mod about;
#[cfg(feature = "http")]
pub mod access;
mod audit;
#[cfg(feature = "cli")]
mod cli;
mod client;
mod clock;
mod confirm;
mod contract;
mod limits;
mod message;
mod pipeline;
mod record;
mod registry;
mod retry;
mod revision;
mod sandbox;
mod schema;
mod scopes;
mod serve;
mod server;
mod start_error;
#[cfg(any(feature = "cli", feature = "oauth"))]
mod stderr;
mod tasks;
pub mod testing;
mod text;
mod tool;
mod wire_names;

pub use audit::AuditLog;
/// Makes the fields of a struct handles that tools take by type.
///
/// `#[state(write)]` and `#[state(network)]` declare the access of a handle: a `read_only` tool that takes the first does
/// not compile, and neither does a `closed_world` tool that takes the second. `#[state(skip)]` leaves a field out.
/// `#[state(crate = ::path)]` on the struct sets the path of `candor` if the crate was renamed.
///
/// ```
/// use candor::State;
///
/// struct Prices;
/// struct Alerts;
///
/// #[derive(State)]
/// struct App {
///     prices: Prices,
///     #[state(write)]
///     alerts: Alerts,
/// }
/// ```
pub use candor_macros::State;
#[doc = include_str!("attribute.md")]
pub use candor_macros::mcp_tool;
/// Lists tools for [`Server::tools`]: `tools![get_price, alerts::clear]`.
///
/// Two tools with the same name do not compile, even if they are in different modules. If `candor` was renamed, write
/// `tools![crate = ::path; get_price]`.
///
/// ```
/// use candor::{Server, mcp_tool, tools};
///
/// mod numbers {
///     /// The answer.
///     #[candor::mcp_tool(read_only, closed_world, public)]
///     pub fn answer() -> u8 {
///         42
///     }
/// }
///
/// let server = Server::new("numbers", "1.0.0").tools(tools![numbers::answer]);
/// # server.build().unwrap();
/// ```
///
/// ```compile_fail
/// # use candor::{Server, tools};
/// # /// The answer.
/// # #[candor::mcp_tool(read_only, closed_world, public)]
/// # fn answer() -> u8 { 42 }
/// Server::new("numbers", "1.0.0").tools(tools![answer, answer]);
/// ```
pub use candor_macros::tools;
pub use message::Message;
pub use retry::{retry, retry_blocking};
pub use revision::Revision;
/// The protocol library, for a handler of prompts and resources: [`Server::handler`].
pub use rmcp;
pub use sandbox::Sandbox;
pub use server::{Server, Service};
pub use start_error::StartError;
pub use tool::{
    ask::{Ask, ClientFeature},
    call::Call,
    caller::Caller,
    descriptor::{
        Audit, Deprecated, Descriptor, Effect, IdempotencyKey, Literal, Param, Per, Rate, Rule, Task,
    },
    error::ToolError,
    handler::Tools,
    output::{Block, Content, Output},
    progress::Level,
    state::State,
};

/// The items that expansions name. This module is not part of the public API.
#[doc(hidden)]
pub mod __private {
    pub use std::{
        option::Option::{self, None, Some},
        primitive::str,
        time::Duration,
    };

    use crate::tool::outcome::Outcome;
    pub use crate::tool::{
        args::param,
        descriptor::{
            Audit, Deprecated, Descriptor, Effect, IdempotencyKey, Literal, Param, Per, Rate, Rule, Task,
        },
        handler::{HandlerFuture, Named, Run, Tool, Tools, duplicate},
        returned::{FailsWithBox, FailsWithText, Returned, Succeeds},
        state::{InClosedWorld, InReadOnly, Network, Plain, Provide, State, Write, WriteAndNetwork},
    };

    /// Boxes a future that may cross threads.
    pub fn boxed<'a, F: Future<Output = Outcome> + Send + 'a>(future: F) -> HandlerFuture<'a> {
        Box::pin(future)
    }
}
