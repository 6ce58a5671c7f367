//! A program with options of its own, a state that is made by a future, and an end, as processes and in one.

use std::{
    path::Path,
    process::{Command, Output, Stdio},
    time::Duration,
};

use candor::{Revision, Server, StartError, State, clap, mcp_tool, testing::Client, tools};
use candor_tests::{
    http::{self, HttpServer},
    messages::{call, request},
    stdio_server::StdioServer,
};
use serde_json::json;

fn greeter(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_greeter"));
    command.args(arguments);
    command
}

/// Exit code, stdout, stderr.
fn output(command: &mut Command) -> (i32, String, String) {
    let Output { status, stdout, stderr } = command.stdin(Stdio::null()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

fn greeting(command: &mut Command) -> String {
    let (code, stdout, stderr) = output(command);
    assert_eq!((code, &*stderr), (0, ""), "{stdout}");
    stdout.trim_end().to_owned()
}

#[test]
fn call_passes_the_programs_own_options_on_to_the_state() {
    let call = ["call", "greet", "name=Ada"];
    assert_eq!(greeting(&mut greeter(&call)), "Hello, Ada");
    let options = ["--greeting", "Good day", "--also=-x", "--also", "Bob", "-m", "-m", "--loud"];
    assert_eq!(greeting(&mut greeter(&[&call[..], &options].concat())), "GOOD DAY, Ada and -x and Bob!!");
    let mut by_environment = greeter(&[&call[..], &["--also", "Bob"]].concat());
    by_environment.env("GREETER_GREETING", "Hi").env("GREETER_LOUD", "1").env("GREETER_ALSO", "");
    assert_eq!(greeting(&mut by_environment), "HI, Ada and Bob");
    let mut by_both = greeter(&[&call[..], &["--greeting", "Hey"]].concat());
    assert_eq!(greeting(by_both.env("GREETER_GREETING", "Hi")), "Hey, Ada");
}

#[test]
fn help_and_completions_list_the_programs_own_options() {
    for command in ["serve", "call"] {
        let (code, help, _) = output(&mut greeter(&[command, "--help"]));
        assert_eq!(code, 0);
        let (_, own) = help.split_once("Options of greeter:").unwrap_or_else(|| panic!("{help}"));
        for part in
            ["--greeting <GREETING>", "[env: GREETER_GREETING]", "[default: Hello]", "[env: FAREWELL]"]
        {
            assert!(own.contains(part), "{part}: {own}");
        }
    }
    let (_, help, _) = output(&mut greeter(&["serve", "--help"]));
    assert!(help.contains("[env: GREETER_HTTP]") && help.contains("[env: GREETER_DRAIN_TIMEOUT]"), "{help}");
    let (_, help, _) = output(&mut greeter(&["doctor", "--help"]));
    assert!(!help.contains("--greeting"), "{help}");
    let (code, script, _) = output(&mut greeter(&["completions", "bash"]));
    assert_eq!(code, 0);
    assert!(script.contains("--greeting"), "{script}");
}

#[test]
fn wrong_own_option_is_a_usage_error() {
    for (arguments, expected) in [
        (&["serve", "--linger", "soon"][..], "error: invalid value 'soon' for '--linger <LINGER>'"),
        (&["call", "greet", "name=Ada", "--nonsense"], "error: unexpected argument '--nonsense' found"),
    ] {
        let (code, _, stderr) = output(&mut greeter(arguments));
        assert_eq!(code, 2, "{stderr}");
        assert!(stderr.starts_with(expected), "{stderr}");
    }
    let (code, _, stderr) = output(&mut greeter(&["serve", "--greeting", ""]));
    assert_eq!(
        (code, &*stderr),
        (2, "error: the server's state could not be made\nnote: the greeting is empty\n")
    );
}

#[tokio::test]
async fn options_of_serve_are_set_by_the_environment() {
    let mut command = greeter(&["serve"]);
    command.env("GREETER_HTTP", "127.0.0.1:0").env("GREETER_GREETING", "Hi").env("GREETER_QUIET", "yes");
    command.env("GREETER_ALLOW_HOST", "a.example,b.example").env("GREETER_TOKENS", "");
    let server = HttpServer::start_command(command).await;
    let request = http::call("greet", json!({"name": "Ada"}));
    let response = server.send(&request).await;
    assert_eq!(response.message()["result"]["content"][0]["text"], "Hi, Ada", "{response:?}");
    for host in ["a.example", "b.example"] {
        let response = server.send(&http::call("greet", json!({"name": "Ada"})).with("host", host)).await;
        assert_eq!(response.status, 200, "{response:?}");
    }
    assert_eq!(server.stderr(), "");
    // `call` starts a server of its own over stdio.
    let mut call = greeter(&["call", "greet", "name=Ada"]);
    assert_eq!(greeting(call.env("GREETER_HTTP", "127.0.0.1:0")), "Hello, Ada");
    let (code, _, stderr) = output(greeter(&["serve"]).env("GREETER_DRAIN_TIMEOUT", "soon"));
    assert_eq!(code, 2);
    assert!(stderr.starts_with("error: invalid value 'soon' for '--drain-timeout"), "{stderr}");
}

#[tokio::test]
async fn program_without_a_command_serves_a_host() {
    for arguments in [&[][..], &["--greeting", "Hi"]] {
        let mut server = StdioServer::start(greeter(arguments));
        let answer = server.client.initialize(Revision::V2025_11_25).await;
        assert_eq!(answer["result"]["serverInfo"]["name"], "greeter", "{answer}");
        assert_eq!(server.close().await.status.code(), Some(0));
    }
    for asks in ["--help", "-h", "--version", "-V"] {
        let (code, stdout, _) = output(&mut greeter(&[asks]));
        assert_eq!(code, 0);
        assert!(stdout.contains("greeter"), "{stdout}");
    }
}

#[test]
fn main_inside_a_runtime_works_or_says_what_to_delete() {
    let call = ["call", "greet", "name=Ada"];
    assert_eq!(greeting(greeter(&call).env("OUTER", "multi")), "Hello, Ada");
    let (code, _, stderr) = output(greeter(&call).env("OUTER", "single"));
    assert_eq!(
        (code, &*stderr),
        (
            2,
            "error: `Server::main` was called inside a tokio runtime of a single thread\nnote: it starts a runtime of its own and waits for it, so nothing of the other would run meanwhile\nhelp: delete `#[tokio::main]`, and make what needs a runtime in `Server::state_with_async`\n"
        )
    );
}

#[tokio::test]
async fn program_with_a_command_line_of_its_own_serves_and_calls() {
    let mut command = greeter(&["mcp", "--http", "127.0.0.1:0", "--quiet"]);
    command.env("OUTER", "embedded").env("GREETER_GREETING", "Hi");
    let mut server = HttpServer::start_command(command).await;
    let response = server.send(&http::call("greet", json!({"name": "Ada"}))).await;
    assert_eq!(response.message()["result"]["content"][0]["text"], "Hi, Ada", "{response:?}");
    server.process.signal("TERM");
    assert_eq!(server.wait().await.code(), Some(0));
    let mut call = greeter(&["tool", "call", "greet", "name=Ada", "--greeting=Hey"]);
    assert_eq!(greeting(call.env("OUTER", "embedded")), "Hey, Ada");
}

/// Starts a server whose end writes to `file`.
async fn with_farewell(file: &Path, options: &[&str]) -> StdioServer {
    let mut command = greeter(&["serve", "--quiet"]);
    command.args(options).env("FAREWELL", file);
    let mut server = StdioServer::start(command);
    server.client.initialize(Revision::V2025_11_25).await;
    server
}

#[tokio::test]
async fn end_runs_after_the_last_answer() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("farewell");
    let mut server = with_farewell(&file, &[]).await;
    server.client.send(call(&json!(7), "greet", json!({"name": "Ada", "wait": 300}))).await;
    // A message behind the call is answered, so the call is in flight.
    let pong = server.client.exchange(request(&json!(8), "ping", json!({}))).await;
    assert_eq!(pong["id"], 8, "{pong}");
    server.process.signal("TERM");
    let exit = server.close().await;
    assert_eq!(exit.status.code(), Some(0), "{}", exit.stderr);
    assert!(exit.stdout.contains("Hello, Ada"), "{}", exit.stdout);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "1 calls");

    // The end of stdin is an end, too.
    std::fs::remove_file(&file).unwrap();
    let exit = with_farewell(&file, &[]).await.close().await;
    assert_eq!(exit.status.code(), Some(0), "{}", exit.stderr);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "0 calls");
}

#[tokio::test]
async fn end_that_fails_or_takes_too_long_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let exit = with_farewell(&folder.path().join("missing/farewell"), &[]).await.close().await;
    assert_eq!(exit.status.code(), Some(0));
    assert!(exit.stderr.starts_with("error: `on_stop` failed: No such file"), "{}", exit.stderr);
    let file = folder.path().join("farewell");
    let server = with_farewell(&file, &["--linger", "60000", "--drain-timeout", "1s"]).await;
    server.process.signal("TERM");
    let exit = server.close().await;
    assert_eq!(exit.status.code(), Some(1));
    assert!(exit.stderr.starts_with("error: `on_stop` did not end in time"), "{}", exit.stderr);
    assert!(!file.exists());
}

#[tokio::test]
async fn tasks_of_the_state_that_block_delay_no_answer() {
    let mut command = greeter(&["serve", "--quiet"]);
    command.env("BLOCKED", "1");
    let mut server = StdioServer::start(command);
    server.client.initialize(Revision::V2025_11_25).await;
    let answer = server.client.exchange(request(&json!("ping"), "ping", json!({}))).await;
    assert_eq!(answer["id"], "ping", "{answer}");
}

#[derive(clap::Args)]
struct Options {
    /// A number
    #[arg(long)]
    number: u32,
}

struct Number(u32);

#[derive(State)]
struct App {
    number: Number,
}

/// Return the number of the state.
#[mcp_tool(read_only, closed_world, public)]
fn number(number: &Number) -> u32 {
    number.0
}

fn server() -> Server<App> {
    let server = Server::new("own arguments", "1.0.0").args::<Options>();
    let server = server.state_with_async(|options: Options| async move {
        tokio::time::sleep(Duration::from_millis(1)).await;
        Ok::<_, String>(App { number: Number(options.number) })
    });
    server.tools(tools![number])
}

async fn answers_its_number() {
    let service = server().build_with(["--number", "42"]).unwrap();
    let client = Client::to(service, Revision::V2026_07_28).await;
    assert_eq!(client.call("number", json!({})).await.unwrap().structured, Some(json!(42)));
}

#[tokio::test]
async fn state_is_made_by_a_future_inside_a_single_threaded_runtime() {
    answers_its_number().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn state_is_made_by_a_future_inside_a_multi_threaded_runtime() {
    answers_its_number().await;
}

#[test]
fn state_is_made_by_a_future_outside_a_runtime() {
    let service = server().build_with(["--number", "42"]).unwrap();
    drop(service);
}

#[test]
fn state_with_runs_inside_a_runtime() {
    let server = Server::new("s", "1.0.0").state_with(|| {
        let handle = tokio::runtime::Handle::try_current().map_err(|error| error.to_string())?;
        // A driver that blocks may do so here.
        let number = handle.block_on(async { tokio::spawn(async { 7 }).await });
        number.map(|number| App { number: Number(number) }).map_err(|error| error.to_string())
    });
    server.tools(tools![number]).build().unwrap();
}

#[test]
fn build_without_a_needed_option_is_a_start_error() {
    let Err(StartError::Arguments(message)) = server().build().map(drop) else {
        panic!("an option is missing")
    };
    let message = message.to_string();
    assert!(
        message.contains("required arguments were not provided") && message.contains("--number"),
        "{message}"
    );
}
