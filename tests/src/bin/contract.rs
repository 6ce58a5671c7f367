//! A server whose contract depends on the variable `CONTRACT`: `base`, or the name of a change.

use candor::{Revision, Server, mcp_tool, tools};

/// One price.
#[derive(serde::Serialize, schemars::JsonSchema)]
struct Price {
    /// In US dollars.
    price: f64,
}

/// Look up a price.
#[mcp_tool(read_only, closed_world, public, name = "get_price")]
fn get_price(
    /// The company.
    symbol: &str,
) -> Price {
    let _ = symbol;
    Price { price: 1.0 }
}

mod narrower {
    use super::Price;

    /// Look up a price.
    #[candor::mcp_tool(read_only, closed_world, public, name = "get_price")]
    pub(crate) fn get_price(
        /// The company.
        #[param(max_len = 5)]
        symbol: &str,
    ) -> Price {
        let _ = symbol;
        Price { price: 1.0 }
    }
}

mod reworded {
    use super::Price;

    /// Look up the newest price.
    #[candor::mcp_tool(read_only, closed_world, public, name = "get_price")]
    pub(crate) fn get_price(
        /// The company.
        symbol: &str,
    ) -> Price {
        let _ = symbol;
        Price { price: 1.0 }
    }
}

/// Look up a quote.
#[mcp_tool(read_only, closed_world, public, aliases = ["look_up"], rate = "2/h")]
fn get_quote(
    /// The company.
    symbol: &str,
) -> Price {
    let _ = symbol;
    Price { price: 2.0 }
}

/// Count the companies.
#[mcp_tool(read_only, closed_world, public)]
fn count() -> u32 {
    5
}

/// List the companies.
#[mcp_tool(read_only, closed_world, scope = "read:companies")]
fn list_companies() -> Vec<String> {
    Vec::new()
}

fn main() -> std::process::ExitCode {
    let variant = std::env::var("CONTRACT").unwrap_or_default();
    let version = std::env::var("CONTRACT_VERSION").unwrap_or_else(|_| "1.2.0".to_owned());
    let name = if variant == "another" { "another" } else { "contract" };
    let server = Server::new(name, version).tools(tools![count, get_quote, list_companies]);
    let server = if variant == "older" { server.revisions([Revision::V2025_11_25]) } else { server };
    match variant.as_str() {
        "narrower" => server.tools(tools![narrower::get_price]),
        "reworded" => server.tools(tools![reworded::get_price]),
        "fewer" => server,
        _ => server.tools(tools![get_price]),
    }
    .main()
}
