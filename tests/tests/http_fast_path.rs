//! A call that is answered without rmcp's service, and the same call through it: one answer.

use std::process::Command;

use candor_tests::{
    http::{Answer, Ask, Site, call, modern, until},
    log::records,
};
use serde_json::{Value, json};

/// The same call, with something in its headers that only rmcp weighs.
fn through_rmcp(ask: &Ask) -> Ask {
    ask.clone().with("accept", "application/json;q=1, text/event-stream;q=0.5")
}

/// What both say.
async fn one_answer(site: &Site, ask: &Ask) -> Answer {
    let (direct, through) = (site.ask(ask).await, site.ask(&through_rmcp(ask)).await);
    assert_eq!(direct.status, through.status, "{direct:?} {through:?}");
    assert_eq!(direct.header("content-type"), through.header("content-type"));
    assert_eq!(direct.body, through.body);
    direct
}

/// A call whose parameters hold these too.
fn with(tool: &str, mut more: Value) -> Ask {
    let mut params = json!({"name": tool, "arguments": {}});
    params.as_object_mut().unwrap().append(more.as_object_mut().unwrap());
    modern("tools/call", params).with("mcp-name", tool)
}

#[tokio::test]
async fn results_errors_and_refusals_are_the_same_on_both_ways() {
    let site = Site::start(Command::new(env!("CARGO_BIN_EXE_web")), &[]).await;
    let result = one_answer(&site, &call("measure", json!({"text": "abc"}))).await;
    assert_eq!(result.message()["result"]["structuredContent"], 3);
    assert_eq!(result.message()["result"]["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "web");
    let bad = one_answer(&site, &call("measure", json!({"text": 5}))).await;
    assert_eq!((bad.status, &bad.message()["result"]["isError"]), (200, &json!(true)));
    let unknown = one_answer(&site, &call("mesure", json!({}))).await;
    assert_eq!((unknown.status, &unknown.message()["error"]["code"]), (200, &json!(-32602)));
    let beyond = one_answer(&site, &call("test_simple_text", json!({}))).await;
    assert_eq!(beyond.status, 403);
    let no_call = one_answer(&site, &with("measure", json!({"arguments": []}))).await;
    assert_eq!(no_call.message()["error"]["code"], -32602);
    let twice = Ask {
        body: call("measure", json!({"text": "a"})).body.replace("{\"text\"", "{\"text\":\"b\",\"text\""),
        ..call("measure", json!({}))
    };
    assert_eq!(one_answer(&site, &twice).await.status, 400);
    let key = with("measure", json!({"arguments": {"text": "abc"}}));
    let key = Ask {
        body: key.body.replace("\"_meta\":{", "\"_meta\":{\"candor/idempotency-key\":\"short\","),
        ..key
    };
    assert_eq!(one_answer(&site, &key).await.message()["error"]["code"], -32602);
}

#[tokio::test]
async fn a_request_that_contradicts_itself_is_refused_on_both_ways() {
    let site = Site::start(Command::new(env!("CARGO_BIN_EXE_web")), &[]).await;
    let ask = call("measure", json!({"text": "abc"}));
    for (header, value) in
        [("mcp-name", "twice"), ("mcp-method", "tools/list"), ("mcp-protocol-version", "2025-11-25")]
    {
        let refused = one_answer(&site, &ask.clone().with(header, value)).await;
        assert_eq!((refused.status, &refused.message()["error"]["code"]), (400, &json!(-32020)), "{header}");
    }
    let missing = Ask { body: ask.body.replace("clientCapabilities", "clientAbilities"), ..ask.clone() };
    assert_eq!(one_answer(&site, &missing).await.status, 400);
    let tomorrow = Ask { body: ask.body.replace("2026-07-28", "2027-01-01"), ..ask };
    let tomorrow = one_answer(&site, &tomorrow.with("mcp-protocol-version", "2027-01-01")).await;
    assert_eq!((tomorrow.status, &tomorrow.message()["error"]["code"]), (400, &json!(-32022)));
}

#[tokio::test]
async fn how_a_call_ended_that_nobody_waited_for_is_on_record() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("audit");
    let site =
        Site::start(Command::new(env!("CARGO_BIN_EXE_web")), &["--audit", log.to_str().unwrap()]).await;
    let mut connection = site.connect().await;
    connection.send(&call("alone", json!({"time": 30_000})).bytes(site.address)).await;
    let at_work = async |count: i32| {
        let answer = site.ask(&call("at_work", json!({}))).await;
        answer.message()["result"]["structuredContent"] == count
    };
    until(async || at_work(1).await).await;
    drop(connection);
    until(async || at_work(0).await).await;
    let ended = async || {
        let records = records(&log);
        let begun = records.iter().find(|record| record["kind"] == "intent" && record["tool"] == "alone");
        let id = begun.map(|record| record["call_id"].clone());
        let of_it = |record: &&Value| record["kind"] == "outcome" && Some(&record["call_id"]) == id.as_ref();
        records.iter().find(of_it).map(|record| record["outcome"]["reason"].clone())
    };
    until(async || ended().await.is_some()).await;
    assert_eq!(ended().await, Some(json!("cancelled")));
}
