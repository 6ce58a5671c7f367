//! Tests faults inside of an argument: the answer names the place, the tags of an enum and the shape of an item, and no value.

use std::time::{Duration, Instant};

use candor::testing::Client;
use candor_tests::schema_types;
use serde_json::{Value, json};

/// Part of every wrong value. No answer may contain it.
const MARKER: &str = "s3cr3t-4711";

/// The lines of a refusal that name a fault.
fn faults(text: &str) -> Vec<&str> {
    text.lines().filter_map(|line| line.strip_prefix("- ")).collect()
}

/// Makes a call of the server of many types, and gives the text of its refusal.
async fn refused_by_type(client: &Client, tool: &str, arguments: Value) -> String {
    let answer = client.call(tool, arguments).await.unwrap();
    assert_eq!(answer.reason(), Some("invalid_arguments"), "{}", answer.raw);
    assert!(!answer.raw.to_string().contains(MARKER), "a value was repeated: {}", answer.raw);
    answer.text()
}

/// Makes calls of the server of many types, and compares the faults that each answer names.
async fn assert_faults(cases: impl IntoIterator<Item = (&'static str, Value, &'static [&'static str])>) {
    let client = Client::of(schema_types::server()).await;
    for (tool, arguments, says) in cases {
        let text = refused_by_type(&client, tool, arguments.clone()).await;
        assert_eq!(faults(&text), says, "{arguments}");
    }
}

/// Arguments of `choose` that fit but for one.
fn chosen(name: &str, value: Value) -> Value {
    let mut chosen = json!({"level": "low", "inside": {"kind": "square", "side": 1}});
    chosen[name] = value;
    chosen
}

#[tokio::test]
async fn fault_in_a_tagged_enum_names_the_tags_or_the_place() {
    let circle = |radius: Value| chosen("inside", json!({"kind": "circle", "radius": radius}));
    let cases: [(Value, &'static [&'static str]); 15] = [
        (
            chosen("inside", json!(MARKER)),
            &["`inside` is not an object whose `kind` is one of \"circle\", \"square\""],
        ),
        (chosen("inside", json!({"kind": MARKER})), &["`inside.kind` is not one of \"circle\", \"square\""]),
        (
            chosen("inside", json!({"radius": 1})),
            &["`inside.kind` is missing; it is one of \"circle\", \"square\""],
        ),
        (circle(json!(MARKER)), &["`inside.radius` is not a number"]),
        (chosen("inside", json!({"kind": "circle"})), &["`inside.radius` is missing"]),
        (
            chosen("inside", json!({"kind": "circle", "radius": 1, "raduis": MARKER})),
            &["`inside.raduis` is not a field of `inside`; did you mean `radius`?"],
        ),
        (
            chosen("other", json!({"Numbr": MARKER})),
            &["`other` must have exactly one of the fields `Number`, `Pair`, `Named`"],
        ),
        (chosen("other", json!({"Number": MARKER})), &["`other.Number` is not an integer"]),
        (chosen("other", json!({"Pair": [1, MARKER]})), &["`other.Pair[1]` is not a boolean"]),
        (
            chosen("other", json!({"Named": {"level": MARKER}})),
            &["`other.Named.level` is not one of \"off\", \"low\", \"very_high\""],
        ),
        (
            chosen("other", json!(MARKER)),
            &[
                "`other` is not one of \"Nothing\" or an object with `Number` or an object with `Pair` or an object with `Named`",
            ],
        ),
        (chosen("beside", json!({"t": MARKER})), &["`beside.t` is not one of \"A\", \"B\""]),
        (chosen("beside", json!({"t": "B", "c": [MARKER]})), &["`beside.c[0]` is not an integer"]),
        (chosen("either", json!(true)), &["`either` is not a string or an array"]),
        (chosen("either", json!([1, MARKER])), &["`either[1]` is not a number"]),
    ];
    assert_faults(cases.map(|(arguments, says)| ("choose", arguments, says))).await;
}

#[tokio::test]
async fn fault_deep_in_a_value_names_its_place_and_shape() {
    let tree = |inner: Value| json!({"tree": {"name": "a", "below": [{"name": "b", "below": [{"name": "c", "first": inner}]}]}});
    assert_faults([
        ("tree", tree(json!({"below": []})), &["`tree.below[0].below[0].first.name` is missing"] as &[&str]),
        ("tree", tree(json!(MARKER)), &["`tree.below[0].below[0].first` is not an object with `name` or null"]),
        ("tree", tree(json!({"name": "d", "nmae": 1})), &[
            "`tree.below[0].below[0].first.nmae` is not a field of `tree.below[0].below[0].first`; did you mean `name`?",
        ]),
        ("tree", json!({"tree": {"name": "a", "below": [MARKER]}}), &["`tree.below[0]` is not an object with `name`"]),
        ("pair", json!({"pair": {"0": MARKER}}), &["`pair` is not an array of 2 items: a string, an integer"]),
        ("lists", json!({"rows": [[1], MARKER]}), &["`rows[1]` is not an array"]),
    ])
    .await;
}

#[tokio::test]
async fn faults_are_listed_in_the_order_of_the_declaration() {
    let rich =
        ["levels", "anything", "value", "pairs", "gaps", "outside", "either", "newtype", "unit", "letter"];
    let client = Client::of(schema_types::server()).await;
    let text = refused_by_type(&client, "rich", json!({"rich": {"nested": null}})).await;
    assert_eq!(faults(&text), rich.map(|name| format!("`rich.{name}` is missing")));
    let text = refused_by_type(&client, "search", json!({"wrapped": 1, "query": 1, "limits": 1})).await;
    let places: Vec<&str> = faults(&text).iter().filter_map(|fault| fault.split('`').nth(1)).collect();
    assert_eq!(places, ["limits", "query", "wrapped"]);
}

#[tokio::test]
async fn text_that_holds_json_is_called_so() {
    let text = format!("{{\"name\": \"{MARKER}\"}}");
    assert_faults([
        ("tree", json!({"tree": text}), &[
            "`tree` is not an object with `name`; it is text that holds JSON: send the object itself",
        ] as &[&str]),
        ("pair", json!({"pair": "[\"a\", 1]"}), &[
            "`pair` is not an array of 2 items: a string, an integer; it is text that holds JSON: send the array itself",
        ]),
        ("pair", json!({"pair": "{}"}), &["`pair` is not an array of 2 items: a string, an integer"]),
    ])
    .await;
}

/// A choice is tried form by form. Without a bound, a deep value would be tried once per combination of forms.
#[tokio::test]
async fn fault_deep_in_untagged_forms_is_found_quickly() {
    let nested = (0..60).fold(json!({"left": MARKER}), |inner, _| json!({"left": inner, "right": null}));
    let begun = Instant::now();
    let client = Client::of(schema_types::server()).await;
    let text = refused_by_type(&client, "fork", json!({"fork": nested})).await;
    assert_eq!(faults(&text).len(), 1, "{text}");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}
