//! Tests rules between parameters: published at the root of a schema, enforced, and described in refusals.

use candor::{Server, mcp_tool, testing::Client, tools};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A way to reach a person.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Means {
    Phone,
    Email,
}

/// Reach a person.
#[mcp_tool(
    read_only,
    closed_world,
    public,
    rules(any_of(phone, email), when(by = "phone", phone, else(email)))
)]
fn reach(
    /// How.
    #[param(name = "means")]
    by: Option<Means>,
    /// A number.
    phone: Option<String>,
    /// An address.
    email: Option<String>,
) -> String {
    let by = match by {
        Some(Means::Phone) => "phone",
        Some(Means::Email) => "email",
        None => "any",
    };
    format!("{by}: {}", phone.or(email).unwrap_or_default())
}

/// Look up a price.
#[mcp_tool(
    read_only,
    closed_world,
    public,
    rules(
        one_of(symbol, isin),
        needs(end, start),
        needs(end, zone),
        when(unit = "day", start),
        when(count = 2, r#type)
    )
)]
#[expect(clippy::too_many_arguments, reason = "a parameter a rule")]
fn price(
    /// Its symbol.
    symbol: Option<String>,
    /// Its number.
    isin: Option<String>,
    /// The first day.
    start: Option<String>,
    /// The last day.
    end: Option<String>,
    /// The time zone of the days.
    zone: Option<String>,
    /// The unit that is counted.
    #[param(default = "day")]
    unit: String,
    /// How many.
    count: Option<u8>,
    /// Of what kind.
    #[param(name = "kind")]
    r#type: Option<String>,
) -> String {
    let all = [symbol, isin, start, end, zone, Some(unit), count.map(|count| count.to_string()), r#type];
    all.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// Show a part of a file.
#[mcp_tool(read_only, closed_world, public, rules(at_most_one(head, tail, from)))]
fn show(
    /// The number of first lines.
    head: Option<u32>,
    /// The number of last lines.
    tail: Option<u32>,
    /// The first line.
    from: Option<u32>,
) -> u32 {
    head.or(tail).or(from).unwrap_or_default()
}

fn server() -> Server {
    Server::new("rules", "1.0.0").tools(tools![reach, price, show])
}

async fn schema_of(client: &Client, name: &str) -> Value {
    let tools = client.tools().await.unwrap();
    tools.iter().find(|tool| tool["name"] == name).unwrap()["inputSchema"].clone()
}

#[tokio::test]
async fn rules_are_published_in_the_description_of_a_plain_object() {
    let client = Client::of(server()).await;
    let mut schema = schema_of(&client, "reach").await;
    schema.as_object_mut().unwrap().remove("properties");
    let expected = json!({
        "type": "object",
        "description": "A call must have at least one of `phone` and `email`; \
            `phone` where `means` is \"phone\" and `email` otherwise.",
        "additionalProperties": false,
    });
    assert_eq!(schema, expected);
}

#[tokio::test]
async fn exact_schemas_have_the_rules_at_the_root() {
    let client = Client::of(server().exact_schemas()).await;
    let mut schema = schema_of(&client, "reach").await;
    schema.as_object_mut().unwrap().remove("properties");
    let expected = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
        "if": {"properties": {"means": {"const": "phone"}}, "required": ["means"]},
        "then": {"required": ["phone"]},
        "else": {"required": ["email"]},
        "additionalProperties": false,
    });
    assert_eq!(schema, expected);

    let schema = schema_of(&client, "price").await;
    assert_eq!(schema["dependentRequired"], json!({"end": ["start", "zone"]}));
    // A call without `unit` uses `day`.
    assert_eq!(schema["if"], json!({"properties": {"unit": {"const": "day"}}}));
    let count = json!({"properties": {"count": {"const": 2}}, "required": ["count"]});
    assert_eq!(
        schema["allOf"],
        json!([
            {"oneOf": [{"required": ["symbol"]}, {"required": ["isin"]}]},
            {"if": count, "then": {"required": ["kind"]}},
        ])
    );
}

#[tokio::test]
async fn published_rules_are_the_enforced_ones() {
    let client = Client::of(server()).await;
    let exact = Client::of(server().exact_schemas()).await;
    for (tool, arguments, fits) in [
        ("reach", json!({}), false),
        ("reach", json!({"phone": "1"}), false),
        ("reach", json!({"email": "a"}), true),
        ("reach", json!({"phone": "1", "email": "a"}), true),
        ("reach", json!({"means": "phone", "phone": "1"}), true),
        ("reach", json!({"means": "phone", "email": "a"}), false),
        ("reach", json!({"means": "email", "email": "a"}), true),
        ("reach", json!({"means": "email", "phone": "1"}), false),
        ("price", json!({"symbol": "A", "start": "1"}), true),
        ("price", json!({"isin": "A", "unit": "month"}), true),
        ("price", json!({"isin": "A"}), false),
        ("price", json!({"isin": "A", "unit": "day"}), false),
        ("price", json!({"start": "1"}), false),
        ("price", json!({"symbol": "A", "isin": "A", "start": "1"}), false),
        ("price", json!({"symbol": "A", "unit": "month", "end": "1"}), false),
        ("price", json!({"symbol": "A", "unit": "month", "end": "1", "start": "1"}), false),
        ("price", json!({"symbol": "A", "end": "1", "start": "1", "zone": "Z"}), true),
        ("price", json!({"symbol": "A", "start": "1", "count": 2}), false),
        ("price", json!({"symbol": "A", "start": "1", "count": 2.0, "kind": "b"}), true),
        ("price", json!({"symbol": "A", "start": "1", "count": 3}), true),
        ("show", json!({}), true),
        ("show", json!({"head": 1}), true),
        ("show", json!({"from": 1}), true),
        ("show", json!({"head": 1, "tail": 1}), false),
        ("show", json!({"tail": 1, "from": 1}), false),
    ] {
        let answer = client.call(tool, arguments.clone()).await.unwrap();
        assert_eq!(!answer.is_error, fits, "{arguments} {}", answer.text());
        let listed = jsonschema::validator_for(&schema_of(&client, tool).await).unwrap();
        assert!(!fits || listed.is_valid(&arguments), "listed otherwise: {arguments}");
        let exact = jsonschema::validator_for(&schema_of(&exact, tool).await).unwrap();
        assert_eq!(exact.is_valid(&arguments), fits, "exact otherwise: {arguments}");
    }
    // `null` counts as not sent.
    let answer = client.call("price", json!({"symbol": "A", "isin": null, "start": "1"})).await.unwrap();
    assert!(!answer.is_error, "{}", answer.text());
}

#[tokio::test]
async fn refusal_names_the_missing_parameter_and_its_rule() {
    let client = Client::of(server()).await;
    let refusal = async |tool, arguments| client.call(tool, arguments).await.unwrap().text();
    let text = refusal("reach", json!({"means": "phone"})).await;
    assert!(text.contains("- `arguments` holds none of `phone`, `email`\n"), "{text}");
    assert!(text.contains("- `phone` is missing\n"), "{text}");
    assert!(
        text.ends_with(
            "at least one of `phone` and `email`, `phone` where `means` is \"phone\" and `email` otherwise"
        ),
        "{text}"
    );
    let text = refusal("price", json!({"symbol": "A", "isin": "B", "unit": "month", "end": "1"})).await;
    assert!(text.contains("- `arguments` holds more than one of `symbol`, `isin`\n"), "{text}");
    assert!(text.contains("- `start` is missing, and `end` needs it\n"), "{text}");
    assert!(text.contains("exactly one of `symbol` and `isin`"), "{text}");
    assert!(text.contains("`start` wherever `end` is sent"), "{text}");
    let text = refusal("show", json!({"head": 1, "from": 1})).await;
    assert!(text.contains("- `arguments` holds more than one of `head`, `from`\n"), "{text}");
    assert!(text.ends_with("at most one of `head` and `tail` and `from`"), "{text}");
}

#[test]
fn manifest_lists_the_rules() {
    let manifest: Value = serde_json::from_str(&server().manifest().unwrap()).unwrap();
    let reach = manifest["tools"].as_array().unwrap().iter().find(|tool| tool["name"] == "reach").unwrap();
    let rules = json!([
        "at least one of `phone` and `email`",
        "`phone` where `means` is \"phone\" and `email` otherwise"
    ]);
    assert_eq!(reach["rules"], rules);
    assert_eq!(reach["enforced_by"]["rules"], json!(["runtime"]));
}

/// Say a phrase.
#[mcp_tool(read_only, closed_world, public, rules(when(by = "letter", word)))]
fn say(
    /// How.
    by: Option<Means>,
    /// What.
    word: Option<String>,
) -> String {
    by.and(word).unwrap_or_default()
}

#[test]
fn rule_of_an_impossible_value_does_not_start() {
    let why = Server::new("never", "1.0.0").tools(tools![say]).manifest().unwrap_err().to_string();
    assert!(why.contains("its rule for `by` = \"letter\" never holds"), "{why}");
}

/// A sum, or a number.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase")]
#[schemars(rename = "term", extend("$anchor" = "term"))]
enum Term {
    Number {
        /// How much.
        #[schemars(range(max = 9))]
        worth: u8,
    },
    Sum {
        /// The terms that are added.
        of: Vec<Term>,
    },
}

/// Add up a term.
#[mcp_tool(read_only, closed_world, public)]
fn add_up(
    /// The term.
    term: Term,
    /// A second one.
    more: Option<Term>,
) -> Vec<Term> {
    std::iter::once(term).chain(more).collect()
}

fn nested(depth: usize, worth: u8) -> Value {
    (0..depth).fold(json!({"kind": "number", "worth": worth}), |term, _| json!({"kind": "sum", "of": [term]}))
}

#[tokio::test]
async fn type_with_an_anchor_is_published_once_and_enforced_at_any_depth() {
    let client = Client::of(Server::new("terms", "1.0.0").tools(tools![add_up])).await;
    let tools = client.tools().await.unwrap();
    let (input, output) = (&tools[0]["inputSchema"], &tools[0]["outputSchema"]);
    assert_eq!(input["$defs"]["term"]["$anchor"], "term");
    assert_eq!(
        input["properties"]["more"],
        json!({"$ref": "#/$defs/term", "type": "object", "description": "A second one."}),
        "{input}"
    );
    assert_eq!(input["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert_eq!(output["$defs"]["term"]["$anchor"], "term", "{output}");
    let (takes, gives) =
        (jsonschema::validator_for(input).unwrap(), jsonschema::validator_for(output).unwrap());
    for (depth, worth, fits) in [(0, 9, true), (1, 9, true), (1, 10, false), (40, 9, true), (40, 10, false)] {
        let arguments = json!({"term": nested(depth, worth)});
        let answer = client.call("add_up", arguments.clone()).await.unwrap();
        assert_eq!(!answer.is_error, fits, "{depth}: {}", answer.text());
        assert_eq!(takes.is_valid(&arguments), fits, "published otherwise: {arguments}");
        match answer.structured {
            Some(structured) => assert!(gives.is_valid(&structured), "{structured}"),
            None => assert!(answer.text().contains("`term`"), "{}", answer.text()),
        }
    }
}
