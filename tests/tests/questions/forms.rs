//! Questions to the user: typed forms that are filled in, declined or dismissed, conditions of a confirmation, and previews.

use std::{
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use candor::{
    Ask, Call, FormAnswer, Revision, Server, StartError, State, mcp_tool,
    testing::{Answer, ClientBuilder, ElicitAction, FilledForm},
    tools,
};
use candor_tests::capability_client::CapabilityClient;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

/// A size.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Size {
    Small,
    Large,
}

/// An order.
#[derive(Deserialize, JsonSchema)]
struct Order {
    /// The size.
    size: Size,
    /// The number of pieces.
    #[schemars(range(min = 1, max = 10))]
    pieces: Option<u8>,
}

/// Take an order.
#[mcp_tool(additive, closed_world, public)]
fn order(call: &Call) -> Result<String, Ask> {
    match call.filled::<Order>() {
        FormAnswer::Filled(order) => Ok(format!("{:?} {:?}", order.size, order.pieces)),
        FormAnswer::Declined => Ok("declined".to_owned()),
        FormAnswer::Cancelled => Ok("cancelled".to_owned()),
        FormAnswer::NotAsked => Err(Ask::form_of::<Order>("What do you want?")),
        FormAnswer::Invalid => Ok("invalid".to_owned()),
    }
}

#[tokio::test]
async fn typed_form_tells_filled_declined_and_dismissed_apart() {
    for revision in Revision::ALL {
        for (answer, expected) in [
            (FilledForm::Filled(json!({"size": "large", "pieces": 3})), "Large Some(3)"),
            (FilledForm::Filled(json!({"size": "small"})), "Small None"),
            (FilledForm::Filled(json!({"size": "huge"})), "invalid"),
            (FilledForm::Declined, "declined"),
            (FilledForm::Cancelled, "cancelled"),
        ] {
            let service = Server::new("s", "1").unaudited().tools(tools![order]).build().unwrap();
            let forms = Arc::new(Mutex::new(Vec::new()));
            let (seen, reply) = (Arc::clone(&forms), answer.clone());
            let client = ClientBuilder::new().on_fields(move |question, schema| {
                seen.lock().unwrap().push((question.to_owned(), schema.clone()));
                reply.clone()
            });
            let client = client.to(service, revision).await;
            assert_eq!(
                client.call("order", json!({})).await.unwrap().text(),
                expected,
                "{revision} {answer:?}"
            );
            let forms = forms.lock().unwrap();
            let [(question, schema)] = forms.as_slice() else { panic!("{forms:?}") };
            assert_eq!(question, "What do you want?");
            assert_eq!(schema["properties"]["size"]["enum"], json!(["small", "large"]), "{schema}");
            assert_eq!(schema["properties"]["pieces"]["maximum"], 10, "{schema}");
            assert_eq!(schema["required"], json!(["size"]));
        }
    }
}

#[tokio::test]
async fn form_that_the_client_fails_to_show_is_dismissed() {
    let server = Server::new("s", "1").unaudited().tools(tools![order]);
    let elicits = json!({"elicitation": {}});
    let mut client = CapabilityClient::connect(server.build().unwrap(), Revision::V2025_11_25, elicits).await;
    let question = client.call("order", json!({})).await;
    assert_eq!(question["method"], "elicitation/create", "{question}");
    let failed =
        json!({"jsonrpc": "2.0", "id": question["id"], "error": {"code": -32603, "message": "no window"}});
    let answer = client.connection.exchange(failed.to_string()).await;
    assert_eq!(answer["result"]["content"][0]["text"], "cancelled", "{answer}");
}

/// Counts the runs of each tool.
#[derive(State)]
struct App {
    runs: Arc<AtomicUsize>,
}

/// Delete files of a folder.
#[mcp_tool(
    destructive,
    idempotent,
    closed_world,
    public,
    confirm = when(dry_run = false),
    preview = plan_delete
)]
fn delete(
    runs: &Arc<AtomicUsize>,
    /// The folder.
    #[param(max_len = 80)]
    folder: &str,
    /// Only say what would be deleted.
    #[param(default = true)]
    dry_run: bool,
) -> String {
    runs.fetch_add(1, Ordering::SeqCst);
    format!("{folder} {dry_run}")
}

/// List the files that would be deleted.
#[mcp_tool(read_only, closed_world, public)]
fn plan_delete(
    /// The folder.
    folder: &str,
) -> Result<String, String> {
    match folder {
        "missing" => Err("there is no such folder".to_owned()),
        "writes" => {
            std::fs::write("/tmp/candor-preview", "x").map(|()| String::new()).map_err(|e| e.to_string())
        }
        folder => Ok(format!("{folder}/a\n{folder}/`b`\n")),
    }
}

/// Delete with an optional switch.
#[mcp_tool(destructive, idempotent, closed_world, public, confirm = when(level = 2))]
fn level(
    /// The level.
    level: Option<f64>,
) -> String {
    format!("{level:?}")
}

/// Calls a tool of a server with these tools. Returns its answer and the questions of the call.
async fn asked(
    configure: impl FnOnce(Server<App>) -> Server<App>,
    tool: &str,
    arguments: Value,
    revision: Revision,
) -> (Answer, Vec<String>) {
    let server = Server::new("s", "1").unaudited().state(App { runs: Arc::default() });
    let service = configure(server.tools(tools![delete, level])).build().unwrap();
    let questions = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&questions);
    let client = ClientBuilder::new().on_confirm(move |question| {
        seen.lock().unwrap().push(question.to_owned());
        ElicitAction::Accept
    });
    let answer = client.to(service, revision).await.call(tool, arguments).await.unwrap();
    let questions = questions.lock().unwrap().clone();
    (answer, questions)
}

#[tokio::test]
async fn condition_decides_whether_a_call_is_confirmed() {
    for revision in Revision::ALL {
        for (tool, arguments, is_asked) in [
            ("delete", json!({"folder": "f", "dry_run": false}), true),
            ("delete", json!({"folder": "f", "dry_run": true}), false),
            // The default is a value like any other.
            ("delete", json!({"folder": "f"}), false),
            ("level", json!({"level": 2}), true),
            ("level", json!({"level": 2.0}), true),
            ("level", json!({"level": 3}), false),
            // Only the handler knows what an omitted parameter means.
            ("level", json!({}), true),
        ] {
            let (answer, questions) = asked(|server| server, tool, arguments.clone(), revision).await;
            assert!(!answer.is_error, "{answer:?}");
            assert_eq!(questions.len(), usize::from(is_asked), "{revision} {tool} {arguments}");
        }
    }
}

#[tokio::test]
async fn preview_is_shown_in_the_question() {
    for revision in Revision::ALL {
        let arguments = json!({"folder": "f", "dry_run": false});
        let (answer, questions) = asked(|server| server, "delete", arguments, revision).await;
        assert_eq!(answer.text(), "f false");
        assert_eq!(
            questions,
            [
                "Allow `delete`? Delete files of a folder.\nIt may change or remove what is there; repeating it changes nothing more.\n\n- `folder`: `\"f\"`\n- `dry_run`: `false`\n\nPreview:\n\n- `f/a`\n- `f/⟨backtick⟩b⟨backtick⟩`"
            ],
            "{revision}"
        );
    }
}

#[tokio::test]
async fn preview_that_fails_refuses_the_call_without_a_question() {
    for (folder, expected) in [("missing", "there is no such folder"), ("writes", "denied")] {
        let arguments = json!({"folder": folder, "dry_run": false});
        let (answer, questions) = asked(|server| server, "delete", arguments, Revision::V2026_07_28).await;
        if folder == "writes" && !answer.is_error {
            // This machine has no Landlock.
            continue;
        }
        assert!(answer.is_error && answer.text().contains(expected), "{answer:?}");
        assert_eq!(questions, [""; 0]);
    }
}

/// Delete files of a folder, by its number.
#[mcp_tool(destructive, idempotent, closed_world, public, preview = plan_delete)]
fn delete_by_number(
    /// The number.
    number: u32,
) {
    let _ = number;
}

#[test]
fn preview_with_a_parameter_of_its_own_is_a_start_error() {
    let error =
        Server::new("s", "1").unaudited().tools(tools![delete_by_number]).build().map(drop).unwrap_err();
    assert_eq!(
        error.to_string(),
        "preview `plan_delete` takes `folder`, which tool `delete_by_number` does not have\nnote: a preview runs with the arguments of the call that it shows\nhelp: give tool `delete_by_number` the parameter, or remove it from `plan_delete`"
    );
}

#[tokio::test]
async fn yes_skips_the_confirmation_of_one_tool() {
    let arguments = || json!({"folder": "f", "dry_run": false});
    let (answer, questions) =
        asked(|server| server.yes("delete"), "delete", arguments(), Revision::V2026_07_28).await;
    assert_eq!((answer.text(), questions.len()), ("f false".to_owned(), 0));
    let (_, questions) =
        asked(|server| server.yes("level"), "delete", arguments(), Revision::V2026_07_28).await;
    assert_eq!(questions.len(), 1);
    let server = Server::new("s", "1").unaudited().tools(tools![order]).yes("odrer");
    assert_eq!(server.build().map(drop), Err(StartError::UnknownTool("odrer".to_owned())));
}

fn fixture(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_fixture"))
        .args(arguments)
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn yes_on_the_command_line_names_tools() {
    let (code, stdout, stderr) = fixture(&["call", "forget", "what=it", "--yes", "forget"]);
    assert_eq!((code, &*stdout), (Some(0), "forgot it\n"), "{stderr}");
    let (code, _, stderr) = fixture(&["call", "forget", "what=it", "--yes", "add"]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("add `--yes forget` to this command"), "{stderr}");
    let (code, _, stderr) = fixture(&["serve", "--yes", "forgt"]);
    assert_eq!(
        (code, &*stderr),
        (Some(2), "error: no tool is called `forgt`\nhelp: name a tool that this server has after `--yes`\n")
    );
    let (_, _, stderr) = fixture(&["serve", "--yes", "forget"]);
    assert!(stderr.contains("  calls run without confirmation: forget\n"), "{stderr}");
}

#[test]
fn manifest_says_when_a_call_is_confirmed() {
    let server = Server::new("s", "1").unaudited().state(App { runs: Arc::default() });
    let manifest: Value =
        serde_json::from_str(&server.tools(tools![delete, level]).manifest().unwrap()).unwrap();
    assert_eq!(manifest["tools"][0]["confirm"], "when(dry_run = false)");
    assert_eq!(manifest["tools"][1]["confirm"], "when(level = 2)");
}
