//! The carriers of idempotency keys, what a server publishes of them, and the stores that it needs.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use candor::{
    KeyStore, Revision, Server, mcp_tool,
    testing::{ClientBuilder, ElicitAction},
    tools,
};
use candor_tests::{
    gate::Gate,
    messages::{metadata, request},
    orders::{
        App, Effects, KEY, META_KEY, META_REPLAYED, OTHER_KEY, connect, count_orders, in_memory, keyed,
        throw_away,
    },
    raw_client::RawClient,
};
use serde_json::{Value, json};

#[tokio::test]
async fn required_key_is_demanded_and_confirmation_is_asked_once() {
    let effects = Effects::default();
    let service = in_memory(&effects, &Gate::closed()).build().unwrap();
    for revision in Revision::ALL {
        let asked = Arc::new(AtomicUsize::new(0));
        let (count, declines) = (asked.clone(), asked.clone());
        let client = ClientBuilder::new()
            .on_confirm(move |_| match count.fetch_add(1, Ordering::SeqCst) {
                0 => ElicitAction::Decline,
                _ => ElicitAction::Accept,
            })
            .to(service.clone(), revision)
            .await;
        let missing = client.call("throw_away", json!({})).await.unwrap();
        assert_eq!(missing.reason(), Some("idempotency_key_required"));
        assert!(missing.text().contains(META_KEY) && missing.text().contains("UUID"), "{}", missing.text());
        let (key, before) = (format!("{KEY}-{}", revision.as_str()), effects.count());
        let send = async || keyed(&client, &key, "throw_away", json!({})).await;
        // A declined question leaves the key free.
        assert_eq!(send().await.reason(), Some("confirmation_declined"));
        let done = send().await;
        assert!(!done.is_error && !done.is_replayed(), "{}", done.text());
        assert!(send().await.is_replayed());
        assert_eq!(declines.load(Ordering::SeqCst), 2, "a replay does not ask");
        assert_eq!(effects.count() - before, 1);
    }
}

#[tokio::test]
async fn key_of_a_read_is_ignored_and_the_list_says_so() {
    let effects = Effects::default();
    let client = connect(in_memory(&effects, &Gate::closed()).build().unwrap()).await;
    for plus in [1, 2] {
        let answer = keyed(&client, KEY, "count_orders", json!({"plus": plus})).await;
        assert_eq!((answer.structured, answer.meta.get(META_REPLAYED)), (Some(json!(plus)), None));
    }
    let tools = client.tools().await.unwrap();
    let used = |name: &str| {
        let tool = tools.iter().find(|tool| tool["name"] == name).unwrap();
        tool["_meta"][META_KEY].clone()
    };
    assert_eq!(used("count_orders"), json!({"use": "ignored"}));
    assert_eq!(used("order"), json!({"use": "optional", "retentionSeconds": 86_400}));
    assert_eq!(used("throw_away"), json!({"use": "required", "retentionSeconds": 86_400}));
    // A server that keeps no keys promises nothing, and demands none.
    let service =
        in_memory(&effects, &Gate::closed()).without_idempotency().yes_destructive().build().unwrap();
    let client = connect(service).await;
    let tools = client.tools().await.unwrap();
    assert!(tools.iter().all(|tool| tool["_meta"].get(META_KEY).is_none()));
    assert!(!client.call("throw_away", json!({})).await.unwrap().is_error);
    keyed(&client, KEY, "order", json!({"item": "tea"})).await;
    assert!(!keyed(&client, KEY, "order", json!({"item": "tea"})).await.is_replayed());
}

#[tokio::test]
async fn key_as_an_argument_is_published_and_never_reaches_the_handler() {
    let effects = Effects::default();
    let service = in_memory(&effects, &Gate::closed()).idempotency_argument().build().unwrap();
    let client = connect(service).await;
    let tools = client.tools().await.unwrap();
    let property = |name: &str| {
        let tool = tools.iter().find(|tool| tool["name"] == name).unwrap();
        tool["inputSchema"]["properties"]["idempotency_key"].clone()
    };
    let description = property("order")["description"].as_str().unwrap().to_owned();
    assert!(description.contains("new key for each effect") && description.contains("repeat its key"));
    assert!(property("throw_away").is_object() && property("keys_for_services").is_object());
    assert_eq!(property("count_orders"), Value::Null);
    let order = |key: Value| json!({"item": "tea", "idempotency_key": key});
    let first = client.call("order", order(json!(KEY))).await.unwrap();
    assert!(!first.is_error && !first.is_replayed(), "{}", first.text());
    assert!(client.call("order", order(json!(KEY))).await.unwrap().is_replayed());
    assert!(
        keyed(&client, KEY, "order", json!({"item": "tea"})).await.is_replayed(),
        "the carrier does not matter"
    );
    assert!(!client.call("order", order(Value::Null)).await.unwrap().is_replayed());
    for wrong in [json!(7), json!("short"), json!(["0123456789abcdef"]), json!("0123456789 abcdef")] {
        let refused = client.call("order", order(wrong.clone())).await.unwrap_err();
        assert_eq!(refused.code, -32602, "{wrong}");
        assert!(refused.message.starts_with("the argument `idempotency_key`"), "{}", refused.message);
    }
    let differ = client.with_idempotency_key(OTHER_KEY).call("order", order(json!(KEY))).await.unwrap_err();
    assert_eq!(differ.code, -32602);
    assert!(differ.message.starts_with("this call carries two idempotency keys"), "{}", differ.message);
    // Without it, the argument is as unknown as any other.
    let without = connect(in_memory(&effects, &Gate::closed()).build().unwrap()).await;
    let refused = without.call("order", order(json!(KEY))).await.unwrap();
    assert_eq!(refused.reason(), Some("invalid_arguments"));
    assert_eq!(effects.count(), 2);
}

#[tokio::test]
async fn malformed_keys_are_invalid_parameters() {
    let effects = Effects::default();
    let client = connect(in_memory(&effects, &Gate::closed()).build().unwrap()).await;
    let long = "x".repeat(256);
    for wrong in [
        json!("0123456789abcde"),
        json!(long),
        json!("0123456789 abcdef"),
        json!("0123456789\u{0}abcdef"),
        json!(1),
        json!(null),
        json!({"key": KEY}),
    ] {
        for tool in ["order", "count_orders"] {
            let refused = client.with_meta(META_KEY, wrong.clone()).call(tool, json!({"item": "tea"})).await;
            assert_eq!(refused.unwrap_err().code, -32602, "{tool} {wrong}");
        }
    }
    assert_eq!(effects.count(), 0);
}

#[tokio::test]
async fn downstream_keys_are_stable_and_reveal_nothing() {
    let effects = Effects::default();
    let keys = async |key: &str| {
        // Each on a server of its own: the keys outlive a process.
        let client = connect(in_memory(&effects, &Gate::closed()).build().unwrap()).await;
        let answer = keyed(&client, key, "keys_for_services", json!({})).await;
        let keys: Vec<String> = serde_json::from_value(answer.structured.unwrap()).unwrap();
        keys
    };
    let (first, again, other) = (keys(KEY).await, keys(KEY).await, keys(OTHER_KEY).await);
    assert_eq!(first, again);
    assert_eq!((first[2].as_str(), other[2].as_str()), (KEY, OTHER_KEY));
    assert!(first[0] != first[1] && first[0] != other[0] && first[1] != other[1]);
    for key in &first[..2] {
        assert!((16..=255).contains(&key.len()) && !key.contains(KEY), "{key}");
        assert!(key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')), "{key}");
    }
    let client = connect(in_memory(&effects, &Gate::closed()).build().unwrap()).await;
    let none = client.call("keys_for_services", json!({})).await.unwrap();
    assert_eq!(none.structured, Some(json!([null, null, null])));
}

#[tokio::test]
async fn unanswered_question_holds_no_key() {
    let effects = Effects::default();
    let service = in_memory(&effects, &Gate::closed()).build().unwrap();
    let mut client = RawClient::connect(service);
    let params = |more: Value| {
        let mut meta = metadata("2026-07-28", &json!({"elicitation": {}}));
        meta[META_KEY] = KEY.into();
        let mut params = json!({"name": "throw_away", "arguments": {}, "_meta": meta});
        params.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
        request(&json!(1), "tools/call", params)
    };
    let asked = client.exchange(params(json!({}))).await;
    assert_eq!(asked["result"]["resultType"], "input_required", "{asked}");
    // Asked again, the call asks again: the first question reserved nothing.
    let asked = client.exchange(params(json!({}))).await;
    let state = &asked["result"]["requestState"];
    let accepted = json!({"requestState": state, "inputResponses": {"io.github.candor-mcp/confirm": {"action": "accept", "content": {}}}});
    let done = client.exchange(params(accepted.clone())).await;
    assert_eq!(done["result"]["isError"], false, "{done}");
    // The same round again, as after a lost answer: its state is used, and its result is not lost.
    let again = client.exchange(params(accepted)).await;
    assert_eq!(again["result"]["_meta"][META_REPLAYED], true, "{again}");
    assert_eq!(effects.count(), 1);
}

#[test]
fn server_that_requires_a_key_does_not_start_without_a_store_that_keeps_it() {
    let orders = |store: Option<KeyStore>| {
        let app = App { effects: Effects::default(), gate: Gate::closed() };
        let server = Server::new("orders", "1").unaudited().state(app).tools(tools![throw_away]);
        let server = match store {
            Some(store) => server.idempotency(store),
            None => server,
        };
        server.build().err().map(|error| error.to_string())
    };
    let message = orders(None).expect("no store is configured");
    assert!(
        message.contains("`throw_away` requires an idempotency key")
            && message.contains("Server::idempotency")
    );
    let message = orders(Some(KeyStore::memory())).expect("memory forgets");
    assert!(message.contains("in memory") && message.contains("KeyStore::accept_loss"), "{message}");
    assert_eq!(orders(Some(KeyStore::memory().accept_loss())), None);
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(orders(Some(KeyStore::at(folder.path().join("keys")))), None);
    // A folder that other users can write in, and one that is not a folder.
    std::fs::write(folder.path().join("file"), "").unwrap();
    let message = orders(Some(KeyStore::at(folder.path().join("file")))).expect("it is a file");
    assert!(message.contains("is not a folder") && message.contains("--keys DIR"), "{message}");
}

#[test]
fn server_without_writes_opens_no_store() {
    let folder = tempfile::tempdir().unwrap();
    let app = App { effects: Effects::default(), gate: Gate::closed() };
    let server = Server::new("orders", "1").idempotency(KeyStore::at(folder.path().join("keys")));
    let service = server.state(app).tools(tools![count_orders]).build().unwrap();
    assert_eq!((service.keys(), folder.path().join("keys").exists()), (None, false));
}

#[test]
fn parameter_with_the_name_of_the_key_argument_is_a_start_error() {
    /// Take a key of its own.
    #[mcp_tool(additive, closed_world, public)]
    fn own_key(
        /// The key.
        idempotency_key: &str,
    ) -> usize {
        idempotency_key.len()
    }
    let server = || Server::new("s", "1").unaudited().idempotency(KeyStore::memory()).tools(tools![own_key]);
    assert!(server().build().is_ok());
    let error =
        server().idempotency_argument().build().err().expect("two arguments have one name").to_string();
    assert!(error.contains("tool `own_key` has a parameter `idempotency_key`"), "{error}");
}
