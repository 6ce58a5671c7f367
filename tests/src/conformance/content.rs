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
