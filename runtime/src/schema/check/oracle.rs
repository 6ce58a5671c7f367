//! Compares the checker with the `jsonschema` crate, on random schemas and values: same schema, same verdict.

use fastrand::Rng;
use jsonschema::PatternOptions;
use serde_json::{Map, Value, json};

use super::Checker;

const NAMES: [&str; 4] = ["a", "b", "ab", "é"];
const TYPES: [&str; 7] = ["null", "boolean", "integer", "number", "string", "array", "object"];
const PATTERNS: [&str; 6] = ["^a", "b$", "^[A-Z]{1,5}$", r"^\d+$", r"\w", "é|x"];
const TEXTS: [&str; 34] = [
    "",
    "a",
    "ab",
    "é",
    "AAPL",
    "12",
    "٣",
    "a b",
    "2004-08-31",
    "2004-02-30",
    "2000-02-29",
    "1900-02-29",
    "12:00:00Z",
    "23:59:60Z",
    "12:59:60Z",
    "12:00:00.5+05:30",
    "24:00:00Z",
    "2004-08-31T12:00:00Z",
    "2004-08-31 12:00:00Z",
    "P1DT12H",
    "P2W",
    "PT",
    "P1Y2D",
    "67e55044-10b1-426f-9247-bb680e5fe0c8",
    "67e5504410b1426f9247bb680e5fe0c8",
    "1.2.3.4",
    "256.1.1.1",
    "::1",
    "example.com",
    "-a.example",
    "me@example.com",
    "https://example.com/a?b#c",
    "no uri",
    "/a~1b",
];
const TESTED_FORMATS: [&str; 12] = [
    "date",
    "time",
    "date-time",
    "duration",
    "uuid",
    "ipv4",
    "ipv6",
    "hostname",
    "email",
    "uri",
    "json-pointer",
    "regex",
];

#[test]
fn checker_agrees_with_jsonschema() {
    let mut rng = Rng::with_seed(20_260_728);
    let (mut fits, mut faults, mut followed) = (0, 0, 0);
    for _ in 0..7_000 {
        let schema = whole(&mut rng);
        let ours = match Checker::new(&schema) {
            Ok(ours) => ours,
            Err(why) => {
                let not_enforced = ["beside `if`", "beside `$ref`", "without end"];
                assert!(not_enforced.iter().any(|part| why.fact().contains(part)), "{schema}: {why}");
                continue;
            }
        };
        followed += u32::from(schema.to_string().contains("$ref"));
        let theirs = oracle(&schema);
        for _ in 0..8 {
            let value = value(&mut rng, 3);
            let verdict = ours.accepts(&value);
            assert_eq!(verdict, theirs.is_valid(&value), "{schema}\n{value}");
            *if verdict { &mut fits } else { &mut faults } += 1;
        }
    }
    // A test in which every value fits, or none does, proves nothing.
    assert!(fits > 5_000 && faults > 5_000, "{fits} fit, {faults} do not");
    assert!(followed > 1_000, "{followed} schemas hold references");
}

/// Notations that `jiff` accepts and RFC 3339 does not, and the bounds of those that both accept.
const TIMES: [&str; 24] = [
    "0000-01-01",
    "9999-12-31",
    "20040831",
    "2004-8-31",
    "2004-08-31 ",
    "+002004-08-31",
    "-002004-08-31",
    "2004-W36-2",
    "2004-08-31T12:00:00",
    "2004-08-31T12:00Z",
    "20040831T120000Z",
    "2004-08-31t12:00:00.123456789012z",
    "2004-08-31T12:00:00+01:00[Europe/Paris]",
    "2004-08-31T12:00:00+01",
    "1998-12-31T15:59:60-08:00",
    "1998-12-31T15:58:60-08:00",
    "12:00:00",
    "12:00:00.Z",
    "12:00:00,5Z",
    "12:00:00+23:59",
    "12:00:00+24:00",
    "12:00:00+05:60",
    "00:29:60+00:30",
    "T12:00:00Z",
];

#[test]
fn formats_agree_with_jsonschema() {
    for format in TESTED_FORMATS {
        let schema = json!({"format": format});
        let (ours, theirs) = (Checker::new(&schema).expect("a format"), oracle(&schema));
        for text in TEXTS.into_iter().chain(TIMES) {
            let value = json!(text);
            assert_eq!(ours.accepts(&value), theirs.is_valid(&value), "{format}: {text:?}");
        }
    }
}

#[test]
fn keyword_that_is_not_enforced_is_refused() {
    for keyword in ["$dynamicRef", "unevaluatedItems", "dependentSchemas"] {
        let schema = json!({"properties": {"a": {keyword: {}}}});
        assert!(Checker::new(&schema).expect_err("not enforced").fact().contains(keyword));
    }
    assert!(Checker::new(&json!({"pattern": "("})).is_err());
    assert!(Checker::new(&json!({"pattern": "(?:[a-z]{1000}){1000}"})).is_err());
    assert!(Checker::new(&json!({"type": "text"})).is_err());
    assert!(Checker::new(&json!({"minLength": -1})).is_err());
}

#[test]
fn endless_reference_is_refused() {
    for schema in [
        json!({"$ref": "#"}),
        json!({"not": {"$ref": "#"}}),
        json!({"allOf": [{"$ref": "#/allOf/0"}]}),
        json!({"$ref": "#a", "$defs": {"a": {"$anchor": "a", "anyOf": [{"$ref": "#a"}]}}}),
        json!({"$ref": "#/$defs/a", "$defs": {
            "a": {"properties": {"down": {"$ref": "#/$defs/b"}}, "if": {"$ref": "#/$defs/b"}},
            "b": {"oneOf": [{"$ref": "#/$defs/a"}]},
        }}),
    ] {
        let why = Checker::new(&schema).expect_err("it has no end");
        assert!(why.fact().contains("points back without end"), "{schema}: {why}");
    }
    Checker::new(&json!({"items": {"$ref": "#"}, "propertyNames": {"$ref": "#"}}))
        .expect("each step goes down");
}

#[test]
fn reference_without_target_is_refused() {
    let refused = |schema: Value, why: &str| {
        let message = Checker::new(&schema).expect_err("a wrong reference");
        assert!(message.fact().contains(why), "{message}");
    };
    for to in ["#/$defs/b", "#b", "https://example.com/a", "a", "#/enum"] {
        refused(json!({"items": {"$ref": to}, "$defs": {"a": {}}}), &format!("points to `{to}`"));
    }
    // An `$anchor` inside a constant is a value, not an anchor.
    refused(json!({"items": {"$ref": "#a"}, "const": {"$anchor": "a"}}), "points to `#a`");
    let twice = json!({"$defs": {"a": {"$anchor": "a"}, "b": {"items": {"$anchor": "a"}}}});
    refused(twice, "two of its schemas have the `$anchor` `a`");
    refused(json!({"items": {"$id": "https://example.com/a", "$ref": "#"}}), "`$id`");
    let named = json!({"items": {"$ref": "#a"}, "properties": {"const": {"$anchor": "a", "type": "null"}}});
    assert!(!Checker::new(&named).expect("a property of any name").accepts(&json!([1])));
}

/// A choice between two forms checks the part below it twice, and the part below that four times.
#[test]
fn deep_choice_is_checked_once_a_level() {
    let form = |name: &str| {
        let below = json!({"below": {"$ref": "#/$defs/any"}, "kind": {"const": name}});
        json!({"type": "object", "properties": below, "required": ["kind"]})
    };
    let schema = json!({"$ref": "#/$defs/any", "$defs": {"any": {"oneOf": [form("a"), form("b")]}}});
    let check = Checker::new(&schema).expect("a schema");
    let deep =
        |leaf: &str| (0..100).fold(json!({"kind": leaf}), |below, _| json!({"kind": "b", "below": below}));
    assert!(check.accepts(&deep("a")));
    assert!(!check.accepts(&deep("c")));
    // Verdicts are forgotten between calls: the next value may have the address of the last.
    for turn in 0..100 {
        assert_eq!(check.accepts(&deep(if turn % 2 == 0 { "a" } else { "c" })), turn % 2 == 0);
    }
}

fn oracle(schema: &Value) -> jsonschema::Validator {
    jsonschema::options()
        .with_draft(jsonschema::Draft::Draft202012)
        .should_validate_formats(true)
        .with_pattern_options(PatternOptions::regex())
        .build(schema)
        .unwrap_or_else(|error| panic!("{schema}: {error}"))
}

/// A schema with two targets of references.
fn whole(rng: &mut Rng) -> Value {
    let mut root = schema(rng, 3);
    if let Value::Object(object) = &mut root {
        let named = json!({"$anchor": "two", "anyOf": [schema(rng, 2), schema(rng, 1)]});
        object.insert("$defs".to_owned(), json!({"one": schema(rng, 2), "two": named}));
    }
    root
}

fn schema(rng: &mut Rng, depth: usize) -> Value {
    if depth == 0 || rng.u8(..12) == 0 {
        return match rng.u8(..8) {
            0 => json!(true),
            1 => json!(false),
            _ => json!({"type": pick(rng, &TYPES)}),
        };
    }
    let mut object = Map::new();
    if rng.bool() {
        object.insert("type".to_owned(), pick(rng, &TYPES).into());
    } else if rng.u8(..4) == 0 {
        let first = rng.usize(..TYPES.len() - 1);
        object.insert("type".to_owned(), json!([TYPES[first], TYPES[first + 1]]));
    }
    for _ in 0..rng.usize(1..4) {
        keyword(rng, depth - 1, &mut object);
    }
    Value::Object(object)
}

fn keyword(rng: &mut Rng, depth: usize, object: &mut Map<String, Value>) {
    let (has_if, has_unevaluated) = (object.contains_key("if"), object.contains_key("unevaluatedProperties"));
    let mut put = |key: &str, value: Value| object.insert(key.to_owned(), value);
    match rng.u8(..31) {
        0 => put("enum", json!([value(rng, 1), value(rng, 1), value(rng, 0)])),
        1 => put("const", value(rng, 1)),
        2 => put("minimum", number(rng)),
        3 => put("maximum", number(rng)),
        4 => put("exclusiveMinimum", number(rng)),
        5 => put("exclusiveMaximum", number(rng)),
        6 => put("multipleOf", pick(rng, &[json!(2), json!(0.5), json!(0.1), json!(3.0)])),
        7 => put("minLength", rng.u8(..4).into()),
        8 => put("maxLength", rng.u8(..12).into()),
        9 => put("pattern", pick(rng, &PATTERNS).into()),
        10 => put("format", pick(rng, &TESTED_FORMATS).into()),
        11 => put("minItems", rng.u8(..3).into()),
        12 => put("maxItems", rng.u8(..3).into()),
        13 => put("uniqueItems", rng.bool().into()),
        14 => put("items", schema(rng, depth)),
        15 => put("prefixItems", json!([schema(rng, depth), schema(rng, depth)])),
        16 => {
            put("contains", schema(rng, depth));
            put("minContains", rng.u8(..3).into());
            put("maxContains", rng.u8(..3).into())
        }
        17 => put("required", json!([pick(rng, &NAMES)])),
        18 => put("dependentRequired", json!({pick(rng, &NAMES): [pick(rng, &NAMES)]})),
        19 => put("minProperties", rng.u8(..3).into()),
        20 => put("maxProperties", rng.u8(..3).into()),
        21 => put("propertyNames", schema(rng, depth)),
        22 | 23 => {
            put("properties", json!({pick(rng, &NAMES): schema(rng, depth), "b": schema(rng, depth)}));
            if rng.bool() { put("additionalProperties", rng.bool().into()) } else { None }
        }
        24 => {
            put("patternProperties", json!({pick(rng, &PATTERNS): schema(rng, depth)}));
            if rng.bool() { put("additionalProperties", schema(rng, depth)) } else { None }
        }
        25 => put(pick(rng, &["allOf", "anyOf", "oneOf"]), json!([schema(rng, depth), schema(rng, depth)])),
        26 if has_unevaluated => None,
        26 => {
            put("if", schema(rng, depth));
            put("then", schema(rng, depth));
            put("else", schema(rng, depth))
        }
        28.. => put("$ref", pick(rng, &["#", "#/$defs/one", "#two"]).into()),
        _ if rng.bool() || has_if => put("not", schema(rng, depth)),
        _ => put("unevaluatedProperties", false.into()),
    };
}

fn value(rng: &mut Rng, depth: usize) -> Value {
    match rng.u8(..if depth == 0 { 5 } else { 9 }) {
        0 => Value::Null,
        1 => rng.bool().into(),
        2 | 3 => number(rng),
        4 => pick(rng, &TEXTS).into(),
        5 | 6 => (0..rng.usize(..4)).map(|_| value(rng, depth - 1)).collect(),
        _ => (0..rng.usize(..4)).map(|_| (pick(rng, &NAMES).to_owned(), value(rng, depth - 1))).collect(),
    }
}

fn number(rng: &mut Rng) -> Value {
    pick(
        rng,
        &[
            json!(0),
            json!(1),
            json!(1.0),
            json!(2),
            json!(-1),
            json!(0.5),
            json!(0.3),
            json!(-0.0),
            json!(6),
            json!(u64::MAX),
            json!(i64::MIN),
            json!(9_007_199_254_740_993_u64),
            json!(9_007_199_254_740_992.0),
            json!(1e300),
            json!(1.8e19),
        ],
    )
}

fn pick<T: Clone>(rng: &mut Rng, of: &[T]) -> T {
    of[rng.usize(..of.len())].clone()
}

#[test]
fn long_list_is_checked_for_duplicates_quickly() {
    let check = Checker::new(&json!({"uniqueItems": true})).expect("a schema");
    let mut items: Vec<Value> = (0..1_000_000).map(Value::from).collect();
    assert!(check.accepts(&items.clone().into()));
    items.push(json!(5.0));
    assert!(!check.accepts(&items.into()));
}
