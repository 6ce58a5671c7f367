//! The header of a refusal that tells a client what to ask for, and the metadata that it points to.

use candor::access::{Denied, Metadata, insufficient_scope};
use serde_json::json;

const METADATA: Option<&str> = Some("https://prices.example/.well-known/oauth-protected-resource/mcp");

#[test]
fn challenges_without_a_token_name_scopes_and_metadata() {
    assert_eq!(
        Denied::Missing.challenge(&["read:prices"], METADATA).unwrap(),
        "Bearer scope=\"read:prices\", resource_metadata=\"https://prices.example/.well-known/oauth-protected-resource/mcp\""
    );
    assert_eq!(Denied::Missing.challenge(&["a", "b"], None).unwrap(), "Bearer scope=\"a b\"");
    assert_eq!(Denied::Missing.challenge(&[], None).unwrap(), "Bearer");
}

#[test]
fn challenges_for_a_bad_token_give_the_reason() {
    assert_eq!(
        Denied::Bad("the token has expired").challenge(&["a"], Some("https://x/y")).unwrap(),
        "Bearer error=\"invalid_token\", scope=\"a\", resource_metadata=\"https://x/y\", error_description=\"the token has expired\""
    );
    for denied in [Denied::Unavailable, Denied::KeyPending { retry_after: 1 }] {
        assert_eq!(denied.challenge(&["a"], METADATA), None, "another token would not help");
    }
}

#[test]
fn challenges_for_missing_scopes_name_all_that_the_call_needs() {
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
fn challenge_values_cannot_end_themselves_or_the_header() {
    let evil = "x\", error=\"y\r\nSet-Cookie: z\\\u{7f}é\0";
    let header = insufficient_scope(&[evil], Some(evil), evil);
    assert!(header.bytes().all(|b| (0x20..0x7f).contains(&b) && b != b'\\'), "{header:?}");
    assert_eq!(header.matches('"').count(), 8, "four values: {header}");
    assert_eq!(header.matches("error=\"").count(), 1, "{header}");
}

#[test]
fn metadata_names_the_scopes_of_basic_use() {
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
fn metadata_address_puts_the_well_known_segment_before_the_path() {
    let segment = "/.well-known/oauth-protected-resource";
    for (resource, address) in [
        ("https://prices.example/mcp", format!("https://prices.example{segment}/mcp")),
        ("https://prices.example:8443/a/b/", format!("https://prices.example:8443{segment}/a/b")),
        ("https://prices.example", format!("https://prices.example{segment}")),
        ("https://prices.example/", format!("https://prices.example{segment}")),
    ] {
        assert_eq!(Metadata::address(resource), address);
    }
}
