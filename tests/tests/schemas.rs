//! Tests that published schemas hold nothing that clients reject, and that they are the ones enforced.

use candor::{Revision, testing::Client};
use candor_tests::schema_types::server;
use serde_json::{Map, Value, json};

/// Collects everything that some client rejects, each with its place.
fn rejected(schema: &Value, place: &str, faults: &mut Vec<String>) {
    let object = match schema {
        Value::Object(object) => object,
        Value::Bool(_) => return faults.push(format!("{place}: a boolean schema")),
        other => return faults.push(format!("{place}: {other} is not a schema")),
    };
    if object.is_empty() {
        faults.push(format!("{place}: {{}}"));
    }
    for key in ["$ref", "$defs", "definitions", "$schema", "$dynamicRef", "nullable"] {
        if object.contains_key(key) {
            faults.push(format!("{place}: {key}"));
        }
    }
    if object.get("type").is_some_and(Value::is_array) {
        faults.push(format!("{place}: a list of types"));
    }
    if let Some(format) = object.get("format").and_then(Value::as_str)
        && (format.starts_with("int") || format.starts_with("uint") || ["float", "double"].contains(&format))
    {
        faults.push(format!("{place}: format {format}"));
    }
    for key in ["properties", "patternProperties"] {
        for (name, child) in object.get(key).and_then(Value::as_object).into_iter().flatten() {
            rejected(child, &format!("{place}.{name}"), faults);
        }
    }
    for key in ["items", "not", "contains", "propertyNames", "if", "then", "else"] {
        if let Some(child) = object.get(key) {
            rejected(child, &format!("{place}/{key}"), faults);
        }
    }
    if let Some(child @ Value::Object(_)) = object.get("additionalProperties") {
        rejected(child, &format!("{place}/*"), faults);
    }
    for key in ["anyOf", "oneOf", "allOf", "prefixItems"] {
        for (at, child) in object.get(key).and_then(Value::as_array).into_iter().flatten().enumerate() {
            rejected(child, &format!("{place}/{key}[{at}]"), faults);
        }
    }
}

#[tokio::test]
async fn schemas_hold_nothing_that_clients_reject() {
    let service = server().build().unwrap();
    for revision in Revision::ALL {
        let tools = Client::to(service.clone(), revision).await.tools().await.unwrap();
        assert_eq!(tools.len(), 6);
        let mut faults = Vec::new();
        for tool in &tools {
            let name = tool["name"].as_str().unwrap();
            let input = &tool["inputSchema"];
            assert_eq!(
                (&input["type"], &input["additionalProperties"]),
                (&json!("object"), &json!(false)),
                "{name}"
            );
            rejected(input, &format!("{name} in"), &mut faults);
            rejected(&tool["outputSchema"], &format!("{name} out"), &mut faults);
            for (parameter, schema) in input["properties"].as_object().unwrap() {
                assert!(schema["description"].is_string(), "{name} {parameter}");
            }
        }
        assert_eq!(faults, Vec::<String>::new(), "{revision}");
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

#[tokio::test]
async fn published_schema_is_the_enforced_one() {
    let client = Client::of(server()).await;
    let tools = client.tools().await.unwrap();
    for (tool, arguments, fits) in [number_cases(), rich_cases(), other_cases()].concat() {
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
        // `null` for an absent argument is accepted, and need not be published.
        let sent: Map<String, Value> = arguments
            .as_object()
            .unwrap()
            .clone()
            .into_iter()
            .filter(|(name, value)| !value.is_null() || name == "value")
            .collect();
        assert_eq!(published.is_valid(&sent.into()), fits, "published otherwise: {arguments}");
    }
}
