//! Servers that send spans and metrics to a collector, which takes them or fails.

use std::{collections::BTreeMap, process::Command, time::Duration};

use candor_tests::{
    collector::{Behaviour, Collector, SeenSpan},
    http::{HttpServer, modern},
    messages::{INITIALIZED, initialize, metadata, request},
    stdio_server::StdioServer,
    wait::wait_until,
};
use serde_json::{Value, json};

const REVISION: &str = "2026-07-28";
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

fn command(variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_traced"));
    command.env("OTEL_BSP_SCHEDULE_DELAY", "50").env("OTEL_METRIC_EXPORT_INTERVAL", "100");
    command.envs(variables.iter().copied());
    command
}

fn start(endpoint: &str, variables: &[(&str, &str)]) -> StdioServer {
    let mut command = command(variables);
    command.args(["serve", "--quiet", "--yes", "wipe", "--otlp-endpoint", endpoint]);
    StdioServer::start(command)
}

/// A call of 2026-07-28 with further fields in `_meta`.
fn call(id: u32, tool: &str, fields: &[(&str, &str)]) -> String {
    let mut meta = metadata(REVISION, &json!({}));
    for (key, value) in fields {
        meta[*key] = json!(value);
    }
    request(&json!(id), "tools/call", json!({"name": tool, "arguments": {}, "_meta": meta}))
}

fn request_line(id: u32, params: Value) -> String {
    request(&json!(id), "tools/call", params)
}

async fn answer(server: &mut StdioServer, line: &str) -> Value {
    server.client.exchange(line).await
}

/// The names of one kind in the table of the conventions.
fn conventions(kind: &str) -> Vec<String> {
    let table = concat!(env!("CARGO_MANIFEST_DIR"), "/telemetry/conventions.tsv");
    let table = std::fs::read_to_string(table).unwrap();
    let rows = table.lines().filter(|line| !line.starts_with('#')).map(|line| line.split('\t'));
    rows.filter_map(|mut row| (row.next() == Some(kind)).then(|| row.next().unwrap().to_owned())).collect()
}

fn attribute<'a>(span: &'a SeenSpan, name: &str) -> Option<&'a str> {
    span.attributes.get(name).map(String::as_str)
}

#[tokio::test]
async fn otel_span_of_a_call_follows_the_conventions_and_continues_the_trace_of_its_client() {
    let collector = Collector::start(Behaviour::Takes).await;
    let mut server = start(&collector.url(), &[]);
    let traceparent = format!("00-{TRACE}-{PARENT}-01");
    let fields = [("traceparent", traceparent.as_str()), ("tracestate", "a=1"), ("baggage", "user=ada")];
    answer(&mut server, &call(1, "open_spans", &fields)).await;
    let span = collector.span("tools/call open_spans").await;
    assert_eq!((span.trace.as_str(), span.parent.as_str(), span.kind, span.status), (TRACE, PARENT, 2, 0));
    assert_eq!(span.trace_state, "a=1");
    let expected: BTreeMap<String, String> = [
        ("gen_ai.operation.name", "execute_tool"),
        ("gen_ai.tool.name", "open_spans"),
        ("jsonrpc.request.id", "1"),
        ("mcp.method.name", "tools/call"),
        ("mcp.protocol.version", REVISION),
        ("network.transport", "pipe"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    assert_eq!(span.attributes, expected);
    let handler = collector.span("handler").await;
    assert_eq!((&handler.trace, &handler.parent), (&span.trace, &span.id));
    for name in ["look up", "read ahead"] {
        let own = collector.span(name).await;
        assert_eq!((own.trace.as_str(), &own.parent), (TRACE, &handler.id), "{name}");
    }
    answer(&mut server, &call(2, "open_span", &fields)).await;
    let own = collector.span("wait").await;
    // The handler's span ends after its own ones, and may be sent later.
    let is_of_own = |span: &SeenSpan| span.name == "handler" && span.id == own.parent;
    wait_until(async || collector.spans().iter().any(is_of_own)).await;
    let reply = answer(&mut server, &call(3, "baggage", &fields)).await;
    assert_eq!(reply["result"]["content"][0]["text"], "ada", "{reply}");
    assert_eq!(collector.resource()["service.name"], "traced");
}

#[tokio::test]
async fn otel_handler_passes_its_span_on_and_describes_it() {
    let collector = Collector::start(Behaviour::Takes).await;
    let mut server = start(&collector.url(), &[]);
    let traceparent = format!("00-{TRACE}-{PARENT}-01");
    let reply = answer(&mut server, &call(1, "pass_on", &[("traceparent", &traceparent)])).await;
    let handler = collector.span("handler").await;
    assert_eq!(reply["result"]["content"][0]["text"], format!("{TRACE} {}", handler.id), "{reply}");
    assert_eq!(attribute(&handler, "traced.note"), Some("passed on"));
    assert_eq!(handler.parent, collector.span("tools/call pass_on").await.id);
}

#[tokio::test]
async fn otel_layer_of_the_program_gets_the_spans_of_a_call_in_the_trace_of_its_client() {
    let mut command = command(&[("TRACED_OWN", "1")]);
    command.args(["serve", "--quiet", "--yes", "wipe"]);
    let mut server = StdioServer::start(command);
    let traceparent = format!("00-{TRACE}-{PARENT}-01");
    let fields = [("traceparent", traceparent.as_str())];
    let reply = answer(&mut server, &call(1, "pass_on", &fields)).await;
    answer(&mut server, &call(2, "open_spans", &fields)).await;
    answer(&mut server, &call(3, "wipe", &fields)).await;
    let stderr = server.close().await.stderr;
    let spans: Vec<Vec<&str>> =
        stderr.lines().filter_map(|line| Some(line.strip_prefix("span ")?.split('|').collect())).collect();
    // The name, and the names of the spans around it up to that of the client.
    let is_of_client = |span: &&Vec<&str>| span[3] == TRACE;
    let paths: Vec<String> = spans
        .iter()
        .filter(is_of_client)
        .map(|span| {
            let (mut path, mut parent) = (span[0].to_owned(), span[2]);
            while let Some(around) = spans.iter().find(|span| span[1] == parent) {
                (path, parent) = (format!("{path} < {}", around[0]), around[2]);
            }
            assert_eq!(parent, PARENT, "{stderr}");
            path
        })
        .collect();
    for path in [
        "handler < tools/call pass_on",
        "look up < handler < tools/call open_spans",
        "read ahead < handler < tools/call open_spans",
        "audit commit < tools/call wipe",
        "handler < tools/call wipe",
    ] {
        assert!(paths.iter().any(|seen| seen == path), "{path}: {paths:?}");
    }
    let handler = spans.iter().find(|span| span[4].contains("traced.note=passed on")).unwrap();
    assert_eq!(reply["result"]["content"][0]["text"], format!("{TRACE} {}", handler[1]), "{reply}");
    let request = spans.iter().find(|span| span[0] == "tools/call pass_on").unwrap();
    for attribute in ["mcp.method.name=tools/call", "gen_ai.tool.name=pass_on", "network.transport=pipe"] {
        assert!(request[4].contains(attribute), "{request:?}");
    }
}

#[tokio::test]
async fn otel_call_that_outlives_its_request_is_part_of_its_trace() {
    let collector = Collector::start(Behaviour::Takes).await;
    let mut server = start(&collector.url(), &[]);
    let key = "a-key-of-16-characters";
    answer(&mut server, &call(1, "keyed", &[("io.github.candor-mcp/idempotency-key", key)])).await;
    let request = collector.span("tools/call keyed").await;
    assert_eq!(collector.span("handler").await.parent, request.id);
    assert_eq!(collector.span("audit commit").await.parent, request.id);
}

#[tokio::test]
async fn otel_spans_tell_errors_of_the_server_from_mistakes_of_the_caller() {
    let collector = Collector::start(Behaviour::Takes).await;
    let mut server =
        start(&collector.url(), &[("OTEL_SERVICE_NAME", "own"), ("OTEL_RESOURCE_ATTRIBUTES", "a=b")]);
    answer(&mut server, &call(1, "fails", &[])).await;
    let failed = collector.span("tools/call fails").await;
    assert_eq!((attribute(&failed, "error.type"), failed.status), (Some("tool_error"), 2));
    assert_eq!(failed.parent, "");
    answer(&mut server, &call(2, "no_such_tool_mark", &[])).await;
    let unknown = collector.span("tools/call").await;
    assert_eq!((attribute(&unknown, "error.type"), unknown.status), (None, 0), "{unknown:?}");
    assert_eq!(attribute(&unknown, "rpc.response.status_code"), Some("-32602"));
    assert!(!format!("{unknown:?}").contains("mark"), "a name from the wire is in no span: {unknown:?}");
    answer(&mut server, &call(3, "unsteady", &[])).await;
    let steady = collector.span("tools/call unsteady").await;
    wait_until(async || collector.spans().iter().filter(|span| span.name == "attempt").count() == 3).await;
    let attempts: Vec<_> = collector.spans().into_iter().filter(|span| span.name == "attempt").collect();
    let statuses: Vec<_> = attempts.iter().map(|span| span.status).collect();
    assert_eq!((statuses, steady.status), (vec![2, 2, 0], 0));
    assert_eq!(collector.resource()["service.name"], "own");
    assert_eq!(collector.resource()["a"], "b");
}

#[tokio::test]
async fn otel_confirmation_handler_and_audit_commit_are_parts_of_the_call() {
    let collector = Collector::start(Behaviour::Takes).await;
    // Confirmed by the operator, the call asks nothing.
    let mut server = start(&collector.url(), &[]);
    answer(&mut server, &call(1, "wipe", &[])).await;
    let parts = async |request: &SeenSpan, names: &[&str]| {
        for name in names {
            let is_part = |span: &SeenSpan| span.name == *name && span.parent == request.id;
            wait_until(async || collector.spans().iter().any(is_part)).await;
        }
    };
    let request = collector.span("tools/call wipe").await;
    parts(&request, &["audit commit", "handler"]).await;
    assert_eq!(collector.spans().iter().filter(|span| span.name == "audit commit").count(), 2);
    drop(server);

    let collector = Collector::start(Behaviour::Takes).await;
    let mut command = command(&[]);
    command.args(["serve", "--quiet", "--otlp-endpoint", &collector.url()]);
    let mut server = StdioServer::start(command);
    let elicitation = json!({"elicitation": {}});
    let params = |state: Value, responses: Value| {
        let mut params = json!({"name": "wipe", "arguments": {}, "_meta": metadata(REVISION, &elicitation)});
        if !state.is_null() {
            params["requestState"] = state;
            params["inputResponses"] = responses;
        }
        params
    };
    let question = answer(&mut server, &request_line(1, params(Value::Null, Value::Null))).await;
    let (key, asked) = question["result"]["inputRequests"].as_object().unwrap().iter().next().unwrap();
    assert_eq!(asked["method"], "elicitation/create", "{question}");
    let accepted = json!({key: {"action": "accept", "content": {}}});
    let state = question["result"]["requestState"].clone();
    let done = answer(&mut server, &request_line(2, params(state, accepted))).await;
    assert_eq!(done["result"]["content"][0]["text"], "ok", "{done}");
    let is_of_confirmation = |spans: &[SeenSpan], plan: &SeenSpan| {
        spans.iter().any(|span| span.name == "confirmation" && span.id == plan.parent)
    };
    wait_until(async || {
        let spans = collector.spans();
        let calls: Vec<_> = spans.iter().filter(|span| span.name == "tools/call wipe").collect();
        // A question ends one call, and the answer comes with another.
        let has = |call: &SeenSpan, name: &str| {
            spans.iter().any(|span| span.name == name && span.parent == call.id)
        };
        calls.len() == 2
            && calls.iter().all(|call| has(call, "confirmation"))
            && spans.iter().any(|plan| plan.name == "plan" && is_of_confirmation(&spans, plan))
            && calls.iter().filter(|call| has(call, "handler") && has(call, "audit commit")).count() == 1
    })
    .await;
}

#[tokio::test]
async fn otel_spans_and_metrics_are_sent_before_a_signal_ends_the_process() {
    let slow = [("OTEL_BSP_SCHEDULE_DELAY", "3600000"), ("OTEL_METRIC_EXPORT_INTERVAL", "3600000")];
    let collector = Collector::start(Behaviour::Takes).await;
    let mut server = start(&collector.url(), &slow);
    answer(&mut server, &call(1, "baggage", &[])).await;
    server.process.signal("TERM");
    assert!(server.process.ends_within(Duration::from_secs(60)).await);
    let has_both = |collector: &Collector| {
        collector.spans().iter().any(|span| span.name == "tools/call baggage")
            && !collector.metric("mcp.server.operation.duration").is_empty()
    };
    assert!(has_both(&collector), "{}", server.stderr());

    let collector = Collector::start(Behaviour::Takes).await;
    let mut server = HttpServer::start(command(&slow), &["--otlp-endpoint", &collector.url()]).await;
    let request = modern("tools/call", json!({"name": "baggage", "arguments": {}}));
    assert_eq!(server.send(&request.with("mcp-name", "baggage")).await.status, 200);
    server.process.signal("TERM");
    assert_eq!(server.wait().await.code(), Some(0), "{}", server.stderr());
    assert!(has_both(&collector), "{}", server.stderr());
}

#[tokio::test]
async fn otel_compression_of_the_environment_is_named_and_not_used() {
    let collector = Collector::start(Behaviour::Takes).await;
    let mut server = start(&collector.url(), &[("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")]);
    answer(&mut server, &call(1, "baggage", &[])).await;
    // The collector reads plain OTLP alone.
    collector.span("tools/call baggage").await;
    let told = "telemetry: `OTEL_EXPORTER_OTLP_COMPRESSION` asks for `gzip`, and this server sends without compression instead";
    assert_eq!(server.stderr().matches(told).count(), 1, "{}", server.stderr());
}

#[tokio::test]
async fn otel_malformed_traceparent_starts_a_trace_of_its_own() {
    let collector = Collector::start(Behaviour::Takes).await;
    let mut server = start(&collector.url(), &[]);
    let malformed = [
        format!("00-{}-{PARENT}-01", TRACE.to_uppercase()),
        format!("00-{}-{PARENT}-01", "0".repeat(32)),
        format!("00-{TRACE}-{}-01", "0".repeat(16)),
        format!("ff-{TRACE}-{PARENT}-01"),
        format!("00-{TRACE}0-{PARENT}-01"),
    ];
    for (id, traceparent) in (1..).zip(&malformed) {
        answer(&mut server, &call(id, "baggage", &[("traceparent", traceparent)])).await;
    }
    let calls = || collector.spans().into_iter().filter(|span| span.name == "tools/call baggage");
    wait_until(async || calls().count() == malformed.len()).await;
    assert!(calls().all(|span| span.parent.is_empty() && span.trace != TRACE));
}

#[tokio::test]
async fn otel_trace_of_the_http_request_is_a_link() {
    let collector = Collector::start(Behaviour::Takes).await;
    let server = HttpServer::start(command(&[]), &["--otlp-endpoint", &collector.url()]).await;
    let request = modern("tools/call", json!({"name": "baggage", "arguments": {}}));
    let request = request.with("mcp-name", "baggage").with("traceparent", &format!("00-{TRACE}-{PARENT}-01"));
    let response = server.send(&request).await;
    assert_eq!(response.status, 200);
    let span = collector.span("tools/call baggage").await;
    assert_eq!(span.links, [(TRACE.to_owned(), PARENT.to_owned())]);
    assert_eq!((span.parent.as_str(), attribute(&span, "network.transport")), ("", Some("tcp")));
}

#[tokio::test]
async fn otel_names_are_those_of_the_conventions() {
    let collector = Collector::start(Behaviour::Takes).await;
    let mut server = start(&collector.url(), &[]);
    let initialized = answer(&mut server, &initialize("2025-06-18")).await;
    assert!(initialized["result"].is_object(), "{initialized}");
    server.client.send(INITIALIZED).await;
    for (id, method) in (1..).zip(["tools/list", "ping", "prompts/list"]) {
        answer(&mut server, &request(&json!(id), method, json!({}))).await;
    }
    for (id, tool) in (10..).zip(["fails", "unknown", "wipe"]) {
        answer(&mut server, &request(&json!(id), "tools/call", json!({"name": tool, "arguments": {}}))).await;
    }
    for name in ["tools/list", "ping", "tools/call wipe"] {
        let span = collector.span(name).await;
        assert!(attribute(&span, "mcp.session.id").is_some(), "{span:?}");
    }
    let allowed = conventions("span");
    for span in collector.spans().iter().filter(|span| span.kind == 2) {
        let unknown =
            span.attributes.keys().filter(|name| !allowed.contains(name) && !name.starts_with("candor."));
        assert_eq!(unknown.collect::<Vec<_>>(), Vec::<&String>::new(), "{span:?}");
    }
    let duration = "mcp.server.operation.duration";
    wait_until(async || collector.metric(duration).len() >= 6).await;
    let (metrics, allowed) = (conventions("metric"), conventions("metric_attribute"));
    for name in collector.metrics() {
        assert!(metrics.contains(&name) || name.starts_with("candor."), "{name}");
    }
    for series in collector.metric(duration) {
        assert!(series.keys().all(|name| allowed.contains(name)), "{series:?}");
    }
}

#[tokio::test]
async fn otel_collector_that_fails_neither_delays_nor_fails_calls_and_is_reported_once() {
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for behaviour in [
        None,
        Some(Behaviour::Fails),
        Some(Behaviour::Hangs),
        Some(Behaviour::ServesPages),
        Some(Behaviour::Babbles),
    ] {
        let collector = match behaviour {
            Some(behaviour) => Some(Collector::start(behaviour).await),
            None => None,
        };
        let url = collector.as_ref().map_or_else(|| format!("http://{unused}"), Collector::url);
        let mut server = start(&url, &[("OTEL_EXPORTER_OTLP_TIMEOUT", "500")]);
        for id in 1..=50 {
            let reply = answer(&mut server, &call(id, "open_span", &[])).await;
            assert_eq!(reply["result"]["content"][0]["text"], "ok", "{behaviour:?}: {reply}");
        }
        let reported = |text: &str| text.matches("telemetry: the collector at").count();
        wait_until(async || reported(&server.stderr()) > 0).await;
        if let Some(collector) = &collector {
            let before = collector.requests();
            wait_until(async || collector.requests() > before).await;
        }
        answer(&mut server, &call(60, "open_span", &[])).await;
        let exit = tokio::time::timeout(Duration::from_secs(30), server.close()).await.expect("it ends");
        assert_eq!(exit.status.code(), Some(0), "{behaviour:?}: {}", exit.stderr);
        assert_eq!(reported(&exit.stderr), 1, "{behaviour:?}: {}", exit.stderr);
        assert!(exit.stderr.contains("did not reach the collector"), "{behaviour:?}: {}", exit.stderr);
    }
}

#[tokio::test]
async fn otel_spans_of_the_last_calls_are_sent_before_the_process_ends() {
    let collector = Collector::start(Behaviour::Takes).await;
    let mut server = start(&collector.url(), &[("OTEL_BSP_SCHEDULE_DELAY", "3600000")]);
    answer(&mut server, &call(1, "baggage", &[])).await;
    let exit = server.close().await;
    assert_eq!(exit.status.code(), Some(0), "{}", exit.stderr);
    assert!(collector.spans().iter().any(|span| span.name == "tools/call baggage"), "{}", exit.stderr);
    assert!(!exit.stderr.contains("telemetry:"), "{}", exit.stderr);
}
