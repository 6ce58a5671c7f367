//! The tokens that a list of tools costs a model: where they are printed, and the budget that they must keep.

use candor::{
    Server, StartError, mcp_tool,
    testing::{Client, assert_list_fits},
    tools,
};
use serde_json::Value;

/// Return the price of a company.
#[mcp_tool(read_only, closed_world, public)]
fn price(
    /// Ticker symbol, for example `AAPL`.
    #[param(pattern = "^[A-Z]{1,5}$", example = "AAPL")]
    symbol: &str,
) -> usize {
    symbol.len()
}

/// Return the price of a company on each day of a period, with the highest and the lowest price of each day, and with
/// the number of shares that changed hands, oldest first.
#[mcp_tool(read_only, closed_world, public)]
fn history(
    /// Ticker symbol, for example `AAPL`.
    #[param(pattern = "^[A-Z]{1,5}$", example = "AAPL")]
    symbol: &str,
    /// First day of the period, such as `2004-01-01`; the oldest price if left out.
    from: Option<String>,
) -> usize {
    symbol.len() + from.map_or(0, |from| from.len())
}

fn server() -> Server {
    Server::new("prices", "1.0.0").tools(tools![price, history])
}

fn manifest(server: &Server) -> Value {
    serde_json::from_str(&server.manifest().unwrap()).unwrap()
}

fn total() -> u64 {
    manifest(&server())["list_tokens"].as_u64().unwrap()
}

#[test]
fn manifest_and_references_show_the_tokens_of_each_tool_and_of_all() {
    let manifest = manifest(&server());
    let tokens = |at: usize| manifest["tools"][at]["list_tokens"].as_u64().unwrap();
    assert_eq!(tokens(0) + tokens(1), total());
    // About four bytes a token, as for every text in English.
    assert!((60..90).contains(&tokens(1)), "{}", tokens(1));
    assert!(tokens(0) > tokens(1) + 40);
    let (markdown, html) = (server().reference().unwrap(), server().reference_page().unwrap());
    assert!(markdown.contains(&format!("The list costs a model about {} tokens.", total())));
    assert!(markdown.contains(&format!("- Costs about {} tokens in the list.", tokens(1))));
    assert!(html.contains(&format!("the list costs a model about {} tokens", total())));
    assert!(html.contains(&format!("<li class=\"cost\">{} tokens</li>", tokens(0))));
}

#[test]
fn server_within_its_list_budget_is_built() {
    server().list_budget(total()).build().unwrap();
    assert_list_fits!(server(), total());
}

#[test]
fn server_beyond_its_list_budget_is_not_built_and_names_the_costliest_tool() {
    let over = || server().list_budget(total() - 1);
    let error = over().build().err().unwrap();
    assert!(matches!(error, StartError::ListBudget { most: "history", .. }));
    let text = error.to_string();
    assert!(text.starts_with(&format!("the list of tools costs a model about {} tokens", total())), "{text}");
    assert!(text.contains("\nhelp: shorten"), "{text}");
    over().manifest().unwrap();
    assert_list_fits!(over().read_only(), total());
}

#[test]
#[should_panic(expected = "the list of tools costs a model about")]
fn assert_list_fits_panics_beyond_the_tokens() {
    assert_list_fits!(server(), 10);
}

#[test]
fn list_budget_counts_the_argument_for_idempotency_keys() {
    /// Set the price of a company.
    #[mcp_tool(additive, closed_world, public)]
    fn set_price() {}
    let server = || Server::new("prices", "1.0.0").unaudited().tools(tools![set_price]);
    let keys = || server().idempotency(candor::KeyStore::memory().accept_loss());
    let plain = manifest(&keys())["list_tokens"].as_u64().unwrap();
    keys().list_budget(plain).build().unwrap();
    assert!(keys().idempotency_argument().list_budget(plain).build().is_err());
}

#[tokio::test]
async fn counted_parts_are_those_of_the_list() {
    let client = Client::of(server()).await;
    let listed = client.tools().await.unwrap();
    let bytes: usize = listed
        .iter()
        .map(|tool| {
            let part = |key: &str| tool[key].to_string().len();
            part("name") + part("description") + part("inputSchema")
        })
        .sum();
    let tokens = usize::try_from(total()).unwrap();
    assert!((3..6).contains(&(bytes / tokens)), "{bytes} bytes, {tokens} tokens");
}
