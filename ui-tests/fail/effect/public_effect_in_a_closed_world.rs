use candor::{Server, mcp_tool, tools};

/// Post a message.
#[mcp_tool(additive, public, closed_world, public_effect = "posts to the public timeline")]
fn post() -> u32 {
    1
}

fn main() {
    let _ = Server::new("t", "1").tools(tools![post]);
}
