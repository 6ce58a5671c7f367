//! Measures the checker of schemas beside the crate `jsonschema`: `cargo bench -p candor-tests --bench schema`.
//!
//! Both check the example's tools and one large schema. Memory is measured in a process of its own for each side, which
//! compiles the schemas of the example's tools 100 times. Run it alone: on a busy machine only the ratios mean much.

use std::{
    hint::black_box,
    io::Write as _,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use candor::__private::Checker;
use candor_tests::comparison::measurements::{Measurements, is_benchmark_run, report};
use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::{Map, Value, json};

/// Turns of each side.
const TURNS: usize = 200;
/// Checks in one turn.
const CHECKS: u32 = 2_000;
/// Copies of every validator whose memory is measured.
const COPIES: usize = 100;
/// The argument that makes this program measure its own memory.
const MEMORY: &str = "--memory";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [mode, side, ..] = arguments.as_slice()
        && mode == MEMORY
    {
        println!("{}", memory(side));
    } else if is_benchmark_run() {
        let tools = tools();
        let schemas: Vec<Value> = tools.iter().flat_map(Tool::schemas).collect();
        compare_compile("compile, example's tools", &schemas);
        for Tool { name, input, arguments, .. } in &tools {
            compare_checks(name, input, arguments);
        }
        let (schema, value) = large();
        compare_compile("compile, 40 properties", std::slice::from_ref(&schema));
        compare_checks("40 properties", &schema, &value);
        compare_memory(&schemas);
    }
}

/// A tool of the example, and arguments that fit.
struct Tool {
    name: String,
    input: Value,
    output: Value,
    arguments: Value,
}

impl Tool {
    fn schemas(&self) -> [Value; 2] {
        [self.input.clone(), self.output.clone()]
    }
}

/// Reads the example's manifest.
fn tools() -> Vec<Tool> {
    let run = ["run", "--quiet", "--package", "candor-examples", "--bin", "prices", "--", "manifest"];
    let output = Command::new(env!("CARGO")).args(run).current_dir(env!("CARGO_MANIFEST_DIR")).output();
    let output = output.expect("cargo runs").stdout;
    let manifest: Value = serde_json::from_slice(&output).expect("the example prints its manifest");
    let tools = manifest["tools"].as_array().expect("a list");
    tools
        .iter()
        .map(|tool| {
            let (input, output) = (tool["input_schema"].clone(), tool["output_schema"].clone());
            let properties = input["properties"].as_object().expect("properties");
            let arguments: Map<String, Value> = properties
                .iter()
                .map(|(name, schema)| {
                    let example = schema.get("default").or_else(|| schema.pointer("/examples/0"));
                    (name.clone(), example.expect("an example").clone())
                })
                .collect();
            let name = tool["name"].as_str().expect("a name").to_owned();
            Tool { name, input, output, arguments: arguments.into() }
        })
        .collect()
}

/// A schema of 40 properties, a quarter of them nested arrays, and a value that fits.
fn large() -> (Value, Value) {
    let point = json!({
        "type": "object",
        "properties": {"x": {"type": "number"}, "y": {"type": "number"}, "label": {"type": "string"}},
        "required": ["x", "y"],
        "additionalProperties": false,
    });
    let kinds = [
        (json!({"type": "string", "maxLength": 40}), json!("a short text")),
        (json!({"type": "integer", "minimum": 0, "maximum": 1000}), json!(7)),
        (json!({"type": "string", "format": "date"}), json!("2004-08-31")),
        (
            json!({"type": "array", "items": {"type": "array", "items": point}}),
            json!([[{"x": 1, "y": 2.5}, {"x": 0, "y": 0, "label": "origin"}], [{"x": 3, "y": 4}]]),
        ),
    ];
    let named = |pick: fn(&(Value, Value)) -> &Value| -> Map<String, Value> {
        (0..40).map(|at| (format!("property{at:02}"), pick(&kinds[at % kinds.len()]).clone())).collect()
    };
    let (properties, value) = (named(|kind| &kind.0), named(|kind| &kind.1));
    let required: Vec<&String> = properties.keys().collect();
    let schema = json!({
        "type": "object", "properties": properties, "required": required, "additionalProperties": false,
    });
    (schema, value.into())
}

fn library(schema: &Value) -> Validator {
    jsonschema::options()
        .with_draft(Draft::Draft202012)
        .should_validate_formats(true)
        .with_pattern_options(PatternOptions::regex())
        .build(schema)
        .expect("a schema")
}

fn ours(schema: &Value) -> Checker {
    Checker::new(schema).expect("a schema")
}

/// Runs both sides in turns.
fn compare(what: &str, mut candor: impl FnMut() -> Duration, mut jsonschema: impl FnMut() -> Duration) {
    let mut sides = [Measurements::new("candor"), Measurements::new("jsonschema")];
    for _ in 0..TURNS {
        sides[0].add(candor());
        sides[1].add(jsonschema());
    }
    report(what, &sides[0], &sides[1]);
}

fn compare_compile(what: &str, schemas: &[Value]) {
    let time = |compile: fn(&Value)| {
        move || {
            let start = Instant::now();
            schemas.iter().for_each(compile);
            start.elapsed()
        }
    };
    compare(
        what,
        time(|schema| drop(black_box(ours(schema)))),
        time(|schema| drop(black_box(library(schema)))),
    );
}

/// One line in µs for `CHECKS` checks: a check alone takes nanoseconds.
fn compare_checks(what: &str, schema: &Value, value: &Value) {
    fn time(mut accepts: impl FnMut() -> bool) -> Duration {
        let start = Instant::now();
        for _ in 0..CHECKS {
            assert!(black_box(accepts()));
        }
        start.elapsed() / CHECKS * 1000
    }
    let (ours, library) = (ours(schema), library(schema));
    compare(
        &format!("1,000 × {what}"),
        || time(|| ours.accepts(black_box(value))),
        || time(|| library.is_valid(black_box(value))),
    );
}

fn compare_memory(schemas: &[Value]) {
    let program = std::env::current_exe().expect("this program");
    let [candor, jsonschema] = ["candor", "jsonschema"].map(|side| {
        let mut command = Command::new(&program);
        command.args([MEMORY, side]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("this program runs");
        let schemas = Value::from(schemas).to_string();
        child.stdin.take().expect("a pipe").write_all(schemas.as_bytes()).expect("the child reads");
        let output = child.wait_with_output().expect("the child ends");
        String::from_utf8_lossy(&output.stdout).trim().parse::<f64>().expect("a number of kB")
    });
    println!(
        "memory, {} validators   candor: {candor} kB   jsonschema: {jsonschema} kB   ratio: {:.2}",
        schemas.len() * COPIES,
        candor / jsonschema
    );
}

/// The private memory in kB that `side` takes for `COPIES` validators of every schema on stdin.
fn memory(side: &str) -> u64 {
    let schemas: Vec<Value> = serde_json::from_reader(std::io::stdin()).expect("a list of schemas");
    let all = || std::iter::repeat_n(&schemas, COPIES).flatten();
    // The first validator of each schema pays for what the library sets up once.
    let before;
    let after;
    match side {
        "candor" => {
            let _first: Vec<Checker> = schemas.iter().map(ours).collect();
            before = private_memory();
            let _validators: Vec<Checker> = all().map(ours).collect();
            after = private_memory();
        }
        _ => {
            let _first: Vec<Validator> = schemas.iter().map(library).collect();
            before = private_memory();
            let _validators: Vec<Validator> = all().map(library).collect();
            after = private_memory();
        }
    }
    after - before
}

/// `RssAnon` in kB.
fn private_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).expect("Linux names it");
    line.split_whitespace().nth(1).and_then(|kb| kb.parse().ok()).expect("a number of kB")
}
