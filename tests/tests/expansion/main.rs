//! Tests that an expansion works for functions of every form: under `cfg`, with parameters and results of every kind, and under
//! strict lints.

#![deny(warnings)]
// The functions here have the signatures that the tests need.
#![allow(clippy::pedantic, clippy::too_many_arguments, clippy::non_minimal_cfg)]

// Here, and not in a module: the lints of public items see what a crate exports.
mod hygiene;

use candor::{Server, State, mcp_tool, testing::Client, tools};
use serde_json::{Value, json};

/// Calls `tool` of `server` and returns its result.
async fn result<C: State>(server: Server<C>, tool: &str, arguments: Value) -> Value {
    let client = Client::of(server.yes_destructive()).await;
    let answer = client.call(tool, arguments).await.unwrap();
    assert!(!answer.is_error, "{}", answer.text());
    answer.structured.clone().unwrap_or_else(|| answer.text().into())
}

fn server() -> Server {
    Server::new("expansion", "1.0.0").without_idempotency()
}

/// Above the attribute.
#[cfg(all())]
#[mcp_tool(read_only, public)]
fn configured() -> u8 {
    1
}

/// Above the attribute, and disabled.
#[cfg(any())]
#[mcp_tool(read_only, public)]
fn configured() -> u8 {
    2
}

/// Below the attribute.
#[mcp_tool(read_only, public)]
#[cfg(all())]
fn configured_below() -> u8 {
    3
}

/// Below the attribute, and disabled.
#[mcp_tool(read_only, public)]
#[cfg(any())]
fn configured_below() -> u8 {
    4
}

#[tokio::test]
async fn tools_under_a_cfg_are_enabled_with_it() {
    let configured = || server().tools(tools![configured, configured_below]);
    assert_eq!(result(configured(), "configured", json!({})).await, json!(1));
    assert_eq!(result(configured(), "configured_below", json!({})).await, json!(3));
}

/// Show the arguments of the call.
#[mcp_tool(read_only, public)]
fn every_kind(
    /// Text, lent.
    text: &str,
    /// A list, lent.
    list: &[u8],
    /// A letter.
    letter: char,
    /// Optional.
    maybe: Option<bool>,
    /// Optional, with a default.
    #[param(default = "none")]
    word: String,
    /// Optional, with a list as its default.
    #[param(default = [1, 2])]
    numbers: Vec<i8>,
    /// Nested types.
    nested: std::collections::BTreeMap<String, Vec<Option<(u8, f64)>>>,
    /// Borrowed for `'static`.
    forever: std::borrow::Cow<'static, str>,
) -> String {
    format!("{text} {list:?} {letter} {maybe:?} {word} {numbers:?} {nested:?} {forever}")
}

#[tokio::test]
async fn parameters_of_every_kind_are_read() {
    let arguments = json!({
        "text": "t", "list": [1], "letter": "l", "nested": {"n": [null, [1, 0.5]]}, "forever": "f"
    });
    let shown = r#"t [1] l None none [1, 2] {"n": [None, Some((1, 0.5))]} f"#;
    assert_eq!(result(server().tools(tools![every_kind]), "every_kind", arguments).await, json!(shown));
}

struct Held(String);

#[derive(State)]
struct Holder(Held);

/// Return a `'static` borrow.
#[mcp_tool(read_only, public)]
fn static_borrow() -> &'static str {
    "good"
}

/// Return a borrow of the state.
#[mcp_tool(read_only, public)]
fn borrow_of_state<'a, 'b: 'a>(held: &'b Held, _: &'a candor::Call) -> Option<&'a str> {
    held.0.get(..4)
}

/// Return a borrow of the state from an `async fn`.
#[mcp_tool(read_only, public)]
async fn async_borrow_of_state(held: &Held) -> Result<&str, &'static str> {
    held.0.get(5..).ok_or("too short")
}

#[tokio::test]
async fn results_with_a_lifetime_are_serialized() {
    let holder = || {
        let tools = tools![static_borrow, borrow_of_state, async_borrow_of_state];
        server().state(Holder(Held("held back".to_owned()))).tools(tools)
    };
    assert_eq!(result(holder(), "static_borrow", json!({})).await, json!("good"));
    assert_eq!(result(holder(), "borrow_of_state", json!({})).await, json!("held"));
    assert_eq!(result(holder(), "async_borrow_of_state", json!({})).await, json!("back"));
}

/// Tools under the lints that a careful user denies. `unreachable_pub` needs the module to be public.
pub mod no_warning {
    #![deny(missing_docs, unreachable_pub, rust_2018_idioms)]

    use candor::{Call, mcp_tool};

    /// Wait.
    #[mcp_tool(read_only, public)]
    pub(crate) async fn wait() {}

    /// Count the words.
    #[mcp_tool(read_only, public)]
    #[deprecated = "count letters"]
    pub fn count_words(
        _call: &Call,
        /// The text.
        text: &str,
    ) -> usize {
        text.split_whitespace().count()
    }

    /// Tell whether there is a first letter.
    #[mcp_tool(read_only, public)]
    #[must_use]
    pub(crate) fn has_letters(
        _: &Call,
        /// The words.
        mut words: Vec<String>,
    ) -> Option<bool> {
        words.pop().map(|word| !word.is_empty())
    }
}

#[test]
fn expansion_under_denied_lints_causes_no_warning() {
    use no_warning::*;

    server().tools(tools![wait, count_words, has_letters]).build().unwrap();
}

struct Alerts;

#[derive(State)]
struct Desk {
    #[state(write)]
    alerts: Alerts,
}

/// Delete every price alert of one symbol.
#[mcp_tool(destructive, idempotent, scope = "write:alerts")]
fn clear_alerts(
    _alerts: &Alerts,
    /// Ticker symbol.
    symbol: String,
) -> Result<usize, String> {
    Ok(symbol.len())
}

#[test]
fn tool_called_as_a_function_takes_its_parameters() {
    server().state(Desk { alerts: Alerts }).tools(tools![clear_alerts]).unaudited().build().unwrap();
    assert_eq!(clear_alerts(&Alerts, "AAPL".to_owned()), Ok(4));
}
