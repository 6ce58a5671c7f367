//! Tests that an expansion works among names that shadow its own, in functions and modules, and in code that a macro wrote.

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
