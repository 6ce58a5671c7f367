//! Answers that hold more than one value: data with content, hints for the client, binary resources, and large ones.
#![expect(clippy::unnecessary_wraps, reason = "tools that can fail, and that cannot, answer alike")]

use candor::{
    Annotations, Audience, Block, Content, Revision, Server, Structured, mcp_tool,
    testing::{Answer, Client},
    tools,
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

#[derive(Serialize, JsonSchema)]
struct Rows {
    rows: Vec<u32>,
}

/// Data, and a text for the model.
#[mcp_tool(read_only, closed_world, public)]
fn table() -> Structured<Rows> {
    let content = Content::text("three rows").meta("com.example/from", "content");
    Structured::new(Rows { rows: vec![1, 2, 3] }).meta("com.example/page", 7).content(content)
}

/// Data alone.
#[mcp_tool(read_only, closed_world, public)]
fn bare_table() -> Result<Structured<Vec<u32>>, String> {
    Ok(Structured::new(vec![1, 2]))
}

/// A text with a picture.
#[mcp_tool(read_only, closed_world, public)]
fn captioned() -> Structured<String> {
    Structured::new("the caption".to_owned()).content(Content::default().image([1], "image/png"))
}

/// Content with hints.
#[mcp_tool(read_only, closed_world, public)]
fn hinted() -> Content {
    Content::text("for all")
        .and_text("for the user")
        .audience([Audience::User])
        .priority(0.25)
        .blob("mem://report", Some("application/pdf"), b"%PDF")
        .priority(7.0)
        .link("mem://more", "more", None)
        .audience([Audience::Assistant, Audience::User])
}

/// A long text, as long as the server allows.
#[mcp_tool(read_only, closed_world, public)]
fn long(
    /// The number of letters.
    length: usize,
) -> String {
    "x".repeat(length)
}

/// A long text, of up to 2 MiB.
#[mcp_tool(read_only, closed_world, public, output = "2MiB")]
fn longer(
    /// The number of letters.
    length: usize,
) -> String {
    "x".repeat(length)
}

/// Long values beside a short text.
#[mcp_tool(read_only, closed_world, public)]
fn hidden_length(
    /// The part that is long.
    part: &str,
) -> Structured<String> {
    let long = "x".repeat(2_000_000);
    match part {
        "meta" => Structured::new("short".to_owned()).meta("com.example/long", long),
        _ => Structured::new("short".to_owned()).content(Content::default().blob("mem://a", None, long)),
    }
}

/// Much data beside a short text.
#[mcp_tool(read_only, closed_world, public)]
fn much_data() -> Structured<Rows> {
    Structured::new(Rows { rows: vec![u32::MAX; 200_000] }).content(Content::text("short"))
}

fn server() -> Server {
    let tools = tools![table, bare_table, captioned, hinted, long, longer, hidden_length, much_data];
    Server::new("s", "1").unaudited().tools(tools)
}

async fn call(server: Server, revision: Revision, tool: &str, arguments: Value) -> Answer {
    let client = Client::to(server.build().unwrap(), revision).await;
    client.call(tool, arguments).await.unwrap()
}

#[tokio::test]
async fn structured_answers_have_data_and_content() {
    for revision in Revision::ALL {
        let answer = call(server(), revision, "table", json!({})).await;
        assert_eq!(answer.structured, Some(json!({"rows": [1, 2, 3]})), "{revision}");
        assert_eq!(answer.content, [Block::Text("three rows".to_owned())]);
        assert_eq!(
            (&answer.meta["com.example/page"], &answer.meta["com.example/from"]),
            (&json!(7), &json!("content"))
        );
        let bare = call(server(), revision, "bare_table", json!({})).await;
        assert_eq!(bare.text(), "[1,2]", "{revision}");
        let captioned = call(server(), revision, "captioned", json!({})).await;
        let picture = Block::Image { data: "AQ==".to_owned(), mime_type: "image/png".to_owned() };
        assert_eq!(captioned.content, [Block::Text("the caption".to_owned()), picture]);
    }
    let client = Client::of(server()).await;
    let listed = client.tools().await.unwrap();
    let table = listed.iter().find(|tool| tool["name"] == "table").unwrap();
    assert_eq!(table["outputSchema"]["properties"]["rows"]["type"], "array", "{table}");
}

#[tokio::test]
async fn content_carries_hints_and_binary_resources() {
    for revision in Revision::ALL {
        let answer = call(server(), revision, "hinted", json!({})).await;
        let hints = |at: usize| answer.raw["content"][at]["annotations"].clone();
        assert_eq!(hints(0), Value::Null, "{revision}");
        assert_eq!(hints(1), json!({"audience": ["user"], "priority": 0.25}));
        assert_eq!(hints(2), json!({"priority": 1.0}), "a priority is at most 1");
        assert_eq!(hints(3), json!({"audience": ["assistant", "user"]}));
        let resource = &answer.raw["content"][2]["resource"];
        assert_eq!(
            *resource,
            json!({"uri": "mem://report", "mimeType": "application/pdf", "blob": "JVBERg=="})
        );
        assert_eq!(answer.text(), "for all\nfor the user");
        let Block::Annotated { block, annotations } = &answer.content[2] else { panic!("{answer:?}") };
        assert!(matches!(&**block, Block::Blob { data, .. } if data == "JVBERg=="));
        let mut expected = Annotations::default();
        expected.priority = Some(1.0);
        assert_eq!(*annotations, expected);
    }
}

#[tokio::test]
async fn size_of_a_result_is_limited_by_the_tool_or_the_server() {
    const MIB: usize = 1024 * 1024;
    let modern = Revision::V2026_07_28;
    for (server, tool, length, is_refused) in [
        (server(), "long", MIB, false),
        (server(), "long", MIB + 1, true),
        (server().max_output(10), "long", 10, false),
        (server().max_output(10), "long", 11, true),
        (server().max_output(2 * MIB), "long", 2 * MIB, false),
        (server(), "longer", 2 * MIB, false),
        (server(), "longer", 2 * MIB + 1, true),
        (server().max_output(10), "longer", 11, false),
    ] {
        let answer = call(server, modern, tool, json!({"length": length})).await;
        assert_eq!(answer.reason() == Some("output_too_large"), is_refused, "{tool} {length}");
    }
    let refused = call(server(), modern, "long", json!({"length": 2 * MIB})).await;
    assert_eq!(
        refused.text(),
        "the result of tool `long` is larger than 1 MiB\nhelp: ask for less at once; the operator can raise the limit with `--max-output`, and the tool's author with `output = \"8MiB\"`"
    );
    let refused = call(server(), modern, "longer", json!({"length": 3 * MIB})).await;
    assert_eq!(
        refused.text(),
        "the result of tool `longer` is larger than 2 MiB\nnote: its author declares a limit with `output`\nhelp: ask for less at once"
    );
}

#[tokio::test]
async fn size_of_a_result_counts_every_part() {
    for part in ["meta", "blob"] {
        let answer = call(server(), Revision::V2026_07_28, "hidden_length", json!({"part": part})).await;
        assert_eq!(answer.reason(), Some("output_too_large"), "{part}");
    }
    let answer = call(server(), Revision::V2026_07_28, "much_data", json!({})).await;
    assert_eq!(answer.reason(), Some("output_too_large"));
}

#[test]
fn manifest_names_the_limit_of_a_tool() {
    let manifest: Value = serde_json::from_str(&server().manifest().unwrap()).unwrap();
    let tools = manifest["tools"].as_array().unwrap();
    let limit =
        |name: &str| tools.iter().find(|tool| tool["name"] == name).unwrap()["max_output_bytes"].clone();
    assert_eq!((limit("long"), limit("longer")), (Value::Null, json!(2 * 1024 * 1024)));
}
