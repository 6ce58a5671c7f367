//! Sends calls again under their idempotency keys: in memory, with a manual clock, under every revision.

use std::time::Duration;

use candor::{KeyStore, Revision, testing::Clock};
use candor_tests::{
    gate::Gate,
    messages::request,
    orders::{
        Effects, KEY, META_KEY, META_REASON, META_REPLAYED, OTHER_KEY, SLOW_LEASE, connect, in_memory, keyed,
        server,
    },
    raw_client::{RawClient, for_each_revision},
    task_client::TaskClient,
    wait::wait_until,
};
use serde_json::{Value, json};

const DAY: Duration = Duration::from_secs(24 * 3600);

#[tokio::test]
async fn call_that_is_sent_again_replays_under_every_revision() {
    let effects = Effects::default();
    let service = in_memory(&effects, &Gate::closed()).build().unwrap();
    for_each_revision(&service, async |revision, client| {
        let key = format!("{KEY}-{}", revision.as_str());
        let first = keyed(&client, &key, "order", json!({"item": "tea"})).await;
        let count = effects.count();
        let again = keyed(&client, &key, "order", json!({"item": "tea"})).await;
        assert!(!first.is_replayed() && again.is_replayed(), "{revision:?}");
        // To the last digit of a float.
        assert_eq!((&again.content, &again.structured), (&first.content, &first.structured));
        assert_eq!(effects.count(), count, "{revision:?}");
        // A result that is not an object has two forms.
        let first = keyed(&client, &format!("{key}-put"), "put", json!({"item": "x"})).await;
        for_each_revision(&service, async |other, client| {
            let again = keyed(&client, &format!("{key}-put"), "put", json!({"item": "x"})).await;
            assert_eq!(again.content, first.content);
            let is_wrapped = again.structured.as_ref().is_some_and(Value::is_object);
            assert_eq!(is_wrapped, other != Revision::V2026_07_28);
        })
        .await;
    })
    .await;
    assert_eq!(effects.count(), 2 * Revision::ALL.len());
}

#[tokio::test]
async fn hundred_calls_with_one_key_have_one_effect() {
    let effects = Effects::default();
    let (gate, folder) = (Gate::closed(), tempfile::tempdir().unwrap());
    let on_disk = server(&effects, &gate, KeyStore::at(folder.path().join("keys"))).build().unwrap();
    let in_memory = in_memory(&effects, &gate).build().unwrap();
    for (round, service) in [on_disk, in_memory].into_iter().enumerate() {
        let client = connect(service).await;
        let calls = (0..100).map(|_| Box::pin(client.call("order_slowly", json!({"item": "tea"}))));
        let mut calls: Vec<_> = calls.collect();
        for call in &mut calls {
            // A call takes its key when it is polled first.
            client.with_idempotency_key(KEY);
            assert!(futures_poll_once(call).await.is_none(), "it waits");
        }
        wait_until(async || effects.count() == round + 1).await;
        gate.admit(100);
        let mut replayed = 0;
        for call in calls {
            let answer = call.await.unwrap();
            assert_eq!(answer.text(), "tea, cancelled: false");
            replayed += usize::from(answer.is_replayed());
        }
        assert_eq!((effects.count(), replayed), (round + 1, 99));
        // Nothing is left at the gate for the next round.
        while gate.try_pass() {}
    }
}

/// Polls a future once.
async fn futures_poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    std::future::poll_fn(|context| match std::pin::Pin::new(&mut *future).poll(context) {
        std::task::Poll::Ready(output) => std::task::Poll::Ready(Some(output)),
        std::task::Poll::Pending => std::task::Poll::Ready(None),
    })
    .await
}

#[tokio::test]
async fn reordered_arguments_and_escapes_are_the_same_call() {
    let effects = Effects::default();
    let mut client = RawClient::initialized(in_memory(&effects, &Gate::closed()).build().unwrap()).await;
    let line = |arguments: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"order","_meta":{{"{META_KEY}":"{KEY}"}},"arguments":{arguments}}}}}"#
        )
    };
    client.exchange(line(r#"{"item":"tée","count":1}"#)).await;
    for (arguments, reason) in [
        (r#"{"count":1.0,"item":"t\u00e9e"}"#, Value::Null),
        (r#"{"count":10e-1, "\u0069tem" : "tée", "sent_at":"now"}"#, Value::Null),
        (r#"{"item":"tée"}"#, json!("idempotency_mismatch")),
        (r#"{"item":"tée","count":null}"#, json!("idempotency_mismatch")),
        (r#"{"item":"tee","count":1}"#, json!("idempotency_mismatch")),
    ] {
        let answer = client.exchange(line(arguments)).await;
        assert_eq!(answer["result"]["_meta"][META_REASON], reason, "{arguments} {answer}");
        assert_eq!(
            answer["result"]["_meta"][META_REPLAYED] == true,
            reason.is_null(),
            "{arguments} {answer}"
        );
        assert!(!answer.to_string().contains("tée") || reason.is_null(), "no difference is shown: {answer}");
    }
    assert_eq!(effects.count(), 1);
    let other = request(
        &json!(2),
        "tools/call",
        json!({"name": "put", "_meta": {META_KEY: KEY}, "arguments": {"item": "tée"}}),
    );
    let answer = client.exchange(other).await;
    assert_eq!(answer["result"]["_meta"][META_REASON], "idempotency_mismatch", "a key belongs to one tool");
}

#[tokio::test]
async fn completed_key_expires_after_a_day_and_is_forgotten_after_eight() {
    let (effects, clock) = (Effects::default(), Clock::manual());
    let service = in_memory(&effects, &Gate::closed()).clock(clock.clone()).build().unwrap();
    let client = connect(service).await;
    let send = async || keyed(&client, KEY, "order", json!({"item": "tea"})).await;
    assert!(!send().await.is_replayed());
    clock.set_back(400 * DAY);
    let moment = Duration::from_millis(1);
    clock.advance(DAY.saturating_sub(moment));
    assert!(send().await.is_replayed(), "the date was set back, and nothing else");
    clock.advance(Duration::from_millis(1));
    for left in [7 * DAY, Duration::from_millis(1)] {
        let expired = send().await;
        assert_eq!(expired.reason(), Some("idempotency_expired"));
        assert!(expired.text().contains("help: "), "{}", expired.text());
        clock.advance(left.saturating_sub(moment));
    }
    clock.advance(Duration::from_millis(1));
    assert!(!send().await.is_replayed());
    assert_eq!(effects.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn equal_call_waits_for_five_seconds_and_says_when_to_come_back() {
    let (effects, gate) = (Effects::default(), Gate::closed());
    let client = connect(in_memory(&effects, &gate).build().unwrap()).await;
    client.with_idempotency_key(KEY);
    let mut first = Box::pin(client.call("order_slowly", json!({"item": "tea"})));
    assert!(futures_poll_once(&mut first).await.is_none());
    let start = tokio::time::Instant::now();
    let waiting = keyed(&client, KEY, "order_slowly", json!({"item": "tea"})).await;
    assert_eq!(waiting.reason(), Some("idempotency_in_progress"), "{}", waiting.text());
    assert_eq!(waiting.meta["io.github.candor-mcp/transient"], true);
    assert_eq!(waiting.meta["io.github.candor-mcp/retry-after-seconds"], 10);
    assert!(start.elapsed() >= Duration::from_secs(5), "{:?}", start.elapsed());
    // Another call under the key is told at once.
    let start = tokio::time::Instant::now();
    let mismatch = keyed(&client, KEY, "order_slowly", json!({"item": "coffee"})).await;
    assert_eq!(mismatch.reason(), Some("idempotency_mismatch"));
    assert!(start.elapsed() < Duration::from_secs(1));
    gate.admit(1);
    assert_eq!(first.await.unwrap().text(), "tea, cancelled: false");
    assert!(keyed(&client, KEY, "order_slowly", json!({"item": "tea"})).await.is_replayed());
    assert_eq!(effects.count(), 1);
}

#[tokio::test]
async fn errors_are_stored_unless_nothing_was_done() {
    let effects = Effects::default();
    let client = connect(in_memory(&effects, &Gate::closed()).build().unwrap()).await;
    for (at, (ending, is_stored)) in
        [("error", true), ("panic", true), ("transient", false), ("not_applied", false)]
            .into_iter()
            .enumerate()
    {
        let (key, before) = (format!("{KEY}-{at}"), effects.count());
        let send = async || keyed(&client, &key, "order_and_fail", json!({"ending": ending})).await;
        let (first, again) = (send().await, send().await);
        assert!(first.is_error && again.is_error, "{ending}");
        assert_eq!((again.text(), again.reason()), (first.text(), first.reason()), "{ending}");
        assert_eq!(again.is_replayed(), is_stored, "{ending}");
        assert_eq!(effects.count() - before, if is_stored { 1 } else { 2 }, "{ending}");
    }
    // Arguments that do not fit leave the key free.
    let refused = keyed(&client, OTHER_KEY, "order", json!({"item": 7})).await;
    assert_eq!(refused.reason(), Some("invalid_arguments"));
    assert!(!keyed(&client, OTHER_KEY, "order", json!({"item": "tea"})).await.is_error);
}

#[tokio::test]
async fn late_result_is_stored_when_it_comes() {
    let (effects, gate) = (Effects::default(), Gate::closed());
    let client = connect(in_memory(&effects, &gate).build().unwrap()).await;
    let late = keyed(&client, KEY, "order_too_late", json!({})).await;
    assert_eq!(late.reason(), Some("deadline_exceeded"));
    gate.admit(1);
    // The equal call waits for the handler, which goes on.
    let again = keyed(&client, KEY, "order_too_late", json!({})).await;
    assert_eq!((again.text().as_str(), again.is_replayed()), ("at last", true));
    assert_eq!(effects.count(), 1);
    // A tool that may be repeated is stopped, and runs again.
    let late = keyed(&client, OTHER_KEY, "put_too_late", json!({})).await;
    assert_eq!(late.reason(), Some("deadline_exceeded"));
    gate.admit(1);
    let again = keyed(&client, OTHER_KEY, "put_too_late", json!({})).await;
    assert_eq!((again.text().as_str(), again.is_replayed()), ("at last", false));
}

#[tokio::test]
async fn result_of_many_bytes_is_not_kept_and_does_not_run_again() {
    let effects = Effects::default();
    let client = connect(in_memory(&effects, &Gate::closed()).build().unwrap()).await;
    let send = async |bytes: usize| {
        keyed(&client, &format!("{KEY}-{bytes}"), "order_at_length", json!({"bytes": bytes})).await
    };
    assert_eq!(send(200 * 1024).await.text().len(), 200 * 1024);
    assert_eq!(send(200 * 1024).await.text().len(), 200 * 1024);
    assert_eq!(send(300 * 1024).await.text().len(), 300 * 1024);
    let again = send(300 * 1024).await;
    assert_eq!(again.reason(), Some("idempotency_result_not_kept"));
    assert!(
        again.text().contains("SHA-256") && again.text().contains("do not call again"),
        "{}",
        again.text()
    );
    // A result beyond the limit of any result is an error, which is kept.
    assert_eq!(send(10_000_000).await.reason(), Some("output_too_large"));
    let again = send(10_000_000).await;
    assert_eq!((again.reason(), again.is_replayed()), (Some("output_too_large"), true));
    assert_eq!(effects.count(), 3);
}

#[tokio::test]
async fn caller_at_its_limit_of_keys_is_refused() {
    let effects = Effects::default();
    let store = KeyStore::memory().accept_loss().max_keys_per_caller(10);
    let client = connect(server(&effects, &Gate::closed(), store).build().unwrap()).await;
    for at in 0..12 {
        let answer = keyed(&client, &format!("{KEY}-{at}"), "order", json!({"item": "tea"})).await;
        assert_eq!(answer.reason(), (at >= 10).then_some("idempotency_too_many_keys"), "{at}");
    }
    assert!(keyed(&client, &format!("{KEY}-3"), "order", json!({"item": "tea"})).await.is_replayed());
    let full = connect(
        server(&effects, &Gate::closed(), KeyStore::memory().accept_loss().max_keys(0)).build().unwrap(),
    );
    let refused = keyed(&full.await, KEY, "order", json!({"item": "tea"})).await;
    assert_eq!(refused.reason(), Some("idempotency_unavailable"));
    assert_eq!(effects.count(), 10);
}

#[tokio::test]
async fn task_under_a_key_is_the_same_task() {
    let (effects, gate) = (Effects::default(), Gate::closed());
    let service = in_memory(&effects, &gate).build().unwrap();
    let mut client = TaskClient::connect(service.clone()).await;
    let params = || json!({"name": "order_in_task", "arguments": {}, "_meta": {META_KEY: KEY}});
    let first = client.request("tools/call", params()).await;
    let id = first["result"]["taskId"].as_str().expect("a task").to_owned();
    let again = client.request("tools/call", params()).await;
    assert_eq!(again["result"]["taskId"], id.as_str(), "{again}");
    // Another client of this caller gets it as well, and one without tasks waits for the result.
    let mut other = TaskClient::connect(service.clone()).await;
    assert_eq!(other.request("tools/call", params()).await["result"]["taskId"], id.as_str());
    gate.admit(1);
    let task = client.settled(&id).await;
    assert_eq!(task["result"]["content"][0]["text"], "delivered", "{task}");
    assert_eq!(client.request("tools/call", params()).await["result"]["taskId"], id.as_str());
    let replayed = keyed(&connect(service).await, KEY, "order_in_task", json!({})).await;
    assert_eq!((replayed.text().as_str(), replayed.is_replayed()), ("delivered", true));
    assert_eq!(effects.count(), 1);
}

#[tokio::test]
async fn lease_of_a_handler_that_still_runs_frees_nothing() {
    let (effects, gate, clock) = (Effects::default(), Gate::closed(), Clock::manual());
    let service = in_memory(&effects, &gate).clock(clock.clone()).build().unwrap();
    let client = connect(service).await;
    client.with_idempotency_key(KEY);
    let mut first = Box::pin(client.call("order_slowly", json!({"item": "tea"})));
    assert!(futures_poll_once(&mut first).await.is_none());
    wait_until(async || effects.count() == 1).await;
    clock.advance(SLOW_LEASE + DAY);
    gate.admit(1);
    let again = keyed(&client, KEY, "order_slowly", json!({"item": "tea"})).await;
    assert_eq!((again.text().as_str(), again.is_replayed()), ("tea, cancelled: false", true));
    assert!(!first.await.unwrap().is_replayed());
    assert_eq!(effects.count(), 1);
}
