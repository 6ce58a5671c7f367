//! Serves tools that take and return types of every kind, to test their schemas.

#![expect(
    clippy::many_single_char_names,
    clippy::option_option,
    clippy::too_many_arguments,
    clippy::unnecessary_wraps,
    reason = "the schemas of the types are the subject"
)]

use std::collections::{BTreeMap, HashMap};

use candor::{Server, mcp_tool, tools};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A tree of names.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Tree {
    /// The name.
    name: String,
    /// The trees below.
    #[serde(default)]
    below: Vec<Tree>,
    /// The first of them.
    first: Option<Box<Tree>>,
}

/// How loud.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Level {
    /// Hardly audible.
    Low,
    /// Not to be missed.
    VeryHigh,
    Off,
}

/// Tagged inside.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
enum Inside {
    /// A circle.
    Circle {
        /// Its radius.
        radius: f64,
    },
    Square {
        side: u8,
    },
}

/// Tagged outside.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
enum Outside {
    Nothing,
    Number(u16),
    Pair(i8, bool),
    Named { level: Level },
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "t", content = "c")]
enum Beside {
    A(String),
    B(Option<Vec<u8>>),
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
enum Either {
    Text(String),
    Numbers(Vec<f32>),
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Newtype(u32);

/// Many kinds in one.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Rich {
    levels: HashMap<String, Level>,
    anything: HashMap<String, Value>,
    value: Value,
    nested: Option<Option<Inside>>,
    pairs: Vec<(String, Option<u64>)>,
    gaps: Vec<Option<i32>>,
    outside: Outside,
    either: Either,
    newtype: Newtype,
    unit: (),
    letter: char,
    #[serde(default)]
    beside: Option<Beside>,
}

/// Take numbers of every width.
#[mcp_tool(read_only, closed_world, public)]
fn numbers(
    /// 8.
    a: Option<u8>,
    /// 16.
    b: Option<u16>,
    /// 32.
    c: Option<u32>,
    /// 64.
    d: Option<u64>,
    /// -8.
    e: Option<i8>,
    /// -16.
    f: Option<i16>,
    /// -32.
    g: Option<i32>,
    /// -64.
    h: Option<i64>,
    /// 128.
    i: Option<i128>,
    /// u128.
    j: Option<u128>,
    /// Size.
    k: Option<usize>,
    /// Not nought.
    l: Option<std::num::NonZeroU16>,
    /// 32 with a fraction.
    m: Option<f32>,
    /// 64 with a fraction.
    n: Option<f64>,
) -> (Option<u64>, Option<i128>, Option<f32>) {
    let _ = (a, b, c, e, f, g, h, j, k, l, n);
    (d, i, m)
}

/// Take one of everything.
#[mcp_tool(read_only, closed_world, public)]
fn rich(
    /// All of it.
    rich: Rich,
) -> Rich {
    rich
}

/// Take a tree.
#[mcp_tool(read_only, closed_world, public)]
fn tree(
    /// Any tree.
    tree: Tree,
) -> Option<Tree> {
    Some(tree)
}

/// Take what is chosen from.
#[mcp_tool(read_only, closed_world, public)]
fn choose(
    /// How loud.
    level: Level,
    /// Which form.
    inside: Inside,
    /// Perhaps another.
    other: Option<Outside>,
    /// Text or numbers.
    either: Option<Either>,
    /// Tagged beside.
    beside: Option<Beside>,
) -> BTreeMap<String, Outside> {
    let _ = (level, inside, either, beside);
    other.into_iter().map(|other| ("other".to_owned(), other)).collect()
}

/// Take anything at all.
#[mcp_tool(read_only, closed_world, public)]
fn anything(
    /// Any value.
    value: Value,
    /// Any values by name.
    named: Option<HashMap<String, Value>>,
    /// Any list.
    list: Option<Vec<Value>>,
    /// An object of any kind.
    object: Option<Map<String, Value>>,
) -> Value {
    let _ = (named, list, object);
    value
}

/// Take a pair.
#[mcp_tool(read_only, closed_world, public)]
fn pair(
    /// Two things.
    pair: (String, u8),
    /// Perhaps two more.
    more: Option<[i16; 2]>,
) -> Vec<Option<(String, u8)>> {
    let _ = more;
    vec![Some(pair), None]
}

/// The limits of a search.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Limits {
    /// The most results.
    most: Option<u64>,
    /// The way to sort them.
    #[serde(default)]
    order: Option<Level>,
    /// The form that they have.
    form: Option<Inside>,
    /// The corner where the search begins.
    corner: (f64, f64),
    /// A name and its weight.
    weighted: Option<(String, u8)>,
    /// Anything more.
    more: Vec<Value>,
    /// The rank.
    #[schemars(range(min = 1, max = 9))]
    rank: Option<i64>,
    /// Not zero.
    step: Option<std::num::NonZeroI32>,
}

/// The number of a page.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Page {
    /// The number of the page.
    page: Option<u32>,
}

/// A query with parts of other types.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Query {
    /// The text.
    text: String,
    #[serde(flatten)]
    page: Page,
    #[serde(flatten)]
    inside: Outside,
}

/// A query with anything else.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct OpenQuery {
    /// The text.
    text: String,
    /// Everything else.
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

/// A shape with the fields of another type beside its tag.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Wrapped {
    Page(Page),
    Nothing,
}

/// Search.
#[mcp_tool(read_only, closed_world, public, rules(one_of(limits, more), at_most_one(more, query, open)))]
fn search(
    /// The limits.
    limits: Option<Limits>,
    /// A number.
    more: Option<i64>,
    /// The query.
    query: Option<Query>,
    /// Another query.
    open: Option<OpenQuery>,
    /// The shape.
    wrapped: Option<Wrapped>,
) -> Option<Limits> {
    let _ = (more, query, open, wrapped);
    limits
}

/// Forms without a tag that hold each other.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
enum Fork {
    Left { left: Box<Fork> },
    Both { left: Box<Fork>, right: Option<Box<Fork>> },
    Third { left: Box<Fork>, right: Option<Box<Fork>>, third: Option<u8> },
    End(u8),
}

/// Take a fork.
#[mcp_tool(read_only, closed_world, public)]
fn fork(
    /// The fork.
    fork: Fork,
) -> Fork {
    fork
}

/// Do nothing.
#[mcp_tool(read_only, closed_world, public)]
fn nothing() {}

/// Take lists.
#[mcp_tool(read_only, closed_world, public)]
fn lists(
    /// The rows.
    #[param(lenient)]
    rows: Vec<Vec<Option<f64>>>,
) -> Vec<Value> {
    rows.into_iter().map(Into::into).collect()
}

/// The whole server.
pub fn server() -> Server {
    Server::new("schema-types", "1.0.0")
        .unaudited()
        .tools(tools![numbers, rich, tree, choose, anything, pair, search, nothing, lists, fork])
}
