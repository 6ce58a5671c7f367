//! Level three: the built program, called over its pipes and over HTTP.

use std::{process::Command, time::Duration};

use candor::Revision;
use serde_json::json;

use super::{
    api::{BUSY, CURRENT, FORECAST, FakeApi},
    program::{HttpProgram, StdioProgram},
};

const WEATHER: &str = env!("CARGO_BIN_EXE_weather");

#[tokio::test]
async fn weather_serves_over_stdio_under_each_revision() {
    for revision in Revision::ALL {
        let (api, state) = (FakeApi::start([BUSY, CURRENT]), tempfile::tempdir().unwrap());
        let options = ["--api", &api.url(), "--grant", "weather:read"];
        let server = StdioProgram::under(WEATHER, &options, state.path(), revision).await;
        let current = server.call("current_weather", json!({"place": "Bern"})).await;
        assert_eq!((&current["temperature"], api.requests().len()), (&json!(24.5), 2), "{revision}");
        let exit = server.close().await;
        assert_eq!(exit.code, Some(0), "{}", exit.stderr);
    }
}

#[test]
fn call_in_flight_is_answered_after_sigterm() {
    let state = tempfile::tempdir().unwrap();
    let api = FakeApi::start([CURRENT.after(Duration::from_secs(1))]);
    let server = HttpProgram::start(WEATHER, &["--api", &api.url(), "--grant", "weather:read"], state.path());
    std::thread::scope(|scope| {
        let call = scope.spawn(|| server.call("current_weather", json!({"place": "Bern"})));
        std::thread::sleep(Duration::from_millis(400));
        server.terminate();
        assert_eq!(call.join().unwrap()["structuredContent"]["summary"], "sunny");
    });
    let exit = server.exit();
    assert_eq!(exit.code, Some(0), "{}", exit.stderr);
}

#[test]
fn call_reads_the_address_from_a_flag_or_the_environment() {
    let state = tempfile::tempdir().unwrap();
    let api = FakeApi::start([FORECAST, FORECAST]);
    let call = ["call", "forecast", "place=Bern", "days=2", "--grant", "weather:read"];
    let mut by_flag = Command::new(WEATHER);
    let mut by_environment = Command::new(WEATHER);
    by_flag.args(call).args(["--api", &api.url()]);
    by_environment.args(call).env("WEATHER_API", api.url());
    for command in [&mut by_flag, &mut by_environment] {
        let output = command.env("XDG_STATE_HOME", state.path()).output().unwrap();
        let (stdout, stderr) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!((output.status.code(), &*stderr), (Some(0), ""), "{stdout}");
        assert!(stdout.contains("2026-07-30"), "{stdout}");
    }
    let output = Command::new(WEATHER).args(["serve", "--api", "ftp://example.com"]).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("expected an address such as http://127.0.0.1:8000/v1"), "{stderr}");
}
