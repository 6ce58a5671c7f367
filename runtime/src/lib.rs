//! MCP tools that mean what they declare.
//!
//! [`mcp_tool`] turns a plain function into a declared tool and refuses what is missing, contradictory or dishonest;
//! [`Server`] makes a program of such tools; [`testing::Client`] calls them over the real protocol in a test.
//!
//! ```
//! use candor::{Server, mcp_tool, testing::Client, tools};
//! use serde_json::json;
//!
//! /// Say hello to somebody.
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
mod tasks;
pub mod testing;
mod text;
mod tool;

pub use audit::AuditLog;
/// Makes the fields of a struct the handles that tools take by type.
///
/// `#[state(write)]` and `#[state(network)]` say what holding a handle makes possible: a `read_only` tool that takes
/// the first, and a `closed_world` tool that takes the second, do not compile. `#[state(skip)]` leaves a field out.
/// `#[state(crate = ::path)]` on the struct names `candor` where it goes by another name.
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
/// Two tools of one name do not compile, in whichever modules they stand. Where `candor` goes by another name:
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
pub use registry::StartError;
pub use retry::{retry, retry_blocking};
pub use revision::Revision;
/// The protocol library underneath, for a handler of prompts and resources: [`Server::handler`].
pub use rmcp;
pub use sandbox::Sandbox;
pub use server::{Server, Service};
pub use tool::{
    ask::{Ask, ClientFeature},
    call::{Call, Caller},
    descriptor::{
        Audit, Deprecated, Descriptor, Effect, IdempotencyKey, Literal, Param, Per, Rate, Rule, Task,
    },
    handler::Tools,
    output::{Block, Content, Output, ToolError},
    progress::Level,
    state::State,
};

/// What expansions name. Nothing here is for people, and nothing here is stable.
#[doc(hidden)]
pub mod __private {
    pub use std::{
        option::Option::{self, None, Some},
        primitive::str,
        time::Duration,
    };

    /// For the benchmark that runs it beside the crate `jsonschema`.
    pub use crate::schema::Checker;
    pub use crate::tool::{
        args::param,
        descriptor::{
            Audit, Deprecated, Descriptor, Effect, IdempotencyKey, Literal, Param, Per, Rate, Rule, Task,
        },
        handler::{Named, Run, Running, Tool, Tools, twin},
        output::{Plainly, Returned},
        state::{InClosedWorld, InReadOnly, Network, Plain, Provide, State, Write, WriteAndNetwork},
    };

    /// A future that may cross threads, boxed.
    pub fn boxed<'a, F: Future<Output = crate::tool::output::Reply> + Send + 'a>(future: F) -> Running<'a> {
        Box::pin(future)
    }
}
