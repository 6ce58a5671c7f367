//! `config` prints the configuration of each MCP host, and `serve` names the narrow way to open tools first.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

/// Exit code, stdout, stderr.
fn run(program: &str, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn config(arguments: &[&str]) -> (Value, String) {
    let (code, stdout, stderr) = run(GREETER, &[&["config"], arguments].concat());
    assert_eq!(code, Some(0), "{stderr}");
    (serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {stdout}")), stderr)
}

const GREETER: &str = env!("CARGO_BIN_EXE_greeter");

#[test]
fn config_of_each_host_starts_this_program() {
    let plain = json!({"command": GREETER, "args": ["serve", "--grant", "a b", "--greeting=Hi"]});
    let mut typed = plain.clone();
    typed["type"] = json!("stdio");
    for (host, place, expected) in [
        ("claude-desktop", "claude_desktop_config.json", json!({"mcpServers": {"greeter": plain}})),
        ("claude-code", ".mcp.json", json!({"mcpServers": {"greeter": typed}})),
        ("vscode", ".vscode/mcp.json", json!({"servers": {"greeter": typed}})),
        ("cursor", ".cursor/mcp.json", json!({"mcpServers": {"greeter": plain}})),
    ] {
        let (printed, stderr) = config(&[host, "--grant", "a b", "--greeting", "Hi"]);
        assert_eq!(printed, expected, "{host}");
        assert!(stderr.starts_with("add it to ") && stderr.contains(place), "{stderr}");
    }
    let (code, _, stderr) = run(GREETER, &["config", "emacs"]);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("claude-desktop, claude-code, vscode, cursor"), "{stderr}");
}

#[test]
fn config_of_a_printed_command_works() {
    let (printed, _) = config(&["cursor", "--greeting", "Hi"]);
    let server = &printed["mcpServers"]["greeter"];
    let arguments = server["args"].as_array().unwrap().iter().map(|argument| argument.as_str().unwrap());
    let output =
        Command::new(server["command"].as_str().unwrap()).args(arguments).stdin(Stdio::null()).output();
    let stderr = String::from_utf8(output.unwrap().stderr).unwrap();
    assert!(stderr.starts_with("greeter 1.0.0 on stdio: 1 of 1 tools available"), "{stderr}");
}

#[test]
fn config_of_an_address_holds_no_token() {
    let url = "https://a.example/mcp";
    for (host, expected) in [
        (
            "claude-code",
            json!({"mcpServers": {"greeter": {"type": "http", "url": url, "headers": {"Authorization": "Bearer ${GREETER_TOKEN}"}}}}),
        ),
        (
            "cursor",
            json!({"mcpServers": {"greeter": {"url": url, "headers": {"Authorization": "Bearer ${env:GREETER_TOKEN}"}}}}),
        ),
        (
            "vscode",
            json!({
                "servers": {"greeter": {"type": "http", "url": url, "headers": {"Authorization": "Bearer ${input:greeter-token}"}}},
                "inputs": [{"type": "promptString", "id": "greeter-token", "description": "Token for greeter", "password": true}],
            }),
        ),
    ] {
        assert_eq!(config(&[host, "--url", url, "--token"]).0, expected, "{host}");
    }
    let open = json!({"mcpServers": {"greeter": {"type": "http", "url": url}}});
    assert_eq!(config(&["claude-code", "--url", url]).0, open);
    let (code, stdout, stderr) = run(GREETER, &["config", "claude-desktop", "--url", url]);
    assert_eq!((code, &*stdout), (Some(2), ""));
    assert!(stderr.contains("Add custom connector"), "{stderr}");
}

#[tokio::test]
async fn server_over_http_is_told_of_tokens_before_grants() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_web"));
    command.env("XDG_STATE_HOME", folder.path());
    let stderr = candor_tests::http::HttpServer::start(command, &[]).await.stderr();
    let helps: Vec<&str> = stderr.lines().filter(|line| line.starts_with("help: ")).collect();
    let scopes = "mcp:conformance:tools:call mcp:conformance:tools:test_simple_text";
    assert_eq!(
        helps,
        [
            format!(
                "help: to give each caller a key: web token new --subject NAME --scope \"{scopes}\" --file FILE, then web serve --http ADDRESS --tokens FILE"
            ),
            format!(
                "help: to show them all to every program of this machine: web serve --http ADDRESS --grant \"{scopes}\""
            ),
        ],
        "{stderr}"
    );
}
