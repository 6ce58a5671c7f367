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
//!
//! The [guide](_guide) has a page for each subject, from the [first server](_guide::first_server) to [running it in
//! production](_guide::production). The documentation of [`mcp_tool`] is the reference of every key.
//!
//! # Features
//!
//! | feature | default | what it adds |
//! | --- | --- | --- |
//! | `cli` | yes | the command line of [`Server::main`]. Without it a server is embedded: [`Server::build`] |
//! | `http` | yes | Streamable HTTP, API keys in a file, and health checks |
//! | `redb` | yes | idempotency keys on disk. Without it they are kept in memory |
//! | `telemetry` | yes | logs, spans and metrics of requests |
//! | `postgres` | no | a store in a PostgreSQL database that several replicas of a server share |
//! | `otel` | no | traces and metrics for an OpenTelemetry collector (OTLP over HTTP); implies `telemetry` |
//! | `oauth` | no | access tokens of an OAuth 2.1 authorization server; implies `http` |
//! | `testing` | no | [`testing::Client`], for `[dev-dependencies]` |
//!
//! The minimum Rust version is 1.90. The kernel enforces declared effects on Linux; other systems enforce the rest.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod about;
#[cfg(feature = "http")]
pub mod access;
mod audit;
#[cfg(any(feature = "cli", feature = "http"))]
mod background;
mod canonical;
#[cfg(feature = "cli")]
mod cli;
mod client;
mod clock;
mod confirm;
mod contract;
#[cfg(feature = "postgres")]
mod database;
#[cfg(any(feature = "cli", feature = "http"))]
mod descriptors;
mod file_system;
mod idempotency;
mod lifecycle;
mod limits;
mod message;
mod ordered;
mod pipeline;
mod publication;
mod record;
mod registry;
mod replica;
mod retry;
mod revision;
mod sandbox;
mod schema;
mod scopes;
mod serve;
mod server;
mod spans;
mod start_error;
mod start_runtime;
mod state_key;
#[cfg(feature = "cli")]
mod stats;
mod stderr;
mod store;
mod tasks;
mod telemetry;
pub mod testing;
mod text;
mod tool;
mod warnings;
mod wire_names;

// Only the documentation has it, so that a change of a page compiles nothing again.
#[cfg(doc)]
pub mod _guide;

pub use audit::AuditLog;
/// Makes the fields of a struct handles that tools take by type.
///
/// Marks say what a tool can do with a handle:
///
/// | mark | means |
/// | --- | --- |
/// | `#[state(write)]` | it can write: a `read_only` tool that takes it does not compile |
/// | `#[state(network)]` | it can reach the network: a `closed_world` tool that takes it does not compile |
/// | `#[state(read)]` | it neither writes nor reaches the network, although its type's name suggests it |
/// | `#[state(skip)]` | the field is not a handle |
///
/// A field without a mark can do neither. A field needs a mark if the name of its type ends in `Client`, `Connection`,
/// `Database`, `File`, `Handle`, `Pool`, `Sender`, `Socket` or `Stream`, also inside containers such as `Arc` and
/// `Mutex`. `#[state(crate = ::path)]` on the struct is the path of `candor` if it has another name.
///
/// ```
/// use candor::{Server, State, mcp_tool, tools};
///
/// struct Prices;
/// struct SqlitePool;
/// struct HttpClient;
///
/// #[derive(State)]
/// struct App {
///     prices: Prices,
///     #[state(read)] // opened with `mode=ro`
///     history: SqlitePool,
///     #[state(write, network)]
///     orders: HttpClient,
/// }
///
/// /// Count the days with a price.
/// #[mcp_tool(read_only, closed_world, public)]
/// fn days(history: &SqlitePool) -> u32 {
///     365
/// }
///
/// let app = App { prices: Prices, history: SqlitePool, orders: HttpClient };
/// Server::new("prices", "1.0.0").state(app).tools(tools![days]).build().unwrap();
/// ```
///
/// ```compile_fail
/// # struct SqlitePool;
/// #[derive(candor::State)]
/// struct App {
///     history: SqlitePool, // has no mark
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
/// The command-line library, for [`Server::args`]: `use candor::clap;`, then `#[derive(clap::Args)]`.
#[cfg(feature = "cli")]
pub use clap;
#[cfg(feature = "cli")]
pub use cli::ServeOptions;
pub use contract::{Manifest, ManifestFormat};
pub use message::Message;
pub use pipeline::OutdatedCalls;
pub use publication::Publication;
pub use retry::{retry, retry_blocking};
pub use revision::Revision;
/// The protocol library, for a handler of prompts and resources: [`Server::handler`].
pub use rmcp;
pub use sandbox::Sandbox;
#[cfg(feature = "http")]
pub use serve::{HttpOptions, HttpService};
#[cfg(feature = "cli")]
#[doc(hidden)]
pub use server::NeedsStateWith;
pub use server::{NoState, Server, Service, StopResult};
pub use start_error::StartError;
pub use store::KeyStore;
pub use tool::{
    args::Argument,
    as_text::{AsText, WholeNumber},
    ask::{Ask, ClientFeature, FormAnswer},
    call::Call,
    caller::Caller,
    descriptor::{
        Audit, Confirm, Deprecated, Descriptor, Effect, IdempotencyKey, Literal, Param, Per, Rate, Rule, Task,
    },
    error::ToolError,
    handler::{Tool, Tools},
    output::{Annotations, Audience, Block, Content, Output, Structured},
    progress::Level,
    request_info::SessionName,
    returned::Failure,
    state::{Provide, State, Takes},
};

/// The items that expansions name. This module is not part of the public API.
#[doc(hidden)]
pub mod __private {
    pub use std::{
        option::Option::{self, None, Some},
        primitive::str,
        result::Result::{Err, Ok},
        time::Duration,
    };

    use std::marker::PhantomData;

    pub use candor_macros::append;

    use crate::tool::{handler::Entry, outcome::Outcome, output::Reply};
    pub use crate::{Argument, Failure, Output, Provide, Takes, Tool};

    /// For the benchmark that runs it beside the crate `jsonschema`.
    pub use crate::schema::Checker;
    pub use crate::tool::{
        descriptor::{
            Audit, Confirm, Deprecated, Descriptor, Effect, IdempotencyKey, Literal, Param, Per, Rate, Rule,
            Task,
        },
        handler::{HandlerFuture, Named, Run, Tools, duplicate, taken_alias},
        returned::{Failed, FailedWithBox, FailedWithText, FailsWithBox, FailsWithText, Returned, Succeeds},
        state::{InClosedWorld, InReadOnly, Network, Plain, State, Write, WriteAndNetwork},
    };

    /// Installs the log that `serve` installs by default, and sends spans and metrics to `endpoint` if there is one. For the
    /// benchmark of both.
    #[cfg(all(feature = "cli", feature = "otel"))]
    pub fn install_telemetry(service: &crate::Service, endpoint: Option<&str>) -> bool {
        use crate::{
            about::About,
            spans,
            telemetry::{
                Otlp,
                log::{LineFilter, LineForm, install},
            },
        };

        let name = "benchmark".to_owned();
        let about = About { name, version: String::new(), title: None, instructions: None, logging: false };
        let otlp = endpoint.and_then(|to| Otlp::start(Some(to), &about, None).ok().flatten());
        let filter = LineFilter::of_level(tracing::level_filters::LevelFilter::INFO);
        let is_installed = install(LineForm::Json, filter, otlp.as_ref().and_then(Otlp::layer));
        if let Some(otlp) = otlp {
            service.export_metrics(&otlp);
            otlp.tracer().into_iter().for_each(spans::export_to);
            // The export lasts as long as the process.
            std::mem::forget(otlp);
        }
        is_installed
    }

    /// The outcome of a handler that did not fail.
    pub fn done(reply: Reply) -> Outcome {
        reply.into()
    }

    /// The entry of a tool whose handles this state has.
    pub fn entry<C>(_: PhantomData<C>, entry: Entry<C>) -> Entry<C> {
        entry
    }

    /// Boxes a future that may cross threads.
    pub fn boxed<'a, F: Future<Output = Outcome> + Send + 'a>(future: F) -> HandlerFuture<'a> {
        Box::pin(future)
    }
}
