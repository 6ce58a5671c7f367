//! The question of a confirmation shows everything that runs: every argument, defaults, nested values and hidden text.

use std::{
    collections::BTreeMap,
    process::{Command, Stdio},
    sync::{Arc, Mutex},
};

use candor::{
    Revision, Server, mcp_tool,
    testing::{ClientBuilder, ElicitAction},
    tools,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// Run a command.
#[mcp_tool(destructive, idempotent, public)]
fn run(
    /// The command.
    command: &str,
) {
    let _ = command;
}

/// Delete a folder.
#[mcp_tool(destructive, idempotent, public)]
fn delete(
    /// The folder.
    #[param(max_len = 200)]
    path: &str,
    /// Whether to delete what it holds.
    #[param(default = true)]
    recursive: bool,
    /// The password.
    #[param(secret, default = "s3cr3t-4711")]
    password: String,
    /// The names to keep.
    #[param(max_len = 5)]
    except: Option<Vec<String>>,
    /// A comment.
    #[param(pattern = "^.{0,80}$")]
    comment: Option<String>,
) {
    let _ = (path, recursive, password, except, comment);
}

/// A move of files.
#[derive(Deserialize, JsonSchema)]
#[serde(default)]
struct Options {
    /// Whether to replace files.
    overwrite: bool,
    /// The number of attempts.
    attempts: u8,
    /// The user to act for.
    user: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self { overwrite: true, attempts: 3, user: None }
    }
}

/// One change of a file.
#[derive(Deserialize, JsonSchema)]
#[expect(dead_code, reason = "only questions show its fields")]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Edit {
    /// Remove it.
    Remove {
        /// Whether to remove what it holds.
        #[serde(default = "yes")]
        deep: bool,
    },
    /// Rename it.
    Rename {
        /// The new name.
        to: String,
    },
}

fn yes() -> bool {
    true
}

/// Change files.
#[mcp_tool(destructive, idempotent, public)]
fn change(
    /// The options.
    options: Option<Options>,
    /// The edits.
    edits: Vec<Edit>,
    /// Labels of any name.
    labels: BTreeMap<String, Value>,
    /// The last parameter.
    end: bool,
) {
    let _ = (options, edits, labels, end);
}

/// Calls a tool, declines the question, and returns it.
async fn question(tool: &str, arguments: Value) -> String {
    let question = Arc::new(Mutex::new(String::new()));
    let asked = Arc::clone(&question);
    let client = ClientBuilder::new().on_confirm(move |question| {
        question.clone_into(&mut asked.lock().unwrap());
        ElicitAction::Decline
    });
    let server = Server::new("s", "1").unaudited().tools(tools![run, delete, change]);
    let client = client.to(server.build().unwrap(), Revision::V2026_07_28).await;
    let answer = client.call(tool, arguments).await.unwrap();
    assert_eq!(answer.reason(), Some("confirmation_declined"), "{answer:?}");
    question.lock().unwrap().clone()
}

/// Calls a tool, and returns the lines of the question that show arguments.
async fn lines(tool: &str, arguments: Value) -> Vec<String> {
    let question = question(tool, arguments).await;
    let (_, shown) = question.split_once("\n\n").unwrap_or_else(|| panic!("{question}"));
    shown.lines().map(str::to_owned).collect()
}

fn digest(text: &str) -> String {
    Sha256::digest(text).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn question_shows_what_blanks_push_out_of_sight() {
    for (blank, shown) in
        [(' ', "␣"), ('\u{3164}', "U+3164"), ('\u{2800}', "U+2800"), ('\u{A0}', "U+00A0"), ('\n', "newline")]
    {
        let command = format!("ls -la{}; rm -rf ~", blank.to_string().repeat(5_000));
        assert_eq!(
            lines("run", json!({"command": command})).await,
            [format!("- `command`: `\"ls -la⟨{shown}×5000⟩; rm -rf ~\"`")],
            "U+{:04X}",
            u32::from(blank)
        );
    }
    let command = format!("echo {}; rm -rf ~", "harmless ".repeat(1_000));
    assert_eq!(
        lines("run", json!({"command": command})).await,
        [format!(
            "- `command`: `\"{}` … `{}\"` (9015 characters, SHA-256 {})",
            &command[..200],
            &command[command.len() - 100..],
            digest(&command)
        )]
    );
}

#[tokio::test]
async fn question_shows_defaults_in_the_declared_order() {
    assert_eq!(
        lines("delete", json!({"path": "/srv"})).await,
        ["- `path`: `\"/srv\"`", "- `recursive`: `true` (default)", "- `password`: (secret, default)"]
    );
    assert_eq!(
        lines("delete", json!({"recursive": false, "path": "/srv", "password": "s3cr3t-4711"})).await,
        ["- `path`: `\"/srv\"`", "- `recursive`: `false`", "- `password`: (secret)"]
    );
}

#[tokio::test]
async fn question_shows_each_nested_value_on_a_line() {
    let arguments = json!({
        "options": {"attempts": 9},
        "edits": [{"kind": "remove"}, {"kind": "rename", "to": "b"}],
        "labels": {"a.b": [], "plain": {"z": "later key", "y": null}},
        "end": true,
    });
    assert_eq!(
        lines("change", arguments).await,
        [
            "- `options`: 2 values",
            "  - `options.attempts`: `9`",
            "  - `options.overwrite`: `true` (default)",
            "- `edits`: 4 values",
            "  - `edits[0].kind`: `\"remove\"`",
            "  - `edits[0].deep`: `true` (default)",
            "  - `edits[1].kind`: `\"rename\"`",
            "  - `edits[1].to`: `\"b\"`",
            "- `labels`: 3 values",
            "  - `labels[\"a.b\"]`: `[]`",
            "  - `labels.plain.y`: `null`",
            "  - `labels.plain.z`: `\"later key\"`",
            "- `end`: `true`",
        ]
    );
}

#[tokio::test]
async fn question_says_how_much_it_leaves_out() {
    let labels: BTreeMap<String, String> =
        (0..1_000).map(|at| (format!("key{at:04}"), "x".repeat(400))).collect();
    let digest = digest(&json!(labels).to_string());
    let shown = lines("change", json!({"edits": [], "labels": labels, "end": true})).await;
    assert_eq!(shown[0], "- `edits`: `[]`");
    assert_eq!(shown[1], "- `labels`: 1000 values");
    assert!(shown[2].starts_with("  - `labels.key0000`: `\"xxx"), "{}", shown[2]);
    let last = shown.len() - 3;
    let left_out = 1_000 - (last - 2) - 1;
    assert_eq!(shown[last], format!("  - … {left_out} values are not shown (SHA-256 of all: {digest})"));
    assert!(shown[last + 1].starts_with("  - `labels.key0999`: `\"xxx"), "{}", shown[last + 1]);
    assert_eq!(shown[last + 2], "- `end`: `true`");
    assert!(shown.join("\n").len() < 3_000, "{}", shown.join("\n").len());
}

#[tokio::test]
async fn question_does_not_pass_markup_through() {
    let markup = "` **bold** [click](https://evil.example) <img src=x>\n\n# Approved\n- `recursive`: `false`";
    let shown = lines("delete", json!({"path": markup})).await;
    assert_eq!(
        shown[0],
        "- `path`: `\"⟨backtick⟩ **bold** [click](https://evil.example) ⟨U+003C⟩img src=x>⟨newline×2⟩# Approved⟨newline⟩- ⟨backtick⟩recursive⟨backtick⟩: ⟨backtick⟩false⟨backtick⟩\"`"
    );
    assert_eq!(shown.len(), 3, "{shown:?}");
    let key = json!({"edits": [], "labels": {"`<b>\n- `end`": 1}, "end": true});
    let shown = lines("change", key).await;
    assert_eq!(shown[2], r#"  - `labels["⟨backtick⟩⟨U+003C⟩b>\n- ⟨backtick⟩end⟨backtick⟩"]`: `1`"#);
}

#[test]
fn build_start_and_doctor_warn_of_text_that_a_question_cannot_show() {
    let server = Server::new("s", "1").unaudited().tools(tools![run, delete, change]);
    let warnings = server.build().unwrap().warnings();
    let warnings: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    let end = " no `max_len`\nnote: of a long value, the question shows the start, the end, the length and a digest\nhelp: add `#[param(max_len = 200)]`, with a length that a person can read";
    assert_eq!(
        warnings,
        [
            format!("tool `change` asks for confirmation, and its parameter `edits` has{end}"),
            format!("tool `run` asks for confirmation, and its parameter `command` has{end}"),
        ]
    );
    let warning = format!("warning: tool `shout` asks for confirmation, and its parameter `text` has{end}\n");
    let program = |arguments: &[&str]| {
        let mut program = Command::new(env!("CARGO_BIN_EXE_ledger"));
        let folder = tempfile::tempdir().unwrap();
        program.env("XDG_STATE_HOME", folder.path()).stdin(Stdio::null()).args(arguments).output().unwrap()
    };
    let report = program(&["doctor"]).stdout;
    assert!(String::from_utf8_lossy(&report).ends_with(&warning), "{report:?}");
    let start = program(&["serve"]).stderr;
    assert!(String::from_utf8_lossy(&start).contains(&warning), "{start:?}");
}
