//! The reference as an HTML page: what stands in it, and that texts of declarations stay texts. `tests/reference/run` opens
//! it in a browser.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use candor::{Server, mcp_tool, tools};
use sha2::{Digest as _, Sha256};

/// Set the price. <script>alert(1)</script> & `<b>`
#[mcp_tool(
    destructive,
    scope = "write:prices read:prices",
    rate = "60/min",
    timeout = "5s",
    aliases = ["put_price"],
    rules(one_of(symbol, isin)),
    deprecated(since = "0.0.1", remove_in = "99.0.0", use_instead = look)
)]
fn set_price(
    /// Ticker symbol.
    #[param(example = "AAPL")]
    symbol: Option<String>,
    /// Another name.
    #[param(example = "US0378331005")]
    isin: Option<String>,
    /// The price.
    #[param(min = 1, max = 9)]
    price: u8,
    /// A key.
    #[param(secret)]
    key: String,
) -> u8 {
    let _ = (symbol, isin, key);
    price
}

/// Look.
#[mcp_tool(read_only, closed_world, public)]
fn look() -> u8 {
    1
}

fn page() -> String {
    let server =
        Server::new("prices", "1.0.0").title("Prices <of> \"companies\"").tools(tools![set_price, look]);
    server.idempotency(candor::KeyStore::memory().accept_loss()).reference_page().unwrap()
}

/// The text between two others.
fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let (_, rest) = text.split_once(start).unwrap_or_else(|| panic!("no {start}"));
    rest.split_once(end).unwrap_or_else(|| panic!("no {end}")).0
}

#[test]
fn page_has_a_card_a_tool_with_badges_parameters_words_and_examples() {
    let page = page();
    assert_eq!(page.matches("<article ").count(), 2);
    let card = between(&page, "id=\"tool-set_price\"", "</article>");
    for part in [
        "<li class=\"destructive\">destructive</li>",
        "<li class=\"scope\">write:prices</li>",
        "Deprecated since 0.0.1, gone in 99.0.0: use <a href=\"#tool-look\">look</a>.",
        "integer, 1 to 9",
        "Secret: its value never appears in logs and records.",
        "Takes exactly one of <code>symbol</code> and <code>isin</code>.",
        "The user confirms each call",
        "Also answers to its earlier names: <code>put_price</code>.",
        "<a href=\"#word-rate\">rate</a> <b class=\"by runtime\">runtime</b> <i>60/min</i>",
        "<a href=\"#word-timeout\">timeout</a> <b class=\"by runtime\">runtime</b> <i>5 s</i>",
        "<a href=\"#word-destructive\">destructive</a> <b class=\"by declared\">declared</b>",
        "<summary>Output schema</summary>",
    ] {
        assert!(card.contains(part), "{part}\n{card}");
    }
    assert!(page.contains("<dt id=\"word-rate\"><code>rate</code> <b class=\"by runtime\">runtime</b>"));
}

#[test]
fn every_word_of_a_card_leads_to_an_explanation() {
    let page = page();
    for link in page.split("href=\"#word-").skip(1) {
        let word = link.split('"').next().unwrap();
        let explained = between(&page, &format!("<dt id=\"word-{word}\">"), "</dd>");
        assert!(!explained.ends_with("<dd>"), "{word} has no explanation");
    }
}

#[test]
fn examples_send_one_of_the_parameters_that_exclude_each_other_and_a_key() {
    let page = page();
    let card = between(&page, "id=\"tool-set_price\"", "</article>");
    let of = |language: &str| between(card, &format!("<pre data-of=\"{language}\"><code>"), "</code>");
    for language in ["CLI", "JSON-RPC", "Python", "TypeScript"] {
        let example = of(language);
        assert!(example.contains("AAPL") && !example.contains("US0378331005"), "{example}");
        assert!(example.contains("idempotency-key"), "{example}");
    }
    let message: serde_json::Value = serde_json::from_str(of("JSON-RPC")).unwrap();
    assert_eq!(message["params"]["arguments"]["price"], 1, "a value that the schema takes");
    assert_eq!(message["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"], "2026-07-28");
    assert!(of("Python").contains("\"serve\", \"--grant\", \"write:prices read:prices\""));
}

#[test]
fn policy_names_the_page_s_own_style_and_script_and_texts_are_escaped() {
    let page = page();
    let policy = between(&page, "Content-Security-Policy\" content=\"", "\"");
    for (part, start, end) in [("style-src", "<style>", "</style>"), ("script-src", "<script>", "</script>")]
    {
        assert_eq!(page.matches(start).count(), 1, "{start}");
        let digest = STANDARD.encode(Sha256::digest(between(&page, start, end)));
        assert!(policy.contains(&format!("{part} 'sha256-{digest}'")), "{policy}");
    }
    assert!(policy.starts_with("default-src 'none';"));
    assert!(page.contains("<title>Prices &lt;of&gt; &quot;companies&quot;: tool reference</title>"));
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt; &amp; <code>&lt;b&gt;</code>"));
}
