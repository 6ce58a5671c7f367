//! Runs the table of changes in `tests/contract/changes.json`: each row in both directions, and every rule in some row.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::{
    change::{ALL_RULES, Change},
    definition::digest,
    diff::compare,
    lock::{Lock, LockedTool},
};

const TABLE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/contract/changes.json"));

/// One change: two contracts, and the findings in each direction.
struct Row {
    name: String,
    locks: [Lock; 2],
    expected: [String; 2],
}

fn rows() -> Vec<Row> {
    let table: Value = serde_json::from_str(TABLE).unwrap();
    let section = |name: &str| table[name].as_array().unwrap().clone();
    let mut rows = Vec::new();
    for row in section("schemas") {
        for flow in ["input", "output"] {
            let [before, after] = ["before", "after"].map(|side| {
                let mut tool = plain();
                let mut schema =
                    json!({"type": "object", "properties": {"p": row[side]}, "$defs": row["definitions"]});
                if row["definitions"].is_null() {
                    schema.as_object_mut().unwrap().remove("$defs");
                }
                tool.insert(format!("{flow}_schema"), schema);
                lock(&json!({}), Some(tool))
            });
            let expected = ["there", "back"].map(|way| row[flow][way].as_str().unwrap().to_owned());
            rows.push(Row { name: format!("{flow}: {}", row["change"]), locks: [before, after], expected });
        }
    }
    for row in section("tools") {
        let locks = ["before", "after"].map(|side| {
            let members = row[side].as_object().unwrap();
            let tool = (!members.contains_key("tool")).then(|| replaced(plain(), members));
            lock(&json!({}), tool)
        });
        rows.push(whole(&row, locks));
    }
    for row in section("servers") {
        let locks = ["before", "after"].map(|side| lock(&row[side], Some(plain())));
        rows.push(whole(&row, locks));
    }
    rows
}

fn whole(row: &Value, locks: [Lock; 2]) -> Row {
    let expected = ["there", "back"].map(|way| row[way].as_str().unwrap().to_owned());
    Row { name: row["change"].to_string(), locks, expected }
}

/// The tool whose members a row replaces.
fn plain() -> Map<String, Value> {
    let tool = json!({
        "name": "plain",
        "title": "Plain",
        "description": "Does something.",
        "annotations":
            {"readOnlyHint": true, "destructiveHint": false, "idempotentHint": true, "openWorldHint": false},
        "scopes": [],
        "confirm": "never",
        "idempotency_key": "none",
        "audit": "best_effort",
        "input_schema": {"type": "object"},
        "output_schema": {"type": "object"},
    });
    tool.as_object().unwrap().clone()
}

fn replaced(mut tool: Map<String, Value>, members: &Map<String, Value>) -> Map<String, Value> {
    for (key, value) in members {
        if value.is_null() {
            tool.remove(key);
        } else {
            tool.insert(key.clone(), value.clone());
        }
    }
    tool
}

fn lock(settings: &Value, tool: Option<Map<String, Value>>) -> Lock {
    let tools = tool.into_iter().map(|definition| {
        let name = definition["name"].as_str().unwrap().to_owned();
        (name, LockedTool { digest: Some(digest(&definition)), definition })
    });
    Lock {
        name: "table".to_owned(),
        version: "1.0.0".to_owned(),
        settings: settings.as_object().unwrap().clone(),
        tools: tools.collect::<BTreeMap<_, _>>(),
        is_listed: false,
    }
}

/// `breaking tool-removed, minor tool-added`, each pair once.
fn spelled(changes: &[Change]) -> String {
    let found: BTreeSet<String> =
        changes.iter().map(|change| format!("{} {}", change.class().word(), change.rule.id)).collect();
    if found.is_empty() { "none".to_owned() } else { found.into_iter().collect::<Vec<_>>().join(", ") }
}

#[test]
fn every_change_of_the_table_has_its_class_in_both_directions() {
    let rows = rows();
    assert!(rows.len() >= 80, "{} rows", rows.len());
    let mut wrong = Vec::new();
    for Row { name, locks: [before, after], expected: [there, back] } in &rows {
        for (way, expected, changes) in
            [("there", there, compare(before, after).changes), ("back", back, compare(after, before).changes)]
        {
            let found = spelled(&changes);
            if found != *expected {
                wrong.push(format!("{name}, {way}: expected {expected}; found {found}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}

#[test]
fn every_rule_has_a_row_in_the_table() {
    let rows = rows();
    let expected: Vec<&str> =
        rows.iter().flat_map(|row| &row.expected).flat_map(|all| all.split([' ', ','])).collect();
    let unused: Vec<&str> =
        ALL_RULES.iter().map(|rule| rule.id).filter(|id| !expected.contains(id)).collect();
    assert!(unused.is_empty(), "rules without a row: {unused:?}");
    let ids: BTreeSet<&str> = ALL_RULES.iter().map(|rule| rule.id).collect();
    assert_eq!(ids.len(), ALL_RULES.len(), "two rules have one id");
}

#[test]
fn fingerprints_of_different_changes_differ() {
    let rows = rows();
    let mut fingerprints = BTreeMap::new();
    for Row { name, locks: [before, after], .. } in &rows {
        for change in compare(before, after).changes {
            let content = (change.rule.id, change.subject(), change.detail.clone());
            let earlier = fingerprints.insert(change.fingerprint.clone(), content.clone());
            assert!(earlier.is_none_or(|earlier| earlier == content), "{name}: {content:?}");
        }
    }
    assert!(fingerprints.len() >= 80, "{} fingerprints", fingerprints.len());
}

/// Writes a value with the keys of every object in the opposite order, and with other white space.
fn reversed(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let members: Vec<String> = members
                .iter()
                .rev()
                .map(|(key, value)| format!("{}\t:{}", json!(key), reversed(value)))
                .collect();
            format!("{{ {} }}", members.join(" ,\r\n"))
        }
        Value::Array(values) => {
            format!("[\n{}]", values.iter().map(reversed).collect::<Vec<_>>().join(",\n\n"))
        }
        other => other.to_string(),
    }
}

#[test]
fn lock_in_another_order_layout_and_form_of_references_is_the_same() {
    let point = json!({"type": "object", "properties": {"x": {"type": "integer"}, "y": {"type": "integer"}}, "required": ["x", "y"]});
    let by_reference = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$defs": {"Line": {"type": "object", "properties": {"from": {"$ref": "#/$defs/Point"}, "to": {"$ref": "#/$defs/Point"}}}, "Point": point},
        "type": "object",
        "properties": {"line": {"$ref": "#/$defs/Line", "description": "A line."}},
    });
    let line =
        json!({"type": "object", "properties": {"from": point, "to": point}, "description": "A line."});
    let in_place = json!({"type": "object", "properties": {"line": line}});
    let mut tool = plain();
    tool.insert("input_schema".to_owned(), by_reference.clone());
    tool.insert("output_schema".to_owned(), by_reference);
    let lock = json!({
        "lock_format": 1,
        "server": {"name": "table", "version": "1.0.0"},
        "instructions": "Read this.",
        "tools": [{"digest": digest(&tool), "definition": tool}],
    });
    let mut inlined = lock.clone();
    inlined["tools"][0]["definition"]["input_schema"] = in_place.clone();
    inlined["tools"][0]["definition"]["output_schema"] = in_place;
    let original = Lock::read(&lock.to_string()).unwrap_or_else(|fault| panic!("{fault:?}"));
    for text in
        [lock.to_string(), format!("{lock:#}"), reversed(&lock), inlined.to_string(), reversed(&inlined)]
    {
        let other = Lock::read(&text).unwrap_or_else(|fault| panic!("{fault:?}: {text}"));
        assert_eq!(spelled(&compare(&original, &other).changes), "none", "{text}");
        assert_eq!(spelled(&compare(&other, &original).changes), "none", "{text}");
    }
    // Also when nothing but the rules decides.
    let mut unsigned = Lock::read(&inlined.to_string()).unwrap_or_else(|fault| panic!("{fault:?}"));
    unsigned.tools.values_mut().for_each(|tool| tool.digest = None);
    assert_eq!(spelled(&compare(&original, &unsigned).changes), "none");
}
