//! Every field of every method that is served: a value of the wrong type, or none where one is required, is answered with
//! `-32602` and the field's name.

use std::process::Command;

use candor_tests::{
    conformance,
    http::{HttpServer, legacy, modern},
    messages::{self, INITIALIZED, initialize, request},
    raw_client::RawClient,
};
use serde_json::{Value, json};

/// A method with valid parameters, which hold every field.
struct Method {
    name: &'static str,
    params: Value,
    /// The paths of its fields.
    required: &'static [&'static str],
    optional: &'static [&'static str],
}

fn method(
    name: &'static str,
    required: &'static [&'static str],
    optional: &'static [&'static str],
    params: Value,
) -> Method {
    Method { name, params, required, optional }
}

/// The methods of all revisions.
fn common() -> Vec<Method> {
    let mut methods: Vec<_> = ["tools/list", "prompts/list", "resources/list", "resources/templates/list"]
        .into_iter()
        .map(|name| method(name, &[], &["cursor", "_meta.progressToken"], json!({"cursor": ""})))
        .collect();
    methods.extend([
        method(
            "tools/call",
            &["name"],
            &["arguments", "_meta.progressToken"],
            json!({"name": "test_error_handling", "arguments": {}}),
        ),
        method(
            "prompts/get",
            &["name"],
            &["arguments"],
            json!({"name": "test_simple_prompt", "arguments": {}}),
        ),
        method("resources/read", &["uri"], &[], json!({"uri": "test://static-text"})),
        method(
            "completion/complete",
            &["ref", "argument", "argument.name", "argument.value"],
            &["context", "context.arguments"],
            json!({
                "ref": {"type": "ref/prompt", "name": "test_prompt_with_arguments"},
                "argument": {"name": "arg1", "value": "a"},
                "context": {"arguments": {}},
            }),
        ),
    ]);
    methods
}

/// The methods of revisions before 2026-07-28, besides the handshake.
fn legacy_only() -> Vec<Method> {
    vec![
        method("logging/setLevel", &["level"], &[], json!({"level": "error"})),
        method("resources/subscribe", &["uri"], &[], json!({"uri": "test://static-text"})),
        method("resources/unsubscribe", &["uri"], &[], json!({"uri": "test://static-text"})),
    ]
}

/// The methods of 2026-07-28.
fn modern_only() -> Vec<Method> {
    vec![
        method("tasks/get", &["taskId"], &[], json!({"taskId": "none"})),
        method("tasks/cancel", &["taskId"], &[], json!({"taskId": "none"})),
        method(
            "tasks/update",
            &["taskId", "inputResponses"],
            &[],
            json!({"taskId": "none", "inputResponses": {}}),
        ),
        method(
            "tools/call",
            &[],
            &["inputResponses", "requestState"],
            json!({"name": "test_error_handling", "inputResponses": {}, "requestState": ""}),
        ),
        method(
            "subscriptions/listen",
            &["notifications"],
            &["notifications.toolsListChanged", "notifications.resourceSubscriptions"],
            json!({"notifications": {"toolsListChanged": true, "resourceSubscriptions": []}}),
        ),
    ]
}

fn handshake() -> Method {
    method(
        "initialize",
        &["protocolVersion", "capabilities", "clientInfo", "clientInfo.name", "clientInfo.version"],
        &["clientInfo.title", "capabilities.roots", "capabilities.sampling", "capabilities.elicitation"],
        json!({
            "protocolVersion": "2025-11-25",
            "capabilities": {"roots": {}, "sampling": {}, "elicitation": {}},
            "clientInfo": {"name": "x", "version": "1", "title": "x"},
        }),
    )
}

impl Method {
    /// Lists parameters with one fault each, and the name of the field at fault.
    fn faulty(&self) -> Vec<(Value, &'static str)> {
        let mut faulty = vec![(json!([]), "params"), (json!("x"), "params")];
        for (path, is_required) in self
            .required
            .iter()
            .map(|path| (*path, true))
            .chain(self.optional.iter().map(|path| (*path, false)))
        {
            let valid = path.split('.').fold(&self.params, |value, name| &value[name]);
            for wrong in [json!(7), json!(true), json!("x"), json!([7]), json!({"x": 7}), Value::Null] {
                if same_type(path, valid, &wrong) || (wrong.is_null() && !is_required) {
                    continue;
                }
                faulty.push((self.with(path, Some(wrong)), path));
            }
            if is_required {
                faulty.push((self.with(path, None), path));
            }
        }
        faulty
    }

    /// Returns the parameters with one field replaced or removed.
    fn with(&self, path: &str, value: Option<Value>) -> Value {
        let mut params = self.params.clone();
        let (parents, name) = path.rsplit_once('.').unwrap_or(("", path));
        let parent = parents.split('.').filter(|name| !name.is_empty()).fold(&mut params, |value, name| {
            value.as_object_mut().expect("an object").entry(name).or_insert_with(|| json!({}))
        });
        let parent = parent.as_object_mut().expect("an object");
        match value {
            Some(value) => parent.insert(name.to_owned(), value),
            None => parent.remove(name),
        };
        params
    }
}

/// Whether a value has the type that the field accepts.
fn same_type(path: &str, valid: &Value, wrong: &Value) -> bool {
    match path {
        // A string or a whole number; other strings than levels; other objects than references.
        "_meta.progressToken" => wrong.is_string() || wrong.is_i64(),
        "level" | "ref" => false,
        _ => std::mem::discriminant(valid) == std::mem::discriminant(wrong) && !wrong.is_array(),
    }
}

fn assert_names(answer: &Value, method: &str, params: &Value, field: &str) {
    let error = &answer["error"];
    assert_eq!(error["code"], -32602, "{method} {params} {answer}");
    let message = error["message"].as_str().unwrap_or_default();
    assert!(message.contains(&format!("`{field}`")), "{method} {params} {answer}");
}

/// Adds what 2026-07-28 has in the parameters of every request.
fn with_metadata(mut params: Value) -> Value {
    let metadata =
        messages::metadata("2026-07-28", &json!({"extensions": {"io.modelcontextprotocol/tasks": {}}}));
    if let Some(object) = params.as_object_mut() {
        let own = object.remove("_meta");
        object.insert("_meta".to_owned(), metadata);
        for (name, value) in own.iter().filter_map(Value::as_object).flatten() {
            object["_meta"][name] = value.clone();
        }
    }
    params
}

#[tokio::test]
async fn malformed_field_is_named_on_stdio_before_2026_07_28() {
    for revision in ["2025-06-18", "2025-11-25"] {
        let mut client = RawClient::connect(conformance::server().unaudited().build().unwrap());
        for (params, field) in handshake().faulty() {
            let answer = client.exchange(request(&json!(1), "initialize", params.clone())).await;
            assert_names(&answer, "initialize", &params, field);
        }
        client.exchange(initialize(revision)).await;
        client.send(INITIALIZED).await;
        for method in common().into_iter().chain(legacy_only()) {
            for (params, field) in method.faulty() {
                let answer = client.exchange(request(&json!(1), method.name, params.clone())).await;
                assert_names(&answer, method.name, &params, field);
            }
        }
    }
}

#[tokio::test]
async fn malformed_field_is_named_on_stdio_in_2026_07_28() {
    let mut client = RawClient::connect(conformance::server().unaudited().build().unwrap());
    let list = messages::modern(&json!(0), "2026-07-28", "tools/list", json!({}));
    assert!(client.exchange(list).await["result"].is_object());
    for method in common().into_iter().chain(modern_only()) {
        for (params, field) in method.faulty().into_iter().filter(|(params, _)| params.is_object()) {
            let params = with_metadata(params);
            let answer = client.exchange(request(&json!(1), method.name, params.clone())).await;
            assert_names(&answer, method.name, &params, field);
        }
    }
}

#[tokio::test]
async fn malformed_field_is_named_over_http() {
    let server = HttpServer::start(Command::new(env!("CARGO_BIN_EXE_conformance")), &[]).await;
    let session = server.open_session(None).await;
    for method in common().into_iter().chain(legacy_only()) {
        for (params, field) in method.faulty() {
            let answer = server.send(&legacy(&session, method.name, params.clone())).await;
            assert_names(&answer.message(), method.name, &params, field);
        }
    }
    for method in common().into_iter().chain(modern_only()) {
        for (params, field) in method.faulty().into_iter().filter(|(params, _)| params.is_object()) {
            let params = with_metadata(params);
            let mut request = modern(method.name, json!({}));
            request.body = messages::request(&json!(7), method.name, params.clone());
            let name = ["name", "uri", "taskId"].iter().find_map(|name| params[name].as_str());
            if let Some(name) = name {
                request = request.with("mcp-name", name);
            }
            let answer = server.send(&request).await;
            assert_names(&answer.message(), method.name, &params, field);
        }
    }
}
