//! The suite's tools that answer at once: with text, images, audio, resources, or an error.

use candor::{Content, mcp_tool};
use schemars::JsonSchema;
use serde::Deserialize;

use super::PNG;

/// Answer a simple text.
#[mcp_tool(
    read_only,
    closed_world,
    scope = "mcp:conformance:tools:call mcp:conformance:tools:test_simple_text"
)]
pub(super) fn test_simple_text() -> &'static str {
    "This is a simple text response for testing."
}

/// Greet a person.
#[mcp_tool(read_only, closed_world, public)]
pub(super) fn greet(
    /// The name of the person.
    name: &str,
) -> String {
    format!("Hello, {name}!")
}

/// Show a picture.
#[mcp_tool(read_only, closed_world, public)]
pub(super) fn test_image_content() -> Content {
    Content::default().image(PNG, "image/png")
}

/// Play a sound.
#[mcp_tool(read_only, closed_world, public)]
pub(super) fn test_audio_content() -> Content {
    // A header without samples.
    let wav =
        b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x44\xac\0\0\x88\x58\x01\0\x02\0\x10\0data\0\0\0\0";
    Content::default().audio(wav, "audio/wav")
}

/// Answer with an embedded resource.
#[mcp_tool(read_only, closed_world, public)]
pub(super) fn test_embedded_resource() -> Content {
    let text = "This is an embedded resource content.";
    Content::default().resource("test://embedded-resource", Some("text/plain"), text)
}

/// Answer with a text, a picture and a resource.
#[mcp_tool(read_only, closed_world, public)]
pub(super) fn test_multiple_content_types() -> Content {
    let text = r#"{"test":"data","value":123}"#;
    Content::text("Multiple content types test:").image(PNG, "image/png").resource(
        "test://mixed-content-resource",
        Some("application/json"),
        text,
    )
}

/// Fail.
#[mcp_tool(read_only, closed_world, public)]
pub(super) fn test_error_handling() -> Result<(), &'static str> {
    Err("This tool intentionally returns an error for testing")
}

/// A postal address. The suite checks that the schema keeps this name and `$anchor` (SEP-2106).
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "address", extend("$anchor" = "addressDef"))]
pub(super) struct Address {
    street: Option<String>,
    city: Option<String>,
}

/// A way to reach a person.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum ContactMethod {
    Phone,
    Email,
}

/// Find a person.
#[mcp_tool(
    read_only,
    closed_world,
    public,
    rules(any_of(phone, email), when(contact_method = "phone", phone, else(email)))
)]
pub(super) fn json_schema_2020_12_tool(
    /// The name of the person.
    name: Option<String>,
    /// The address of the person.
    address: Option<Address>,
    /// The way to reach the person.
    #[param(name = "contactMethod")]
    contact_method: Option<ContactMethod>,
    /// A phone number.
    phone: Option<String>,
    /// An email address.
    email: Option<String>,
) -> String {
    let place = address.into_iter().flat_map(|address| [address.street, address.city]).flatten();
    let contact = match contact_method {
        Some(ContactMethod::Phone) => phone,
        Some(ContactMethod::Email) | None => email,
    };
    name.into_iter().chain(place).chain(contact).collect::<Vec<_>>().join(", ")
}

/// A region of the world, which a client repeats in a header of its request (SEP-2243).
#[derive(Deserialize, JsonSchema)]
#[schemars(extend("x-mcp-header" = "Region"))]
pub(super) struct Region(String);

/// Name a region.
#[mcp_tool(read_only, closed_world, public)]
pub(super) fn test_custom_header(
    /// The region.
    region: Region,
) -> String {
    region.0
}
