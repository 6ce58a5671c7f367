//! The server that the official conformance suite tests: the attribute declares its tools, and a handler on rmcp serves
//! its prompts and resources.

mod content;
mod elicitation;
mod notifications;
mod tasks;
mod user_handler;

use candor::{Server, tools};

use content::{
    greet, json_schema_2020_12_tool, test_audio_content, test_custom_header, test_embedded_resource,
    test_error_handling, test_image_content, test_multiple_content_types, test_simple_text,
};
use elicitation::{
    test_elicitation, test_elicitation_sep1034_defaults, test_elicitation_sep1330_enums,
    test_missing_capability, test_sampling, test_streaming_elicitation,
};
use notifications::{
    test_logging_tool, test_tool_with_logging, test_tool_with_progress, test_trigger_prompt_change,
};

/// The scopes that `test_simple_text` needs, from the suite's proposed scope challenge.
pub const SCOPES: &str = "mcp:conformance:tools:call mcp:conformance:tools:test_simple_text";

/// A PNG image of one red pixel.
const PNG: &[u8] = &[
    0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x48, 0x44, 0x52, 0x00,
    0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x01, 0x08, 0x02, 0x00, 0x00, 0x00, 0x90, 0x77, 0x53, 0xde, 0x00,
    0x00, 0x00, 0x0c, 0x49, 0x44, 0x41, 0x54, 0x78, 0x9c, 0x63, 0xf8, 0xcf, 0xc0, 0x00, 0x00, 0x03, 0x01,
    0x01, 0x00, 0xc9, 0xfe, 0x92, 0xef, 0x00, 0x00, 0x00, 0x00, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60,
    0x82,
];

/// Makes the server.
pub fn server() -> Server {
    // The suite looks for the keywords of JSON Schema 2020-12 in the list (SEP-2106).
    Server::new("conformance", "1.0.0")
        .exact_schemas()
        .logging()
        .tools(tools![
            test_simple_text,
            test_image_content,
            test_audio_content,
            test_embedded_resource,
            test_multiple_content_types,
            test_error_handling,
            test_tool_with_logging,
            test_logging_tool,
            test_tool_with_progress,
            test_trigger_prompt_change,
            test_custom_header,
            json_schema_2020_12_tool,
            greet,
            test_sampling,
            test_elicitation,
            test_elicitation_sep1034_defaults,
            test_elicitation_sep1330_enums,
            test_missing_capability,
            test_streaming_elicitation,
        ])
        .tools(elicitation::multi_round_tools())
        .tools(tasks::tools())
        .handler(user_handler::PromptsAndResources)
}
