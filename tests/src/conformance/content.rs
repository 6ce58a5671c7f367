//! Tools of the suite that answer at once: text, pictures, sound, resources, an error.

use candor::{Content, mcp_tool};
use schemars::JsonSchema;
use serde::Deserialize;

use super::PNG;

/// Say a simple text.
#[mcp_tool(
    read_only,
    closed_world,
    scope = "mcp:conformance:tools:call mcp:conformance:tools:test_simple_text"
)]
pub(super) fn test_simple_text() -> &'static str {
    "This is a simple text response for testing."
}

/// Greet somebody.
#[mcp_tool(read_only, closed_world, public)]
pub(super) fn greet(
    /// Whom.
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
    // A header, and no sample.
    let wav =
        b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x44\xac\0\0\x88\x58\x01\0\x02\0\x10\0data\0\0\0\0";
    Content::default().audio(wav, "audio/wav")
}

/// Send a resource along.
#[mcp_tool(read_only, closed_world, public)]
pub(super) fn test_embedded_resource() -> Content {
    let says = "This is an embedded resource content.";
    Content::default().resource("test://embedded-resource", Some("text/plain"), says)
}

/// Answer with a text, a picture and a resource.
#[mcp_tool(read_only, closed_world, public)]
pub(super) fn test_multiple_content_types() -> Content {
    let says = r#"{"test":"data","value":123}"#;
    Content::text("Multiple content types test:").image(PNG, "image/png").resource(
        "test://mixed-content-resource",
        Some("application/json"),
        says,
    )
}

/// Fail.
#[mcp_tool(read_only, closed_world, public)]
pub(super) fn test_error_handling() -> Result<(), &'static str> {
    Err("This tool intentionally returns an error for testing")
}

/// Where somebody lives. The suite wants its name kept, and its `$anchor` (SEP-2106).
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "address", extend("$anchor" = "addressDef"))]
pub(super) struct Address {
    street: Option<String>,
    city: Option<String>,
}

/// How somebody is reached.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum ContactMethod {
    Phone,
    Email,
}

/// Find somebody.
#[mcp_tool(
    read_only,
    closed_world,
    public,
    rules(any_of(phone, email), when(contact_method = "phone", phone, else(email)))
)]
pub(super) fn json_schema_2020_12_tool(
    /// Who.
    name: Option<String>,
    /// Where.
    address: Option<Address>,
    /// How the answer is given.
    #[param(name = "contactMethod")]
    contact_method: Option<ContactMethod>,
    /// A number.
    phone: Option<String>,
    /// An address for letters.
    email: Option<String>,
) -> String {
    let place = address.into_iter().flat_map(|address| [address.street, address.city]).flatten();
    let way = match contact_method {
        Some(ContactMethod::Phone) => phone,
        Some(ContactMethod::Email) | None => email,
    };
    name.into_iter().chain(place).chain(way).collect::<Vec<_>>().join(", ")
}

/// A part of the world, which a client repeats in a header of its request (SEP-2243).
#[derive(Deserialize, JsonSchema)]
#[schemars(extend("x-mcp-header" = "Region"))]
pub(super) struct Region(String);

/// Name a region.
#[mcp_tool(read_only, closed_world, public)]
pub(super) fn test_custom_header(
    /// Which.
    region: Region,
) -> String {
    region.0
}
