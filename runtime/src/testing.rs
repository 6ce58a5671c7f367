//! Tests servers: a client in the same process, and the context of a call for a single handler.
//!
//! A unit test needs neither: a tool is a function, so call it. If it takes `&Call`, pass [`call()`]. A [`Client`] tests
//! the whole path of a call over the real protocol.

use std::{
    fmt::Debug,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio_util::sync::CancellationToken;

pub use crate::{
    audit::Disk,
    client::{Answer, CallError, Client, ClientBuilder, ElicitAction, FilledForm},
    clock::Clock,
};
use crate::{
    spans::PartSpan,
    tool::{ask::Round, call::Call, caller::Caller, descriptor::Descriptor},
    wire_names,
};

/// Calls a tool that is declared `idempotent` twice, and compares what an observer sees of the state after each call.
///
/// ```
/// use std::sync::{Arc, Mutex};
///
/// use candor::{Server, State, mcp_tool, testing::{Client, assert_idempotent}, tools};
/// use serde_json::json;
///
/// type Names = Arc<Mutex<Vec<String>>>;
///
/// #[derive(State)]
/// struct App {
///     #[state(write)]
///     names: Names,
/// }
///
/// /// Add a name to the list, if it is not there.
/// #[mcp_tool(additive, idempotent, closed_world, public)]
/// fn add_name(
///     names: &Names,
///     /// The name.
///     name: String,
/// ) {
///     let mut names = names.lock().unwrap();
///     if !names.contains(&name) {
///         names.push(name);
///     }
/// }
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let names = Names::default();
/// let client = Client::of(Server::new("n", "1").state(App { names: names.clone() }).tools(tools![add_name])).await;
/// assert_idempotent!(client, "add_name", json!({"name": "Ada"}), || names.lock().unwrap().clone());
/// # });
/// ```
///
/// The observer may be asynchronous: `async || …`. Two calls with one idempotency key would run once, so each call has a key
/// of its own if the tool takes one.
///
/// # Panics
///
/// The tool is not declared `idempotent`, a call fails, or the state differs after the second call.
#[doc(inline)]
pub use crate::__assert_idempotent as assert_idempotent;

#[doc(hidden)]
#[macro_export]
macro_rules! __assert_idempotent {
    ($client:expr, $tool:expr, $arguments:expr, async $($observe:tt)+) => {{
        let observe = async $($observe)+;
        let (client, tool, arguments) = (&$client, $tool, $arguments);
        $crate::testing::call_declared_idempotent(client, tool, &arguments).await;
        let first = observe().await;
        $crate::testing::call_declared_idempotent(client, tool, &arguments).await;
        $crate::testing::compare_states(tool, &first, &observe().await);
    }};
    ($client:expr, $tool:expr, $arguments:expr, $observe:expr $(,)?) => {{
        let observe = $observe;
        let (client, tool, arguments) = (&$client, $tool, $arguments);
        $crate::testing::call_declared_idempotent(client, tool, &arguments).await;
        let first = observe();
        $crate::testing::call_declared_idempotent(client, tool, &arguments).await;
        $crate::testing::compare_states(tool, &first, &observe());
    }};
}

/// Checks that the list of a server's tools costs a model at most this many tokens, as estimated by
/// [`Server::list_budget`](crate::Server::list_budget).
///
/// ```
/// use candor::{Server, mcp_tool, testing::assert_list_fits, tools};
///
/// /// Say hello.
/// #[mcp_tool(read_only, closed_world, public)]
/// fn hello() -> &'static str {
///     "Hello!"
/// }
///
/// assert_list_fits!(Server::new("greeter", "1.0.0").tools(tools![hello]), 100);
/// ```
///
/// # Panics
///
/// The list costs more, or the server's tools cannot be described.
#[doc(inline)]
pub use crate::__assert_list_fits as assert_list_fits;

#[doc(hidden)]
#[macro_export]
macro_rules! __assert_list_fits {
    ($server:expr, $tokens:expr $(,)?) => {
        if let ::core::result::Result::Err(error) = $server.check_list_budget($tokens) {
            ::core::panic!("{error}");
        }
    };
}

/// Calls a tool for [`assert_idempotent!`], with a new idempotency key if it takes one.
#[doc(hidden)]
pub async fn call_declared_idempotent(client: &Client, tool: &str, arguments: &Value) {
    let tools = client.tools().await.unwrap_or_else(|error| panic!("the tools cannot be listed: {error}"));
    let listed = tools.iter().find(|listed| listed["name"] == tool);
    let listed = listed.unwrap_or_else(|| panic!("the server lists no tool `{tool}` to this client"));
    let is_declared = listed["annotations"]["idempotentHint"] == true;
    assert!(is_declared, "tool `{tool}` is not declared `idempotent`");
    if ["optional", "required"]
        .iter()
        .any(|word| listed["_meta"][wire_names::IDEMPOTENCY_KEY]["use"] == *word)
    {
        client.with_idempotency_key(&format!("{:032x}", fastrand::u128(..)));
    }
    let answer = client.call(tool, arguments.clone()).await;
    let answer = answer.unwrap_or_else(|error| panic!("the call of tool `{tool}` was refused: {error}"));
    assert!(!answer.is_error, "the call of tool `{tool}` failed: {}", answer.text());
}

/// Compares the states that [`assert_idempotent!`] saw.
#[doc(hidden)]
pub fn compare_states<T: PartialEq + Debug>(tool: &str, first: &T, second: &T) {
    assert!(
        first == second,
        "tool `{tool}` is declared `idempotent`, and a second call changed the state\n  after the first: \
         {first:?}\n after the second: {second:?}"
    );
}

/// Checks that the committed lock of a server is its contract: that no definition of a tool changed without the lock.
///
/// The file is `tools.lock.json` beside the package's `Cargo.toml`; a second argument names another file there. The
/// command `lock --write` writes it.
///
/// ```no_run
/// use candor::{Server, testing::assert_locked};
///
/// assert_locked!(Server::new("prices", "1.0.0"));
/// assert_locked!(Server::new("prices", "1.0.0"), "locks/prices.lock.json");
/// ```
///
/// # Panics
///
/// The file cannot be read, is not a lock, or is not the contract of this server. The message lists the changes, each with its
/// class.
#[doc(inline)]
pub use crate::__assert_locked as assert_locked;

#[doc(hidden)]
#[macro_export]
macro_rules! __assert_locked {
    ($server:expr $(,)?) => {
        $crate::__assert_locked!($server, "tools.lock.json")
    };
    ($server:expr, $file:expr $(,)?) => {
        $crate::testing::check_lock(&$server, ::std::env!("CARGO_MANIFEST_DIR"), $file)
    };
}

/// Compares a server with its committed lock for [`assert_locked!`].
#[doc(hidden)]
#[track_caller]
pub fn check_lock<C: crate::tool::state::State>(server: &crate::Server<C>, folder: &str, file: &str) {
    let lock = server.lock().unwrap_or_else(|error| panic!("the server has no contract: {error}"));
    let path = Path::new(folder).join(file);
    if let Err(check) = crate::contract::check_locked(&lock, &path) {
        panic!("{}", check.message());
    }
}

/// Returns a context to call a handler with: a local caller without scopes, a deadline in an hour, and no client that
/// reads progress.
pub fn call() -> Call {
    Call {
        descriptor: &Descriptor::DEFAULT,
        caller: Arc::new(Caller::local::<&str>([])),
        idempotency_key: None,
        reports: None,
        request: None,
        round: Round::default(),
        cancelled: CancellationToken::new(),
        deadline: Instant::now() + Duration::from_secs(3600),
        span: PartSpan::current(),
    }
}
