//! An expansion draws no warning, whatever the tool takes, returns and stands in.

#![deny(warnings, missing_docs, unreachable_pub, rust_2018_idioms)]

use candor::{Call, Server, mcp_tool, tools};

/// Wait.
#[mcp_tool(read_only, public)]
async fn wait() {}

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

fn main() {
    Server::new("t", "1").tools(tools![wait, count_words, has_letters]).build().unwrap();
}
