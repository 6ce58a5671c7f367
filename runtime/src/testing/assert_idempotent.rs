//! Calls a tool twice, and compares the states that follow.

use std::fmt::Debug;

use serde_json::Value;

use crate::{client::Client, wire_names};

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
