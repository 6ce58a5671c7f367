//! Level two: a server in this process, called by a client over the real protocol.

use candor::{Revision, Sandbox, testing::Client};
use candor_examples::weather::server;
use serde_json::json;

use super::api::{BUSY, CURRENT, FORECAST, FakeApi, Response};

async fn connect(api: &FakeApi) -> Client {
    // The clock is paused, so that retries do not wait; sandboxed runtimes have a clock of their own.
    let service = server().unaudited().sandbox(Sandbox::Off).build_with(["--api", &api.url()]).unwrap();
    Client::to(service.grant("weather:read"), Revision::V2026_07_28).await
}

#[tokio::test(start_paused = true)]
async fn answers_have_data_for_programs_and_text_for_models() {
    let client = connect(&FakeApi::start([CURRENT, FORECAST])).await;
    let answer = client.call("current_weather", json!({"place": "Bern"})).await.unwrap();
    let data = json!({
        "place": "Bern", "at": "2026-07-28T12:00:00Z", "temperature": 24.5, "wind": 11.0, "summary": "sunny",
    });
    assert_eq!(answer.structured, Some(data), "{}", answer.text());
    assert_eq!(answer.text(), "Bern, 2026-07-28T12:00:00Z: sunny, 24.5 °C, wind 11 km/h");
    let answer = client.call("forecast", json!({"place": "Bern"})).await.unwrap();
    assert_eq!(answer.structured.as_ref().unwrap()["days"][1]["high"], 19.0);
    assert_eq!(
        answer.text(),
        "Bern\n2026-07-29: fair, 14 to 26.5 °C, rain 20 %\n2026-07-30: rain, 13 to 19 °C, rain 90 %"
    );
}

#[tokio::test(start_paused = true)]
async fn busy_service_is_asked_again_after_the_time_that_it_names() {
    let api = FakeApi::start([BUSY.header("retry-after: 7"), CURRENT]);
    let client = connect(&api).await;
    let start = tokio::time::Instant::now();
    let answer = client.call("current_weather", json!({"place": "Bern"})).await.unwrap();
    assert!(!answer.is_error, "{}", answer.text());
    assert_eq!((api.requests().len(), start.elapsed().as_secs()), (2, 7));
}

#[tokio::test(start_paused = true)]
async fn service_that_stays_busy_is_an_error_that_the_caller_may_retry() {
    let api = FakeApi::start([BUSY, BUSY, BUSY, BUSY.header("retry-after: 60")]);
    let client = connect(&api).await;
    let answer = client.call("current_weather", json!({"place": "Bern"})).await.unwrap();
    assert_eq!((answer.reason(), api.requests().len()), (Some("service_busy"), 4));
    assert_eq!(answer.meta["io.github.candor-mcp/transient"], true);
    assert_eq!(answer.meta["io.github.candor-mcp/retry-after-seconds"], 60);
    // The service asks for a longer wait than the call may take, so the client does not try again.
    let api = FakeApi::start([BUSY.header("retry-after: 60"), CURRENT]);
    let answer = connect(&api).await.call("current_weather", json!({"place": "Bern"})).await.unwrap();
    assert_eq!((answer.reason(), api.requests().len()), (Some("service_busy"), 1));
}

#[tokio::test(start_paused = true)]
async fn permanent_failures_are_not_retried() {
    let api = FakeApi::start([Response::new("404 Not Found", ""), CURRENT]);
    let client = connect(&api).await;
    let answer = client.call("current_weather", json!({"place": "Brn"})).await.unwrap();
    assert_eq!((answer.reason(), api.requests().len()), (Some("unknown_place"), 1));
    let answer = client.call("forecast", json!({"place": "", "days": 8})).await.unwrap();
    assert_eq!(answer.reason(), Some("invalid_arguments"));
    assert_eq!(api.requests().len(), 1);
}

#[test]
fn address_of_the_service_is_checked_at_the_start() {
    for (address, says) in [
        ("https://weather.example.com", "expected an address such as http://127.0.0.1:8000/v1"),
        ("http://127.0.0.1:8000/v1?key=7", "expected an address such as"),
        ("127.0.0.1:8000:1", "invalid"),
    ] {
        let error = server().build_with(["--api", address]).err().unwrap().to_string();
        assert!(error.contains(says), "{error}");
    }
    let error = server().build_with([] as [&str; 0]).err().unwrap().to_string();
    assert!(error.contains("--api <URL>"), "{error}");
}
