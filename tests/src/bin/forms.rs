//! A server with a tool that asks its user to fill in a form, for tests of forms at the terminal.

use std::process::ExitCode;

use candor::{Ask, Call, ClientFeature, FormAnswer, Server, mcp_tool, tools};

/// A size.
#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Size {
    Small,
    Large,
}

/// An order.
#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Order {
    /// The size.
    size: Size,
    /// The number of pieces.
    #[schemars(range(min = 1, max = 10))]
    pieces: Option<u8>,
}

/// Take an order.
#[mcp_tool(additive, closed_world, public)]
fn order(call: &Call) -> Result<String, Ask> {
    match call.filled::<Order>() {
        FormAnswer::Filled(order) => Ok(format!("{:?} {:?}", order.size, order.pieces)),
        FormAnswer::Declined => Ok("declined".to_owned()),
        FormAnswer::Cancelled => Ok("cancelled".to_owned()),
        FormAnswer::Invalid => Ok("invalid".to_owned()),
        FormAnswer::NotAsked if !call.can_be_asked(ClientFeature::Form) => Ok("never asked".to_owned()),
        FormAnswer::NotAsked => Err(Ask::form_of::<Order>("What do you want?")),
    }
}

fn main() -> ExitCode {
    Server::new("forms", "1.0.0").unaudited().without_idempotency().tools(tools![order]).main()
}
