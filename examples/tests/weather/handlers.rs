//! Level one: a tool is a function, so these tests call it.

use std::time::Duration;

use candor_examples::weather::{
    api::{Current, Forecast, WeatherApi},
    tools::{current_weather, forecast},
};
use jiff::{Timestamp, ToSpan as _, fmt::rfc2822::DateTimePrinter};

use super::api::{BUSY, CURRENT, FORECAST, FakeApi, Response};

fn connect(api: &FakeApi) -> WeatherApi {
    WeatherApi::new(&api.url().parse().unwrap(), Duration::from_secs(5))
}

#[test]
fn current_weather_returns_what_the_service_knows() {
    let api = FakeApi::start([CURRENT]);
    let answer = current_weather(&connect(&api), "Bern & Thun").unwrap();
    let Current { place, temperature, wind, .. } = answer.value();
    assert_eq!((&**place, *temperature, *wind), ("Bern", 24.5, 11.0));
    assert_eq!(api.requests(), ["/v1/current?place=Bern%20%26%20Thun"]);
}

#[test]
fn forecast_asks_for_the_number_of_days() {
    let api = FakeApi::start([FORECAST]);
    let answer = forecast(&connect(&api), "Bern", 2).unwrap();
    let Forecast { days, .. } = answer.value();
    assert_eq!(days.iter().map(|day| day.rain).collect::<Vec<_>>(), [20, 90]);
    assert_eq!(api.requests(), ["/v1/forecast?place=Bern&days=2"]);
}

#[test]
fn failures_of_the_service_say_whether_a_retry_can_help() {
    const BUSY_FOR_A_MINUTE: Response = BUSY.header("retry-after: 60");
    const OFTEN: Response = Response::new("429 Too Many Requests", r#"{"error": "60 requests a minute"}"#);
    for (response, reason, wait, message) in [
        (
            BUSY_FOR_A_MINUTE,
            "service_busy",
            Some(60),
            "the weather service has no answer now (503 Service Unavailable)",
        ),
        (
            OFTEN,
            "service_busy",
            None,
            "the weather service has no answer now (429 Too Many Requests): 60 requests a minute",
        ),
        (
            Response::new("200 OK", "").after(Duration::ZERO),
            "service_answer",
            None,
            "the answer of the weather service has an unknown form: EOF while parsing a value at line 1 column 0",
        ),
        (
            Response::new("404 Not Found", ""),
            "unknown_place",
            None,
            "the weather service does not know this place\nhelp: name a larger town nearby",
        ),
        (
            Response::new("401 Unauthorized", r#"{"error": "no key"}"#),
            "service_refused",
            None,
            "the weather service refuses the request (401 Unauthorized): no key",
        ),
    ] {
        let error = current_weather(&connect(&FakeApi::start([response])), "Bern").unwrap_err();
        assert_eq!((error.message(), error.reason_code()), (message, Some(reason)));
        assert_eq!(error.is_transient(), reason == "service_busy", "{error}");
        assert_eq!(error.wait(), wait.map(Duration::from_secs), "{error}");
    }
}

#[test]
fn retry_after_can_be_a_date() {
    let date =
        DateTimePrinter::new().timestamp_to_rfc9110_string(&(Timestamp::now() + 90.seconds())).unwrap();
    let header: &'static str = format!("retry-after: {date}").leak();
    let error = current_weather(&connect(&FakeApi::start([BUSY.header(header)])), "Bern").unwrap_err();
    let wait = error.wait().unwrap();
    assert!((80..=90).contains(&wait.as_secs()), "{wait:?}");
    let past = BUSY.header("retry-after: Wed, 21 Oct 2015 07:28:00 GMT");
    let error = current_weather(&connect(&FakeApi::start([past])), "Bern").unwrap_err();
    assert_eq!(error.wait(), Some(Duration::ZERO));
}

#[test]
fn service_that_cannot_be_reached_is_a_transient_error_with_its_cause() {
    let error = current_weather(&connect(&FakeApi::ended()), "Bern").unwrap_err();
    assert!(error.is_transient());
    assert!(error.message().starts_with("the weather service cannot be reached: "), "{error}");
    assert!(error.message().contains("Connection refused"), "{error}");

    let slow = FakeApi::start([CURRENT.after(Duration::from_secs(5))]);
    let api = WeatherApi::new(&slow.url().parse().unwrap(), Duration::from_millis(100));
    let error = current_weather(&api, "Bern").unwrap_err();
    assert!(error.is_transient());
    assert!(error.message().contains("timeout"), "{error}");
}
