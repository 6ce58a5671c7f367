//! Tests that published schemas hold nothing that clients reject, and that they are the ones enforced.

use std::time::{Duration, Instant};

use candor::{Revision, testing::Client};
use candor_tests::{portable_schemas::rejected_of, schema_types::server, syntax_tree};
use serde_json::{Map, Value, json};

fn description_of(schema: &Value) -> Option<&str> {
    let choice = schema["anyOf"].as_array().into_iter().flatten();
    std::iter::once(schema).chain(choice).find_map(|schema| schema["description"].as_str())
}

#[tokio::test]
async fn schemas_hold_nothing_that_clients_reject() {
    let service = server().build().unwrap();
    for revision in Revision::ALL {
        let tools = Client::to(service.clone(), revision).await.tools().await.unwrap();
        assert_eq!(tools.len(), 10);
        assert_eq!(rejected_of(&tools), Vec::<String>::new(), "{revision}");
        for tool in &tools {
            let input = &tool["inputSchema"];
            assert_eq!((&input["type"], &input["additionalProperties"]), (&json!("object"), &json!(false)));
            for (parameter, schema) in input["properties"].as_object().unwrap() {
                assert!(description_of(schema).is_some(), "{parameter} {schema}");
            }
        }
    }
}

#[tokio::test]
async fn variant_descriptions_are_published() {
    let tools = Client::of(server()).await.tools().await.unwrap();
    let choose = tools.iter().find(|tool| tool["name"] == "choose").unwrap();
    let level = &choose["inputSchema"]["properties"]["level"];
    assert_eq!(
        (&level["type"], &level["enum"]),
        (&json!("string"), &json!(["off", "low", "very_high"])),
        "{level}"
    );
    let description = level["description"].as_str().unwrap();
    assert!(description.starts_with("How loud.\n"), "{description}");
    assert!(description.contains("\"very_high\": Not to be missed."), "{description}");
}

fn rich_value() -> Value {
    json!({
        "levels": {"a": "low"}, "anything": {"b": [1]}, "value": null, "nested": null,
        "pairs": [["a", 1], ["b", null]], "gaps": [1, null], "outside": "Nothing", "either": [0.5],
        "newtype": 1, "unit": null, "letter": "ä",
    })
}

/// The arguments of `rich` with one part changed, and whether they are then accepted.
fn rich_cases() -> Vec<(&'static str, Value, bool)> {
    [
        ("levels", json!({}), true),
        ("levels", json!({"a": "loud"}), false),
        ("anything", json!({"a": null, "b": {"c": []}}), true),
        ("anything", json!([]), false),
        ("value", json!([1, {"a": 2.5}]), true),
        ("nested", json!({"kind": "circle", "radius": 1}), true),
        ("nested", json!({"kind": "circle"}), false),
        ("nested", json!({"kind": "oval", "radius": 1}), false),
        ("nested", json!({"kind": "circle", "radius": 1, "more": 1}), false),
        ("nested", json!({"kind": "square", "side": 256}), false),
        ("pairs", json!([["a", u64::MAX]]), true),
        ("pairs", json!([["a"]]), false),
        ("pairs", json!([["a", 1, 2]]), false),
        ("pairs", json!([["a", -1]]), false),
        ("gaps", json!([null, null, -5.0]), true),
        ("gaps", json!([1, "2"]), false),
        ("gaps", json!([2_147_483_648_u64]), false),
        ("outside", json!({"Number": 65535}), true),
        ("outside", json!({"Number": 65536}), false),
        ("outside", json!({"Pair": [-128, true]}), true),
        ("outside", json!({"Pair": [-129, true]}), false),
        ("outside", json!({"Named": {"level": "off"}}), true),
        ("outside", json!({"Number": 1, "Pair": [1, true]}), false),
        ("outside", json!("Number"), false),
        ("either", json!("text"), true),
        ("either", json!([1, 2.5]), true),
        ("either", json!(["a"]), false),
        ("newtype", json!(4_294_967_296_u64), false),
        ("unit", json!(0), false),
        ("letter", json!("ab"), false),
        ("letter", json!(""), false),
        ("beside", json!({"t": "A", "c": "x"}), true),
        ("beside", json!({"t": "B", "c": null}), true),
        ("beside", json!({"t": "B", "c": [255]}), true),
        ("beside", json!({"t": "B", "c": [256]}), false),
        ("unknown", json!(1), false),
    ]
    .into_iter()
    .map(|(name, value, fits)| {
        let mut rich = rich_value();
        rich[name] = value;
        ("rich", json!({"rich": rich}), fits)
    })
    .collect()
}

fn number_cases() -> Vec<(&'static str, Value, bool)> {
    [
        ("a", json!(255), true),
        ("a", json!(256), false),
        ("a", json!(-1), false),
        ("b", json!(65_535), true),
        ("b", json!(65_536), false),
        ("c", json!(u32::MAX), true),
        ("c", json!(4_294_967_296_u64), false),
        ("d", json!(u64::MAX), true),
        ("d", json!(1e20), false),
        ("d", json!(-1), false),
        ("e", json!(-128), true),
        ("e", json!(-129), false),
        ("e", json!(128), false),
        ("f", json!(-32_769), false),
        ("g", json!(i32::MIN), true),
        ("g", json!(2_147_483_648_u64), false),
        ("h", json!(i64::MIN), true),
        ("h", json!(9_223_372_036_854_775_808_u64), false),
        ("h", json!(-1e19), false),
        ("i", json!(u64::MAX), true),
        ("i", json!(i64::MIN), true),
        ("i", json!(1e30), false),
        ("j", json!(u64::MAX), true),
        ("j", json!(-1), false),
        ("j", json!(1e30), false),
        ("k", json!(1e3), true),
        ("k", json!(0.5), false),
        ("l", json!(0), false),
        ("l", json!(1.0), true),
        ("m", json!(0.1), true),
        ("m", json!("0.1"), false),
        ("n", json!(1e308), true),
        ("n", json!(7), true),
    ]
    .into_iter()
    .map(|(name, value, fits)| ("numbers", json!({name: value}), fits))
    .collect()
}

fn other_cases() -> Vec<(&'static str, Value, bool)> {
    let chosen = |name: &str, value: Value| {
        let mut chosen = json!({"level": "low", "inside": {"kind": "square", "side": 1}});
        chosen[name] = value;
        chosen
    };
    let deep = (0..6).fold(json!({"name": "leaf"}), |below, _| json!({"name": "n", "below": [below]}));
    vec![
        ("choose", chosen("level", json!("very_high")), true),
        ("choose", chosen("level", json!("VeryHigh")), false),
        ("choose", chosen("inside", json!({"kind": "square", "side": 1, "x": 1})), false),
        ("choose", chosen("other", json!("Nothing")), true),
        ("choose", chosen("other", json!("Something")), false),
        ("choose", chosen("other", Value::Null), true),
        ("choose", chosen("either", json!({})), false),
        ("choose", chosen("beside", json!({"t": "C"})), false),
        ("tree", json!({"tree": deep}), true),
        ("tree", json!({"tree": {"name": "a", "first": {"name": "b", "first": null}}}), true),
        ("tree", json!({"tree": {"name": "a", "below": [{"name": 1}]}}), false),
        ("tree", json!({"tree": {"below": []}}), false),
        ("anything", json!({"value": {"a": [1, null]}}), true),
        ("anything", json!({"value": null}), true),
        ("anything", json!({}), false),
        ("anything", json!({"value": 1, "named": {"a": null}, "list": [null, 1], "object": {}}), true),
        ("anything", json!({"value": 1, "object": []}), false),
        ("pair", json!({"pair": ["a", 1], "more": [1, 2]}), true),
        ("pair", json!({"pair": ["a"]}), false),
        ("pair", json!({"pair": ["a", 1], "more": [1, 2, 3]}), false),
        ("pair", json!({"pair": ["a", 1], "more": null}), true),
    ]
}

fn search_cases() -> Vec<(&'static str, Value, bool)> {
    let limits = |name: &str, value: Value| {
        let mut limits = json!({"corner": [1, 2.5], "more": []});
        limits[name] = value;
        json!({"limits": limits})
    };
    let query = |rest: Value| {
        let mut query = json!({"text": "a"});
        query.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        json!({"limits": limits("most", Value::Null)["limits"], "query": query})
    };
    let open = json!({"limits": limits("most", Value::Null)["limits"], "open": {"text": "a", "other": [1]}});
    let wrapped = |value: Value| json!({"more": 1, "wrapped": value});
    [
        (limits("most", json!(u64::MAX)), true),
        (limits("most", json!(-1)), false),
        (limits("order", json!("low")), true),
        (limits("order", json!("high")), false),
        (limits("order", Value::Null), true),
        (limits("form", json!({"kind": "square", "side": 1})), true),
        (limits("form", json!({"kind": "square"})), false),
        (limits("corner", json!([1])), false),
        (limits("corner", json!([1, 2, 3])), false),
        (limits("corner", json!([1, "a"])), false),
        (limits("weighted", json!(["a", 1])), true),
        (limits("weighted", json!([1, "a"])), false),
        (limits("weighted", Value::Null), true),
        (limits("more", json!([[[1, {"a": [[[[1]]]]}]], null])), true),
        (limits("rank", json!(10)), false),
        (limits("step", json!(0)), false),
        (limits("step", json!(-2)), true),
        (limits("unknown", json!(1)), false),
        (json!({}), false),
        (json!({"more": i64::MIN}), true),
        (json!({"more": 1, "open": {"text": "a"}}), false),
        (query(json!({"Number": 1})), true),
        (query(json!({"Nothing": null, "page": 2})), true),
        (query(json!({"Number": 1, "page": -2})), false),
        (query(json!({"Number": 1, "pgae": 2})), false),
        (query(json!({})), false),
        (open, true),
        (wrapped(json!({"kind": "page", "page": 1})), true),
        (wrapped(json!({"kind": "page", "pgae": 1})), false),
        (wrapped(json!({"kind": "nothing"})), true),
        (wrapped(json!({"kind": "page", "page": "1"})), false),
    ]
    .into_iter()
    .map(|(arguments, fits)| ("search", arguments, fits))
    .collect()
}

#[tokio::test]
async fn published_schema_is_the_enforced_one() {
    let client = Client::of(server()).await;
    let tools = client.tools().await.unwrap();
    let exact = Client::of(server().exact_schemas()).await.tools().await.unwrap();
    let exact_of = |name| exact.iter().find(|tool| tool["name"] == name).unwrap()["inputSchema"].clone();
    for (tool, arguments, fits) in [number_cases(), rich_cases(), other_cases(), search_cases()].concat() {
        let listed = tools.iter().find(|listed| listed["name"] == tool).unwrap();
        let published = jsonschema::validator_for(&listed["inputSchema"]).unwrap();
        let answer = client.call(tool, arguments.clone()).await.unwrap();
        assert_eq!(!answer.is_error, fits, "{arguments} {}", answer.text());
        if answer.is_error {
            assert_eq!(answer.reason(), Some("invalid_arguments"), "{arguments} {}", answer.text());
        } else {
            let output = jsonschema::validator_for(&listed["outputSchema"]).unwrap();
            assert!(output.is_valid(&answer.structured.unwrap_or_default()), "{arguments}");
        }
        // `null` for an absent argument is accepted, and need not be published. What fits is always published; what does
        // not may be, if all clients take only a wider schema.
        let sent: Map<String, Value> = arguments
            .as_object()
            .unwrap()
            .clone()
            .into_iter()
            .filter(|(name, value)| !value.is_null() || name == "value")
            .collect();
        let sent = Value::Object(sent);
        assert!(!fits || published.is_valid(&sent), "published otherwise: {arguments}");
        let exact = jsonschema::validator_for(&exact_of(tool)).unwrap();
        assert_eq!(exact.is_valid(&sent), fits, "exact otherwise: {arguments}");
    }
}

/// Lists of types that hold each other were written out anew for each path between them: 24.8 MB in 17.9 s for these four.
#[tokio::test]
async fn types_that_hold_each_other_are_listed_briefly_and_checked_at_any_depth() {
    let begun = Instant::now();
    let client = Client::of(syntax_tree::server()).await;
    let tools = client.tools().await.unwrap();
    let (time, bytes) = (begun.elapsed(), serde_json::to_vec(&tools).unwrap().len());
    assert!(bytes < 64 * 1024, "{bytes} bytes");
    assert!(time < Duration::from_secs(5), "{time:?}");
    assert_eq!(rejected_of(&tools), Vec::<String>::new());
    let published = jsonschema::validator_for(&tools[0]["inputSchema"]).unwrap();

    let number = |value: Value| json!({"kind": "number", "value": value});
    let deep = |inner: Value, depth: usize| {
        (0..depth).fold(
            inner,
            |inner, _| json!({"kind": "match", "value": number(json!(1)), "arms": [["any", inner]]}),
        )
    };
    for (depth, value, fits) in [(0, json!(1), true), (30, json!(1), true), (30, json!("1"), false)] {
        let statement = json!({"kind": "expression", "value": deep(number(value), depth)});
        let arguments = json!({"program": [statement]});
        let answer = client.call("run", arguments.clone()).await.unwrap();
        assert_eq!(!answer.is_error, fits, "{}", answer.text());
        assert_eq!(published.is_valid(&arguments), fits, "published otherwise: {arguments}");
        if !fits {
            let place = format!("program[0].value{}.value", ".arms[0][1]".repeat(depth));
            assert!(answer.text().contains(&format!("`{place}` is not a number")), "{}", answer.text());
        }
    }
}

#[tokio::test]
async fn text_that_holds_json_is_read_if_the_parameter_is_lenient() {
    let client = Client::of(server()).await;
    let answer = client.call("lists", json!({"rows": "[[1, null], []]"})).await.unwrap();
    assert_eq!(answer.structured, Some(json!([[1.0, null], []])), "{}", answer.text());
    for rows in ["[[1]", "\"[]\"", "1", "{}"] {
        assert!(client.call("lists", json!({"rows": rows})).await.unwrap().is_error, "{rows}");
    }
}
