//! Tests that an expansion works in every place: among names that shadow its own, in functions and modules, under
//! `cfg`, and in code that a macro wrote.

#![deny(warnings)]
// The functions here have the signatures that the tests need.
#![allow(clippy::pedantic, clippy::too_many_arguments, clippy::non_minimal_cfg)]

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
    Server::new("hygiene", "1.0.0").without_idempotency()
}

/// Shadows every name that an expansion could use.
#[allow(non_camel_case_types, dead_code, unreachable_pub)]
mod shadowed {
    pub struct Box;
    pub struct Option;
    pub struct Some;
    pub struct None;
    pub struct Result;
    pub struct Vec;
    pub struct String;
    pub struct Returned;
    pub struct Descriptor;
    pub struct Param;
    pub struct Duration;
    pub struct Succeeds;
    pub struct C;
    pub struct str;
    pub struct usize;
    pub mod std {}
    pub mod core {}
    pub mod alloc {}
    pub mod serde {}
    pub mod schemars {}
    pub mod candor {}
    pub trait Send {}
    pub trait Named {}
    pub trait Tool {}
    pub trait State {}

    pub struct Prices(pub u64);

    #[derive(::candor::State)]
    pub struct App {
        pub prices: Prices,
        #[state(write, network)]
        pub count: u64,
    }

    pub mod tools {
        use super::*;

        type Text = ::std::string::String;

        /// Add up.
        #[::candor::mcp_tool(read_only, closed_world, public)]
        pub fn add(
            prices: &Prices,
            /// The first.
            #[param(min = 1, max = 9, default = 2)]
            first: u64,
            /// The second.
            second: ::std::option::Option<u64>,
        ) -> ::std::result::Result<u64, Text> {
            ::std::result::Result::Ok(prices.0 + first + second.unwrap_or_default())
        }

        /// Add up, later.
        #[::candor::mcp_tool(destructive, public, rate = "9/s", timeout = "9s")]
        #[doc = "And a second line."]
        pub async fn add_later(
            count: &u64,
            /// The number to add.
            numbers: &[u64],
        ) -> u64 {
            count + numbers.iter().sum::<u64>()
        }

        pub fn all() -> ::candor::Tools<super::App> {
            ::candor::tools![add, add_later]
        }
    }

    /// Tools with names that an expansion might use.
    #[allow(non_snake_case)]
    pub mod markers {
        /// One.
        #[::candor::mcp_tool(read_only, public)]
        pub fn C() -> u8 {
            1
        }

        /// Two.
        #[::candor::mcp_tool(read_only, public)]
        pub fn Returned() -> u8 {
            2
        }
    }
}

#[tokio::test]
async fn expansion_among_shadowed_names_works() {
    let adding = || {
        let app = shadowed::App { prices: shadowed::Prices(100), count: 10 };
        server().state(app).tools(shadowed::tools::all())
    };
    assert_eq!(result(adding(), "add", json!({"second": 3})).await, json!(105));
    assert_eq!(result(adding(), "add_later", json!({"numbers": [1, 2]})).await, json!(13));
    let markers = || server().tools(tools![shadowed::markers::C, shadowed::markers::Returned]);
    assert_eq!(result(markers(), "C", json!({})).await, json!(1));
    assert_eq!(result(markers(), "Returned", json!({})).await, json!(2));
}

/// Count the letters of a word.
#[mcp_tool(read_only, public)]
fn r#match(
    /// The word.
    r#type: String,
) -> usize {
    r#type.len()
}

#[tokio::test]
async fn tool_with_raw_identifiers_drops_the_prefix() {
    assert_eq!(result(server().tools(tools![r#match]), "match", json!({"type": "four"})).await, json!(4));
}

macro_rules! length_of {
    (
        $(#[$meta:meta])*
        $visibility:vis $name:ident, $tool:literal,
        $parameter:ident: $type:ty, $doc:expr,
        $body:block
    ) => {
        $(#[$meta])*
        #[mcp_tool(read_only, public, name = $tool)]
        $visibility fn $name(
            #[doc = $doc]
            #[param(max_len = 9)]
            $parameter: $type,
        ) -> usize $body
    };
}

length_of!(
    /// The length of a word.
    pub(crate) length_of_word, "length-of-word", word: String, "The word.", { word.len() }
);
length_of!(
    #[doc = concat!("The length of", " a list.")]
    length_of_list, "length-of-list", list: Vec<Option<u8>>, concat!("The ", "list."), { list.len() }
);
length_of!(
    /// The length of some text.
    length_of_text, "length-of-text", text: &str, "The text.", { text.len() }
);

/// Writes whole tools; only the names come from its caller.
macro_rules! times {
    ($($name:ident = $value:expr),*) => {
        $(
            /// Give a number some times.
            #[mcp_tool(read_only, closed_world, public)]
            async fn $name(
                /// How often.
                times: u64,
            ) -> u64 {
                let number: u64 = $value;
                times * number
            }
        )*
    };
}
times!(one = 1, two = 2);

#[tokio::test]
async fn tools_written_by_macro_rules_work() {
    let from_macros = || server().tools(tools![length_of_word, length_of_list, length_of_text, one, two]);
    assert_eq!(result(from_macros(), "length-of-word", json!({"word": "word"})).await, json!(4));
    assert_eq!(result(from_macros(), "length-of-list", json!({"list": [1, null]})).await, json!(2));
    assert_eq!(result(from_macros(), "length-of-text", json!({"text": "text"})).await, json!(4));
    assert_eq!(result(from_macros(), "one", json!({"times": 3})).await, json!(3));
    assert_eq!(two(4).await, 8);
    let listed = Client::of(from_macros()).await.tools().await.unwrap();
    let list = listed.iter().find(|tool| tool["name"] == "length-of-list").unwrap();
    assert_eq!(list["description"], "The length of a list.");
    assert_eq!(list["inputSchema"]["properties"]["list"]["description"], "The list.");
}

#[tokio::test]
async fn tool_inside_a_function_works() {
    struct Local(u8);

    #[derive(State)]
    struct Inside {
        local: Local,
    }

    /// Return the content of a local type.
    #[mcp_tool(read_only, closed_world, public)]
    fn inside(local: &Local) -> u8 {
        local.0
    }

    let server = server().state(Inside { local: Local(7) }).tools(tools![inside]);
    assert_eq!(result(server, "inside", json!({})).await, json!(7));
    assert_eq!(inside(&Local(3)), 3);
}

mod another {
    use candor::mcp_tool;

    /// Double a number.
    #[mcp_tool(read_only, public)]
    pub(crate) fn double(
        /// The number.
        number: i64,
    ) -> i64 {
        number * 2
    }
}

#[tokio::test]
async fn one_use_imports_function_and_tool() {
    use another::double;

    assert_eq!(double(4), 8);
    assert_eq!(result(server().tools(tools![double]), "double", json!({"number": 4})).await, json!(8));
}

/// Takes parameters with the names of an expansion's variables.
#[mcp_tool(read_only, public)]
fn same_names(
    unit: &(),
    __call: &candor::Call,
    /// One.
    state: u8,
    /// Two.
    call: u8,
    /// Three.
    args: u8,
    /// Four.
    __args: u8,
    /// Five.
    __a0: u8,
    /// Six.
    __state: u8,
) -> Vec<u8> {
    let () = unit;
    assert!(!__call.is_cancelled());
    vec![state, call, args, __args, __a0, __state]
}

#[derive(State)]
struct Unit {
    unit: (),
}

#[tokio::test]
async fn parameters_with_names_of_the_expansion_are_distinct() {
    let server = server().state(Unit { unit: () }).tools(tools![same_names]);
    let arguments = json!({"state": 1, "call": 2, "args": 3, "__args": 4, "__a0": 5, "__state": 6});
    assert_eq!(result(server, "same_names", arguments).await, json!([1, 2, 3, 4, 5, 6]));
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
