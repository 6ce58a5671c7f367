//! Integers that JavaScript clients round: a warning of those in schemas, and a type that is sent as text.

use std::process::{Command, Stdio};

use candor::{AsText, Server, mcp_tool, testing::Client, tools};
use serde_json::json;

/// Count to a number that JavaScript does not have.
#[mcp_tool(read_only, closed_world, public)]
fn count(
    /// The last number.
    #[param(max = 1152921504606846979)]
    to: u64,
) -> u64 {
    to
}

/// Return what is sent.
#[mcp_tool(read_only, closed_world, public)]
fn echo(
    /// An id.
    id: AsText<u64>,
    /// A difference.
    by: Option<AsText<i128>>,
) -> (AsText<u64>, Option<AsText<i128>>) {
    (id, by)
}

#[test]
fn build_start_and_doctor_warn_of_integers_that_javascript_rounds() {
    let warning = "integers beyond 2^53 in schemas, which JavaScript clients round\nnote: `count`: inputSchema.properties.to.maximum\nhelp: choose bounds within ±(2^53 − 1), or take and return such numbers as `candor::AsText<u64>`";
    let server = Server::new("s", "1").unaudited().tools(tools![count, echo]);
    let warnings: Vec<String> = server.build().unwrap().warnings().iter().map(ToString::to_string).collect();
    assert_eq!(warnings, [warning]);
    assert_eq!(Server::new("s", "1").unaudited().tools(tools![echo]).build().unwrap().warnings(), []);

    let folder = tempfile::tempdir().unwrap();
    let program = |argument| {
        let mut program = Command::new(env!("CARGO_BIN_EXE_sandboxes"));
        program.env("SANDBOXES", "warnings").env("XDG_STATE_HOME", folder.path()).stdin(Stdio::null());
        program.arg(argument).output().unwrap()
    };
    let (start, doctor) = (program("serve").stderr, program("doctor").stdout);
    for text in [start, doctor] {
        let text = String::from_utf8(text).unwrap();
        assert_eq!(text.matches(&format!("warning: {warning}\n")).count(), 1, "{text}");
    }
}

#[tokio::test]
async fn integers_as_text_keep_every_digit() {
    let client = Client::of(Server::new("s", "1").tools(tools![echo])).await;
    let tools = client.tools().await.unwrap();
    let properties = &tools[0]["inputSchema"]["properties"];
    assert_eq!(
        properties["id"],
        json!({"type": "string", "pattern": "^[0-9]{1,20}$", "description": "An id."})
    );
    assert_eq!(properties["by"]["pattern"], "^-?[0-9]{1,39}$", "{properties}");

    for arguments in [
        json!({"id": "1152921504606846979", "by": i128::MIN.to_string()}),
        json!({"id": u64::MAX.to_string(), "by": i128::MAX.to_string()}),
        json!({"id": "0", "by": null}),
    ] {
        let answer = client.call("echo", arguments.clone()).await.unwrap();
        assert_eq!(answer.structured, Some(json!([arguments["id"], arguments["by"]])), "{}", answer.text());
    }
    for id in [json!(7), json!("18446744073709551616"), json!("-1"), json!("1e3"), json!("")] {
        let answer = client.call("echo", json!({"id": id})).await.unwrap();
        assert_eq!(answer.reason(), Some("invalid_arguments"), "{id}: {}", answer.text());
        assert!(!answer.text().contains("18446744073709551616"), "{}", answer.text());
    }
}
