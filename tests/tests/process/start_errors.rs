//! Servers that do not start, and their errors.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use candor::{Server, State, mcp_tool, testing::Client, tools};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::json;

/// Say the time.
#[mcp_tool(read_only, closed_world, public)]
fn clock() -> &'static str {
    "noon"
}

mod other {
    use candor::mcp_tool;

    /// Say another time.
    #[mcp_tool(read_only, closed_world, public, name = "clock")]
    pub(crate) fn watch() -> &'static str {
        "one"
    }
}

#[test]
fn server_with_two_tools_of_one_name_does_not_start() {
    let server = || Server::new("s", "1").tools(tools![clock]).tools(tools![other::watch]);
    let message =
        "two tools are called `clock`\nhelp: give one of them `name = \"…\"` in its `#[mcp_tool(…)]`";
    assert_eq!(server().build().err().unwrap().to_string(), message);
    assert_eq!(server().manifest().unwrap_err().to_string(), message);
    assert_eq!(server().reference().unwrap_err().to_string(), message);
    let twice = Server::new("s", "1").tools(tools![clock]).state(()).tools(tools![clock]);
    assert_eq!(
        twice.build().err().unwrap().to_string(),
        message,
        "also if only one of them comes after the state"
    );
}

#[derive(State)]
struct App {
    word: Word,
}

struct Word(&'static str);

/// Say the word.
#[mcp_tool(read_only, closed_world, public)]
fn word(word: &Word) -> &'static str {
    word.0
}

#[test]
fn server_whose_state_fails_reports_the_reason() {
    let server = Server::new("s", "1").state_with(|| Err::<App, _>("the disk is full")).tools(tools![word]);
    let error = server.build().err().unwrap().to_string();
    assert_eq!(error, "the server's state could not be made\nnote: the disk is full");
}

/// An error whose text leaves its cause to `source`.
#[derive(Debug)]
struct Unreadable(std::io::Error);

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the list cannot be read")
    }
}

impl std::error::Error for Unreadable {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

#[test]
fn state_that_cannot_be_made_names_the_causes() {
    let state = || Err::<App, _>(Unreadable(std::io::Error::other("the disk is full")));
    let error = Server::new("s", "1").state_with(state).tools(tools![word]).build().err().unwrap();
    let expected = "the server's state could not be made\nnote: the list cannot be read: the disk is full";
    assert_eq!(error.to_string(), expected);
}

#[tokio::test]
async fn state_is_made_once_and_only_to_serve() {
    let made = Arc::new(AtomicUsize::new(0));
    let server = || {
        let made = Arc::clone(&made);
        let state = move || {
            made.fetch_add(1, Ordering::Relaxed);
            Ok::<_, String>(App { word: Word("ahoy") })
        };
        // A tool that needs no state may come before it.
        Server::new("s", "1").tools(tools![clock]).state_with(state).tools(tools![word])
    };
    server().manifest().unwrap();
    server().reference().unwrap();
    assert_eq!(made.load(Ordering::Relaxed), 0);
    let client = Client::of(server()).await;
    assert_eq!(client.call("word", json!({})).await.unwrap().text(), "ahoy");
    assert_eq!(client.call("clock", json!({})).await.unwrap().text(), "noon");
    assert_eq!(made.load(Ordering::Relaxed), 1);
}

/// A type of the user, which is a string in JSON.
#[derive(Deserialize)]
struct Cents(#[expect(dead_code, reason = "read from JSON alone")] String);

impl JsonSchema for Cents {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Cents".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": "^[0-9]+$"})
    }
}

/// Pay.
#[mcp_tool(additive, closed_world, public)]
fn pay(
    /// The sum.
    #[param(min = 1)]
    cents: Cents,
) {
    drop(cents);
}

/// Pay a usual sum.
#[mcp_tool(additive, closed_world, public)]
fn pay_usual(
    /// The sum.
    #[param(example = "a lot")]
    cents: Cents,
) {
    drop(cents);
}

/// Pay the default.
#[mcp_tool(additive, closed_world, public)]
fn pay_default(
    /// The sum.
    #[param(default = "nothing")]
    cents: Cents,
) {
    drop(cents);
}

/// Pay in words.
#[mcp_tool(additive, closed_world, public)]
fn pay_words(
    /// The sum.
    #[param(max_len = 2, example = "12")]
    cents: Cents,
) {
    drop(cents);
}

#[test]
fn param_bounds_that_do_not_fit_a_users_type_name_the_parameter() {
    let refused = |tools| Server::new("s", "1").tools(tools).build().err().unwrap().to_string();
    let fact = |tool| format!("tool `{tool}` cannot be described to a client\nnote: parameter `cents`: ");
    assert_eq!(
        refused(tools![pay]),
        fact("pay") + "`min` bounds a number or integer, and its type is string in JSON"
    );
    assert_eq!(refused(tools![pay_usual]), fact("pay_usual") + "its `example` does not fit its own schema");
    assert_eq!(
        refused(tools![pay_default]),
        fact("pay_default") + "its `default` does not fit its own schema"
    );
    Server::new("s", "1").unaudited().tools(tools![pay_words]).build().unwrap();
}

#[test]
fn server_without_tools_starts_and_without_revisions_does_not() {
    Server::new("s", "1").build().unwrap();
    assert!(Server::new("s", "1").revisions([]).tools(tools![clock]).build().is_err());
}
