//! The commands other than `serve`: their output and their exit codes.

use std::{
    io::Read as _,
    path::Path,
    process::{Command, Output, Stdio},
};

use serde_json::{Value, json};

fn prices(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_prices"));
    command
        .args(arguments)
        .env("PRICES_DATA", folder)
        .env("XDG_STATE_HOME", folder)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// Exit code, stdout, stderr.
fn run(arguments: &[&str]) -> (i32, String, String) {
    let folder = tempfile::tempdir().unwrap();
    texts(&prices(folder.path(), arguments))
}

fn texts(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn call_prints_a_readable_answer() {
    let call = ["call", "get_stock_price", "symbol=AAPL", "--grant", "read:prices"];
    let plain = "symbol  AAPL\ndate    2010-03-01\nprice   223.02\n";
    assert_eq!(run(&call), (0, plain.to_owned(), String::new()));
    let json = ["call", "get_stock_price", "--json", r#"{"symbol": "AAPL"}"#, "--grant", "read:prices"];
    assert_eq!(run(&json).1, plain);
    let list = ["call", "compare", "symbols=IBM, AAPL", "from=2010-01-01", "--grant", "read:prices"];
    let (code, table, _) = run(&list);
    assert_eq!(code, 0);
    let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[1], ["symbol", "first", "last", "low", "high", "gain_percent"]);
    assert_eq!((rows[2][0], rows[3][0]), ("AAPL", "IBM"));
}

#[test]
fn call_raw_prints_the_result_of_the_server() {
    let (code, raw, _) = run(&["call", "get_stock_price", "symbol=AAPL", "--grant", "read:prices", "--raw"]);
    let result: Value = serde_json::from_str(&raw).unwrap();
    assert_eq!(code, 0);
    assert_eq!(result["structuredContent"], json!({"symbol": "AAPL", "date": "2010-03-01", "price": 223.02}));
    let (code, raw, stderr) =
        run(&["call", "get_stock_price", "symbol=TSLA", "--grant", "read:prices", "--raw"]);
    let result: Value = serde_json::from_str(&raw).unwrap();
    assert_eq!((code, &result["isError"], &*stderr), (1, &json!(true), ""), "a raw error is on stdout");
}

#[test]
fn call_failures_are_on_stderr_and_exit_with_1() {
    for (arguments, says) in [
        (
            ["call", "get_stock_price", "symbol=TSLA", "--grant", "read:prices"],
            "error: no company in this data set has that symbol\nhelp: it has AAPL, AMZN, GOOG, IBM, MSFT\n",
        ),
        (
            ["call", "get_stock_price", "symbol=aapl", "--grant", "read:prices"],
            "error: these arguments do not fit tool `get_stock_price`\n- `symbol` does not match the pattern `^[A-Z]{1,5}$`\nhelp: it takes `symbol` (string, required, for example \"AAPL\")\n",
        ),
        (
            ["call", "get_stock_price", "symbol=AAPL", "--grant", "read:alerts"],
            "error: tool `get_stock_price` needs a scope that this caller was not granted: `read:prices`\nhelp: add `--grant \"read:prices\"` to this command\n",
        ),
        (
            ["call", "get_stock_pric", "symbol=AAPL", "--grant", "read:alerts"],
            "error: Unknown tool: get_stock_pric\nhelp: `tools/list` names the tools you may call\nnote: available tools: list_alerts\n",
        ),
    ] {
        assert_eq!(run(&arguments), (1, String::new(), says.to_owned()), "{arguments:?}");
    }
}

#[test]
fn call_with_wrong_arguments_exits_with_2() {
    for (arguments, says) in [
        (
            &["call", "get_stock_price", "symbol"][..],
            "error: `symbol` is not an argument of the form `name=value`\nhelp: write `name=value`",
        ),
        (&["call", "get_stock_price", "symbol=A", "symbol=B"], "error: `symbol` is given twice"),
        (&["call", "get_stock_price", "--json", "[1]"], "error: `--json` takes an object"),
        (&["call", "get_stock_price", "--json", "{"], "error: the value of `--json` is not valid JSON"),
        (&["call", "get_stock_price", "--json", "{}", "symbol=A"], "error: the argument '--json"),
        (&["call"], "error: the following required arguments"),
        (&["nonsense"], "error: unrecognized subcommand 'nonsense'"),
        (&["serve", "--nonsense"], "error: unexpected argument '--nonsense'"),
    ] {
        let (code, stdout, stderr) = run(arguments);
        assert_eq!((code, &*stdout), (2, ""), "{arguments:?}");
        assert!(stderr.starts_with(says), "{arguments:?}: {stderr}");
    }
}

#[test]
fn call_keeps_the_state_of_earlier_calls() {
    let folder = tempfile::tempdir().unwrap();
    let call = |arguments: &[&str]| texts(&prices(folder.path(), arguments));
    let set = ["call", "set_alert", "symbol=IBM", "when=above", "price=100", "--grant", "write:alerts"];
    assert_eq!(call(&set).0, 0);
    let (code, listed, _) = call(&["call", "list_alerts", "--grant", "read:alerts"]);
    assert_eq!((code, listed.contains("IBM")), (0, true), "{listed}");
    let clear = ["call", "clear_alerts", "symbol=IBM", "--grant", "write:alerts"];
    let (code, _, refused) = call(&clear);
    assert_eq!(code, 1, "there is no terminal to ask on");
    assert!(refused.contains("--yes clear_alerts"), "{refused}");
    let (code, cleared, _) = call(&[&clear[..], &["--yes-destructive"]].concat());
    assert_eq!((code, &*cleared), (0, "symbol   IBM\nremoved  1\n"));
}

#[test]
fn manifest_is_canonical_and_reproducible() {
    let (code, manifest, stderr) = run(&["manifest"]);
    assert_eq!((code, &*stderr), (0, ""));
    assert_eq!(manifest, run(&["manifest"]).1);
    let value: Value = serde_json::from_str(&manifest).unwrap();
    // serde_json's maps are sorted, so writing it again is the canonical form.
    assert_eq!(manifest, serde_json::to_string_pretty(&value).unwrap() + "\n");
    let tools = value["tools"].as_array().unwrap();
    let names: Vec<_> = tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        [
            "clear_alerts",
            "compare",
            "fetch_quote",
            "get_stock_price",
            "list_alerts",
            "price_history",
            "set_alert"
        ]
    );
    assert_eq!(value["protocol_revisions"], json!(["2025-06-18", "2025-11-25", "2026-07-28"]));
    assert_eq!((&tools[0]["effect"], &tools[0]["idempotent"]), (&json!("destructive"), &json!(true)));
}

#[test]
fn docs_have_a_working_command_for_each_tool() {
    let (code, page, stderr) = run(&["docs"]);
    assert_eq!((code, &*stderr), (0, ""));
    let commands: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("$ prices ")).collect();
    assert_eq!(commands.len(), 7);
    for command in commands {
        let arguments: Vec<&str> = command.split_whitespace().collect();
        assert!(page.contains(&format!("\n## {}\n", arguments[1])), "{command}");
        let (code, _, stderr) = run(&[&arguments[..], &["--yes-destructive"]].concat());
        if arguments[1] == "fetch_quote" {
            assert!(stderr.contains("no quote service is configured"), "{stderr}");
        } else {
            assert_eq!((code, &*stderr), (0, ""), "{command}");
        }
    }
}

#[test]
fn doctor_reports_each_declaration_and_its_enforcement() {
    let (code, report, stderr) = run(&["doctor"]);
    assert_eq!((code, &*stderr), (0, ""));
    for line in [
        "MCP revisions: 2025-06-18, 2025-11-25, 2026-07-28",
        "transports: stdio, HTTP",
        "  destructive  clear_alerts",
        "  write:alerts  clear_alerts, set_alert",
        "  scope            by the runtime                 7 tools",
        "  read_only        by the compiler and the kernel 5 tools",
        "  confirm          by the runtime                 1 tool",
        "  idempotency_key  by the runtime                 2 tools",
    ] {
        assert!(report.lines().any(|reported| reported == line), "{line:?} is not in\n{report}");
    }
}

#[test]
fn help_version_and_completions_are_on_stdout() {
    let (code, help, stderr) = run(&["--help"]);
    assert_eq!((code, &*stderr), (0, ""));
    for word in ["serve", "call", "manifest", "docs", "doctor", "completions", "Exit codes: 0 done; 1 "] {
        assert!(help.contains(word), "{word}: {help}");
    }
    assert_eq!(run(&["--version"]), (0, "prices 0.1.0\n".to_owned(), String::new()));
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let (code, script, stderr) = run(&["completions", shell]);
        assert_eq!((code, &*stderr), (0, ""), "{shell}");
        assert!(script.contains("manifest"), "{shell}");
    }
}

#[test]
fn commands_end_quietly_when_their_reader_closes_the_pipe() {
    for command in [&["manifest"][..], &["docs"], &["doctor"], &["--help"], &["completions", "zsh"]] {
        // A pipe whose reading end is closed before anything is written.
        let (reading, writing) = std::io::pipe().unwrap();
        drop(reading);
        let mut child = Command::new(env!("CARGO_BIN_EXE_prices"))
            .args(command)
            .stdout(writing)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = String::new();
        child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        assert_eq!((child.wait().unwrap().code(), &*stderr), (Some(0), ""), "{command:?}");
    }
}

#[test]
fn commands_other_than_serve_do_not_build_the_state() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("no/such/folder");
    for command in [&["manifest"][..], &["docs"], &["doctor"]] {
        assert_eq!(prices(&missing, command).status.code(), Some(0));
    }
    assert!(!folder.path().join("no").exists());
}

#[test]
fn doctor_lists_the_tokens_of_the_list_with_the_costliest_tool_first() {
    let (code, report, _) = run(&["doctor"]);
    assert_eq!(code, 0);
    let (_, costs) = report.split_once("\nthe list costs a model about ").unwrap();
    let mut lines = costs.lines();
    let number = |line: &str| line.split_whitespace().next().unwrap().parse::<u64>().unwrap();
    let total = number(lines.next().unwrap());
    let tools: Vec<u64> = lines.take_while(|line| !line.is_empty()).map(number).collect();
    assert_eq!((tools.len(), tools.iter().sum::<u64>()), (7, total));
    assert!(tools.is_sorted_by(|a, b| a >= b), "{tools:?}");
}

#[test]
fn docs_prints_markdown_unless_html_is_asked_for() {
    assert!(run(&["docs"]).1.starts_with("# Stock prices"));
    assert_eq!(run(&["docs", "--format", "markdown"]).1, run(&["docs"]).1);
    assert!(run(&["docs", "--format", "html"]).1.starts_with("<!doctype html>"));
    assert_eq!(run(&["docs", "--format", "pdf"]).0, 2);
}
