#![deny(dead_code)]

use candor::mcp_tool;

/// Price of one symbol.
#[mcp_tool(read_only, public)]
fn get_price() {}

fn main() {}
