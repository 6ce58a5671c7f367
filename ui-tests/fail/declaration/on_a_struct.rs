use candor::mcp_tool;

/// Price of one symbol.
#[mcp_tool(read_only, public)]
struct GetPrice;

fn main() {
    let _ = GetPrice;
}
