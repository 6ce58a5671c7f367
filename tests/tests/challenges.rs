//! Refusals → the header that says how to do better; and the metadata it points to.

use candor::access::{Denied, Metadata, insufficient_scope};
use serde_json::json;

const METADATA: Option<&str> = Some("https://prices.example/.well-known/oauth-protected-resource/mcp");

#[test]
fn who_shows_no_token_is_told_which_and_where() {
    assert_eq!(
        Denied::Missing.challenge(&["read:prices"], METADATA).unwrap(),
        "Bearer scope=\"read:prices\", resource_metadata=\"https://prices.example/.well-known/oauth-protected-resource/mcp\""
    );
    assert_eq!(Denied::Missing.challenge(&["a", "b"], None).unwrap(), "Bearer scope=\"a b\"");
    assert_eq!(Denied::Missing.challenge(&[], None).unwrap(), "Bearer");
}

#[test]
fn who_shows_a_bad_token_is_told_what_is_wrong() {
    assert_eq!(
        Denied::Bad("the token has expired").challenge(&["a"], Some("https://x/y")).unwrap(),
        "Bearer error=\"invalid_token\", scope=\"a\", resource_metadata=\"https://x/y\", error_description=\"the token has expired\""
    );
    assert_eq!(Denied::Unavailable.challenge(&["a"], METADATA), None, "no other token would help");
}

#[test]
fn who_lacks_scopes_is_told_all_that_the_call_needs() {
    assert_eq!(
        insufficient_scope(
            &["read:alerts", "write:alerts"],
            Some("https://x/y"),
            "tool `clear_alerts` needs more"
        ),
        "Bearer error=\"insufficient_scope\", scope=\"read:alerts write:alerts\", resource_metadata=\"https://x/y\", error_description=\"tool `clear_alerts` needs more\""
    );
}

#[test]
fn nothing_ends_a_value_or_the_header() {
    let evil = "x\", error=\"y\r\nSet-Cookie: z\\\u{7f}é\0";
    let header = insufficient_scope(&[evil], Some(evil), evil);
    assert!(header.bytes().all(|b| (0x20..0x7f).contains(&b) && b != b'\\'), "{header:?}");
    assert_eq!(header.matches('"').count(), 8, "four values: {header}");
    assert_eq!(header.matches("error=\"").count(), 1, "{header}");
}

#[test]
fn the_metadata_names_what_basic_use_needs() {
    let scopes = ["read:prices".to_owned()];
    let metadata = Metadata {
        resource: "https://prices.example/mcp",
        authorization_servers: &["https://id.example"],
        scopes: &scopes,
        name: "Stock prices",
    };
    let document = json!({
        "resource": "https://prices.example/mcp",
        "authorization_servers": ["https://id.example"],
        "scopes_supported": ["read:prices"],
        "bearer_methods_supported": ["header"],
        "resource_name": "Stock prices",
    });
    assert_eq!(metadata.document(), document);
    let none = Metadata { scopes: &[], ..metadata };
    assert_eq!(none.document().get("scopes_supported"), None);
}

#[test]
fn the_metadata_stands_before_the_path() {
    let word = "/.well-known/oauth-protected-resource";
    for (resource, address) in [
        ("https://prices.example/mcp", format!("https://prices.example{word}/mcp")),
        ("https://prices.example:8443/a/b/", format!("https://prices.example:8443{word}/a/b")),
        ("https://prices.example", format!("https://prices.example{word}")),
        ("https://prices.example/", format!("https://prices.example{word}")),
    ] {
        assert_eq!(Metadata::address(resource), address);
    }
}
