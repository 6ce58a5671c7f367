//! Tests what clients read of a handler's result, under each revision.

use std::{fmt, io, time::Duration};

use candor::{
    Block, Content, Revision, Server, ToolError, mcp_tool,
    testing::{Answer, Client},
    tools,
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use serde_json::{Value, json};

#[derive(Serialize, JsonSchema)]
struct Point {
    x: i32,
    y: Option<f64>,
}

#[derive(Serialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Shape {
    Circle { radius: f64 },
    Square { side: f64 },
}

/// An object.
#[mcp_tool(read_only, closed_world, public)]
fn object() -> Point {
    Point { x: 1, y: None }
}

/// A choice of objects.
#[mcp_tool(read_only, closed_world, public)]
fn choice(
    /// Whether it is round.
    round: bool,
) -> Shape {
    if round { Shape::Circle { radius: 1.0 } } else { Shape::Square { side: 2.0 } }
}

/// A text.
#[mcp_tool(read_only, closed_world, public)]
fn text() -> String {
    "two\nlines".to_owned()
}

/// A number.
#[mcp_tool(read_only, closed_world, public)]
fn number() -> u64 {
    u64::MAX
}

/// A list.
#[mcp_tool(read_only, closed_world, public)]
fn list() -> Vec<Point> {
    vec![Point { x: 1, y: Some(0.5) }]
}

/// Perhaps an object.
#[mcp_tool(read_only, closed_world, public)]
fn perhaps(
    /// Whether there is one.
    some: bool,
) -> Option<Point> {
    some.then_some(Point { x: 2, y: None })
}

/// Nothing.
#[mcp_tool(additive, closed_world, public)]
fn nothing() {}

/// Content of every kind.
#[mcp_tool(read_only, closed_world, public)]
fn content() -> Content {
    Content::text("a")
        .image([0, 255], "image/png")
        .audio(*b"RIFF", "audio/wav")
        .resource("mem://a", Some("text/csv"), "a,b")
        .resource("mem://b", None, "b")
        .link("mem://c", "c", Some("text/plain"))
}

/// No content at all.
#[mcp_tool(read_only, closed_world, public)]
fn no_content() -> Content {
    Content::default()
}

#[derive(Debug)]
struct Closed;

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the shop is closed\nhelp: come tomorrow")
    }
}

/// An error of the user's own type.
#[mcp_tool(read_only, closed_world, public)]
fn own_error() -> Result<Point, Closed> {
    Err(Closed)
}

/// An error of the standard library.
#[mcp_tool(read_only, closed_world, public)]
fn io_error() -> io::Result<String> {
    Err(io::Error::other("no disk"))
}

/// An error that says more.
#[mcp_tool(read_only, closed_world, public)]
async fn rich_error() -> Result<Point, ToolError> {
    Err(ToolError::transient("busy").reason("shop_busy").retry_after(Duration::from_millis(1_500)))
}

/// A number that is not finite.
#[mcp_tool(read_only, closed_world, public)]
fn nan() -> f64 {
    f64::NAN
}

/// A list of numbers, one of which is not finite.
#[mcp_tool(read_only, closed_world, public)]
fn hidden_infinity() -> Vec<Point> {
    vec![Point { x: 1, y: None }, Point { x: 2, y: Some(f64::INFINITY) }]
}

/// A long text.
#[mcp_tool(read_only, closed_world, public)]
fn long_text(
    /// How long.
    length: usize,
) -> String {
    "x".repeat(length)
}

/// A long list.
#[mcp_tool(read_only, closed_world, public)]
fn long_list() -> Vec<u8> {
    vec![255; 1_000_000]
}

/// A long picture.
#[mcp_tool(read_only, closed_world, public)]
fn long_picture() -> Content {
    Content::default().image(vec![0; 1024 * 1024], "image/png")
}

/// A type whose schema says number and whose value is a text.
struct Liar;

impl Serialize for Liar {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("hunter2")
    }
}

impl JsonSchema for Liar {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Liar".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]})
    }
}

/// A type that lies.
#[mcp_tool(read_only, closed_world, public)]
fn liar() -> Liar {
    Liar
}

fn server() -> Server {
    Server::new("s", "1").unaudited().tools(tools![
        object,
        choice,
        text,
        number,
        list,
        perhaps,
        nothing,
        content,
        no_content,
        own_error,
        io_error,
        rich_error,
        nan,
        hidden_infinity,
        long_text,
        long_list,
        long_picture,
        liar
    ])
}

async fn each(tool: &str, arguments: Value, see: impl Fn(Revision, Answer)) {
    let service = server().build().unwrap();
    for revision in Revision::ALL {
        let client = Client::to(service.clone(), revision).await;
        see(revision, client.call(tool, arguments.clone()).await.unwrap());
    }
}

#[tokio::test]
async fn objects_are_not_wrapped_under_any_revision() {
    for (tool, arguments, value) in [
        ("object", json!({}), json!({"x": 1, "y": null})),
        ("choice", json!({"round": true}), json!({"kind": "circle", "radius": 1.0})),
        ("choice", json!({"round": false}), json!({"kind": "square", "side": 2.0})),
    ] {
        each(tool, arguments, |revision, answer| {
            assert!(!answer.is_error, "{revision}");
            assert_eq!(answer.structured.as_ref(), Some(&value), "{revision}");
            assert_eq!(answer.text(), value.to_string());
        })
        .await;
    }
}

#[tokio::test]
async fn other_values_are_wrapped_before_2026_07_28_only() {
    for (tool, arguments, value) in [
        ("number", json!({}), json!(u64::MAX)),
        ("list", json!({}), json!([{"x": 1, "y": 0.5}])),
        ("perhaps", json!({"some": true}), json!({"x": 2, "y": null})),
        ("perhaps", json!({"some": false}), json!(null)),
    ] {
        each(tool, arguments, |revision, answer| {
            let wrapped = json!({"result": value});
            let expected = if revision == Revision::V2026_07_28 { &value } else { &wrapped };
            // rmcp's client reads `"structuredContent": null` as absent.
            assert_eq!(&answer.structured.unwrap_or_default(), expected, "{tool} {revision}");
            assert_eq!(answer.content, [Block::Text(value.to_string())], "the model reads the bare value");
        })
        .await;
    }
}

#[tokio::test]
async fn output_schema_is_published_for_structured_results_only() {
    let service = server().build().unwrap();
    for revision in Revision::ALL {
        let client = Client::to(service.clone(), revision).await;
        for tool in client.tools().await.unwrap() {
            let (name, schema) = (tool["name"].as_str().unwrap(), &tool["outputSchema"]);
            let structured = !matches!(
                name,
                "text" | "nothing" | "content" | "no_content" | "io_error" | "long_text" | "long_picture"
            );
            assert_eq!(schema.is_object(), structured, "{name} under {revision}: {schema}");
            if structured && revision != Revision::V2026_07_28 {
                assert_eq!(schema["type"], "object", "{name} under {revision}: {schema}");
            }
        }
    }
}

#[tokio::test]
async fn text_and_unit_results_have_no_structure() {
    for (tool, says) in [("text", "two\nlines"), ("nothing", "done")] {
        each(tool, json!({}), |_, answer| {
            assert_eq!((answer.is_error, answer.structured), (false, None));
            assert_eq!(answer.content, [Block::Text(says.to_owned())]);
        })
        .await;
    }
}

#[tokio::test]
async fn content_blocks_arrive_in_order() {
    each("content", json!({}), |_, answer| {
        assert_eq!(answer.structured, None);
        assert_eq!(
            answer.raw["content"],
            json!([
                {"type": "text", "text": "a"},
                {"type": "image", "data": "AP8=", "mimeType": "image/png"},
                {"type": "audio", "data": "UklGRg==", "mimeType": "audio/wav"},
                {"type": "resource", "resource": {"uri": "mem://a", "mimeType": "text/csv", "text": "a,b"}},
                {"type": "resource", "resource": {"uri": "mem://b", "mimeType": "text/plain", "text": "b"}},
                {"type": "resource_link", "uri": "mem://c", "name": "c", "mimeType": "text/plain"},
            ])
        );
    })
    .await;
    each("no_content", json!({}), |_, answer| assert_eq!(answer.raw["content"], json!([]))).await;
}

#[tokio::test]
async fn errors_have_no_structure() {
    each("own_error", json!({}), |_, answer| {
        assert_eq!((answer.is_error, answer.structured.clone()), (true, None));
        assert_eq!(answer.text(), "the shop is closed\nhelp: come tomorrow");
        assert_eq!(answer.reason(), None);
    })
    .await;
    each("io_error", json!({}), |_, answer| {
        assert_eq!((answer.is_error, answer.text()), (true, "no disk".to_owned()));
    })
    .await;
    each("rich_error", json!({}), |_, answer| {
        assert_eq!(
            (answer.is_error, answer.text(), answer.reason()),
            (true, "busy".to_owned(), Some("shop_busy"))
        );
        assert_eq!(answer.meta["io.github.candor-mcp/transient"], true);
        assert_eq!(answer.meta["io.github.candor-mcp/retry-after-seconds"], 2, "rounded up");
    })
    .await;
}

#[tokio::test]
async fn result_outside_its_schema_is_an_error_without_the_value() {
    for tool in ["nan", "liar"] {
        each(tool, json!({}), |_, answer| {
            assert_eq!((answer.is_error, answer.structured.clone()), (true, None), "{tool}");
            assert_eq!(answer.reason(), Some("output_schema"));
            assert!(!answer.raw.to_string().contains("hunter2"));
        })
        .await;
    }
}

/// `serde_json` writes NaN as `null`, which an `Option` would accept.
#[tokio::test]
async fn number_that_is_not_finite_is_an_error_with_its_place() {
    for (tool, place) in [("nan", "`result`"), ("hidden_infinity", "`[1].y`")] {
        each(tool, json!({}), |_, answer| {
            assert_eq!((answer.is_error, answer.reason()), (true, Some("output_schema")), "{tool}");
            let says = format!("a number at {place} that is not finite");
            assert!(answer.text().contains(&says), "{}", answer.text());
        })
        .await;
    }
}

#[tokio::test]
async fn result_over_one_mebibyte_is_an_error_and_never_cut() {
    for (tool, arguments) in [
        ("long_text", json!({"length": 2_000_000})),
        ("long_text", json!({"length": 1024 * 1024 + 1})),
        ("long_list", json!({})),
        ("long_picture", json!({})),
    ] {
        each(tool, arguments, |_, answer| {
            assert_eq!((answer.is_error, answer.structured.clone()), (true, None), "{tool}");
            assert_eq!(answer.reason(), Some("output_too_large"));
            assert!(answer.raw.to_string().len() < 1_000);
        })
        .await;
    }
    each("long_text", json!({"length": 1024 * 1024}), |_, answer| {
        assert_eq!((answer.is_error, answer.text().len()), (false, 1024 * 1024));
    })
    .await;
}
