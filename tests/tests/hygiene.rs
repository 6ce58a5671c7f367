//! An expansion means the same wherever it stands, whatever names the user has taken, and whoever wrote the tool.

#![deny(warnings)]
// What a tool takes and returns is settled by the wire, and here by what is to be shown.
#![allow(clippy::pedantic, clippy::too_many_arguments, clippy::non_minimal_cfg)]

use candor::{Server, State, mcp_tool, testing::Client, tools};
use serde_json::{Value, json};

/// What `tool` of `server` gives back for `arguments`.
async fn answer<C: State>(server: Server<C>, tool: &str, arguments: Value) -> Value {
    let client = Client::of(server.yes_destructive()).await;
    let answer = client.call(tool, arguments).await.unwrap();
    assert!(!answer.is_error, "{}", answer.text());
    answer.structured.clone().unwrap_or_else(|| answer.text().into())
}

fn server() -> Server {
    Server::new("hygiene", "1.0.0")
}

/// Every name that an expansion could lean on, taken by something else.
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
            /// What to add.
            numbers: &[u64],
        ) -> u64 {
            count + numbers.iter().sum::<u64>()
        }

        pub fn all() -> ::candor::Tools<super::App> {
            ::candor::tools![add, add_later]
        }
    }

    /// Tools named as an expansion might name what it needs.
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
async fn shadowed_names() {
    let adding = || {
        let app = shadowed::App { prices: shadowed::Prices(100), count: 10 };
        server().state(app).tools(shadowed::tools::all())
    };
    assert_eq!(answer(adding(), "add", json!({"second": 3})).await, json!(105));
    assert_eq!(answer(adding(), "add_later", json!({"numbers": [1, 2]})).await, json!(13));
    let markers = || server().tools(tools![shadowed::markers::C, shadowed::markers::Returned]);
    assert_eq!(answer(markers(), "C", json!({})).await, json!(1));
    assert_eq!(answer(markers(), "Returned", json!({})).await, json!(2));
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
async fn raw_identifiers() {
    assert_eq!(answer(server().tools(tools![r#match]), "match", json!({"type": "four"})).await, json!(4));
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

/// Everything but the names is the macro's own.
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
async fn tools_made_by_a_macro() {
    let made = || server().tools(tools![length_of_word, length_of_list, length_of_text, one, two]);
    assert_eq!(answer(made(), "length-of-word", json!({"word": "word"})).await, json!(4));
    assert_eq!(answer(made(), "length-of-list", json!({"list": [1, null]})).await, json!(2));
    assert_eq!(answer(made(), "length-of-text", json!({"text": "text"})).await, json!(4));
    assert_eq!(answer(made(), "one", json!({"times": 3})).await, json!(3));
    assert_eq!(two(4).await, 8);
    let listed = Client::of(made()).await.tools().await.unwrap();
    let list = listed.iter().find(|tool| tool["name"] == "length-of-list").unwrap();
    assert_eq!(list["description"], "The length of a list.");
    assert_eq!(list["inputSchema"]["properties"]["list"]["description"], "The list.");
}

#[tokio::test]
async fn a_tool_inside_a_function() {
    struct Local(u8);

    #[derive(State)]
    struct Inside {
        local: Local,
    }

    /// Give what a local type holds.
    #[mcp_tool(read_only, closed_world, public)]
    fn inside(local: &Local) -> u8 {
        local.0
    }

    let server = server().state(Inside { local: Local(7) }).tools(tools![inside]);
    assert_eq!(answer(server, "inside", json!({})).await, json!(7));
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
async fn one_use_brings_function_and_tool() {
    use another::double;

    assert_eq!(double(4), 8);
    assert_eq!(answer(server().tools(tools![double]), "double", json!({"number": 4})).await, json!(8));
}

/// Take the names that an expansion gives to its own variables.
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
async fn parameters_named_as_the_expansion_names_its_own() {
    let server = server().state(Unit { unit: () }).tools(tools![same_names]);
    let arguments = json!({"state": 1, "call": 2, "args": 3, "__args": 4, "__a0": 5, "__state": 6});
    assert_eq!(answer(server, "same_names", arguments).await, json!([1, 2, 3, 4, 5, 6]));
}

/// Above the attribute.
#[cfg(all())]
#[mcp_tool(read_only, public)]
fn configured() -> u8 {
    1
}

/// Above the attribute, and out.
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

/// Below the attribute, and out.
#[mcp_tool(read_only, public)]
#[cfg(any())]
fn configured_below() -> u8 {
    4
}

#[tokio::test]
async fn tools_under_a_cfg() {
    let configured = || server().tools(tools![configured, configured_below]);
    assert_eq!(answer(configured(), "configured", json!({})).await, json!(1));
    assert_eq!(answer(configured(), "configured_below", json!({})).await, json!(3));
}

/// Show what it was called with.
#[mcp_tool(read_only, public)]
fn every_kind(
    /// Text, lent.
    text: &str,
    /// A list, lent.
    list: &[u8],
    /// A letter.
    letter: char,
    /// It may be missing.
    maybe: Option<bool>,
    /// It may be missing, and is a word all the same.
    #[param(default = "none")]
    word: String,
    /// It may be missing, and is a list all the same.
    #[param(default = [1, 2])]
    numbers: Vec<i8>,
    /// Deep.
    nested: std::collections::BTreeMap<String, Vec<Option<(u8, f64)>>>,
    /// Borrowed for good.
    forever: std::borrow::Cow<'static, str>,
) -> String {
    format!("{text} {list:?} {letter} {maybe:?} {word} {numbers:?} {nested:?} {forever}")
}

#[tokio::test]
async fn every_kind_of_parameter() {
    let arguments = json!({
        "text": "t", "list": [1], "letter": "l", "nested": {"n": [null, [1, 0.5]]}, "forever": "f"
    });
    let shown = r#"t [1] l None none [1, 2] {"n": [None, Some((1, 0.5))]} f"#;
    assert_eq!(answer(server().tools(tools![every_kind]), "every_kind", arguments).await, json!(shown));
}

struct Held(String);

#[derive(State)]
struct Holder(Held);

/// Give a word for good.
#[mcp_tool(read_only, public)]
fn for_good() -> &'static str {
    "good"
}

/// Give a word for as long as the state lives.
#[mcp_tool(read_only, public)]
fn while_held<'a, 'b: 'a>(held: &'b Held, _: &'a candor::Call) -> Option<&'a str> {
    held.0.get(..4)
}

/// Give a word for as long as the state lives, later.
#[mcp_tool(read_only, public)]
async fn while_held_later(held: &Held) -> Result<&str, &'static str> {
    held.0.get(5..).ok_or("too short")
}

#[tokio::test]
async fn results_with_a_lifetime() {
    let holder = || {
        let tools = tools![for_good, while_held, while_held_later];
        server().state(Holder(Held("held back".to_owned()))).tools(tools)
    };
    assert_eq!(answer(holder(), "for_good", json!({})).await, json!("good"));
    assert_eq!(answer(holder(), "while_held", json!({})).await, json!("held"));
    assert_eq!(answer(holder(), "while_held_later", json!({})).await, json!("back"));
}
