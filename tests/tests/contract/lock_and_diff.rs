//! The commands `lock`, `check` and `diff`, and the digest of a definition, on a server whose contract changes.

use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
};

use candor::{
    Revision, Server, mcp_tool,
    testing::{Client, assert_locked},
    tools,
};
use candor_tests::http::HttpServer;
use serde_json::{Value, json};

/// Runs the server with the contract `variant` in `folder`.
fn run_as(version: &str, variant: &str, folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output: Output = command(variant)
        .env("CONTRACT_VERSION", version)
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn run(variant: &str, folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    run_as("1.2.0", variant, folder, arguments)
}

fn command(variant: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_contract"));
    command.env("CONTRACT", variant);
    command
}

/// A folder with the lock of the contract `base`.
fn locked() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(run("base", folder.path(), &["lock", "--write"]), (0, String::new(), String::new()));
    folder
}

fn read(folder: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(folder.join("tools.lock.json")).unwrap()).unwrap()
}

fn write(folder: &Path, lock: &str) {
    fs::write(folder.join("tools.lock.json"), lock).unwrap();
}

#[test]
fn check_accepts_the_lock_that_lock_wrote_in_any_form() {
    let folder = locked();
    let printed = run("base", folder.path(), &["lock"]).1;
    assert_eq!(printed, fs::read_to_string(folder.path().join("tools.lock.json")).unwrap());
    assert_eq!(run("base", folder.path(), &["check"]).0, 0);
    write(folder.path(), &printed.replace('\n', "\r\n"));
    assert_eq!(run("base", folder.path(), &["check"]).0, 0, "line ends of Windows");
    write(folder.path(), &read(folder.path()).to_string());
    assert_eq!(run("base", folder.path(), &["check"]).0, 0, "no white space");
    let (code, report, _) = run("base", folder.path(), &["diff", "--base", "tools.lock.json"]);
    assert_eq!(code, 0);
    assert!(report.ends_with("\nno changes\n"), "{report}");
}

#[test]
fn check_names_the_changes_and_the_command_that_writes_the_lock() {
    let folder = locked();
    let (code, stdout, stderr) = run("narrower", folder.path(), &["check"]);
    assert_eq!((code, &*stdout), (1, ""));
    for part in [
        "breaking input-range-narrowed get_price.input.symbol.maxLength",
        "lock --write --file tools.lock.json",
    ] {
        assert!(stderr.contains(part), "{stderr}");
    }
    let (code, _, stderr) = run_as("1.3.0", "base", folder.path(), &["check"]);
    assert_eq!(code, 1);
    assert!(stderr.contains("of version 1.2.0, and this is version 1.3.0"), "{stderr}");
    let (code, _, stderr) = run("base", folder.path(), &["check", "--file", "missing.json"]);
    assert_eq!(code, 2);
    assert!(stderr.contains("help: write it with `lock --write --file missing.json`"), "{stderr}");
}

#[test]
fn diff_exits_with_1_for_a_change_that_breaks_callers_and_names_the_version_that_it_needs() {
    let folder = locked();
    let (code, report, _) = run("narrower", folder.path(), &["diff", "--base", "tools.lock.json"]);
    assert_eq!(code, 1);
    for part in [
        "breaking: 1\n  get_price.input.symbol.maxLength\n    a range is narrower (was `unbounded`, is 5): ",
        "input-range-narrowed, to approve: ",
        "version: the changes need a major version; both have 1.2.0",
    ] {
        assert!(report.contains(part), "{report}");
    }
    let (code, report, _) = run_as("2.0.0", "fewer", folder.path(), &["diff", "--base", "tools.lock.json"]);
    assert_eq!(code, 1);
    assert!(report.contains("  get_price\n    the tool was removed: "), "{report}");
    assert!(report.contains("from 1.2.0 to 2.0.0 is a major version"), "{report}");
}

#[test]
fn diff_of_a_lock_and_its_head_needs_no_program() {
    let folder = locked();
    let (_, narrower, _) = run("narrower", folder.path(), &["lock"]);
    fs::write(folder.path().join("narrower.json"), narrower).unwrap();
    let forth = run("base", folder.path(), &["diff", "--base", "tools.lock.json", "--head", "narrower.json"]);
    assert_eq!(forth.0, 1, "{}", forth.1);
    let back = run("base", folder.path(), &["diff", "--base", "narrower.json", "--head", "tools.lock.json"]);
    assert_eq!(back.0, 0, "{}", back.1);
    assert!(back.1.contains("input-range-widened"), "{}", back.1);
}

#[test]
fn approved_change_is_no_longer_a_finding_until_the_next_release() {
    let folder = locked();
    let json = |version, arguments: &[&str]| {
        let all = [&["diff", "--base", "tools.lock.json", "--format", "json"], arguments].concat();
        let (code, report, stderr) = run_as(version, "reworded", folder.path(), &all);
        (code, serde_json::from_str::<Value>(&report).unwrap_or_default(), stderr)
    };
    let (code, report, _) = json("1.2.0", &[]);
    assert_eq!(
        (code, &report["verdict"], &report["changes"][0]["rule"]),
        (1, &json!("findings"), &json!("description-changed"))
    );
    let fingerprint = report["changes"][0]["fingerprint"].as_str().unwrap();

    let (code, _, stderr) = json("1.2.0", &["--approve", "0000", "--reason", "why"]);
    assert_eq!(code, 2);
    assert!(stderr.contains("no change has the fingerprint `0000`"), "{stderr}");
    assert_eq!(json("1.2.0", &["--approve", fingerprint]).0, 2, "an approval has a reason");

    let (code, report, _) = json("1.2.0", &["--approve", fingerprint, "--reason", "clearer"]);
    assert_eq!((code, &report["verdict"]), (0, &json!("compatible")));
    assert_eq!(json("1.3.0", &[]).0, 0, "it holds until the lock of the next release is the base");
    let file = fs::read_to_string(folder.path().join("tools.lock.approvals.json")).unwrap();
    assert!(file.contains("clearer") && file.contains("get_price"), "{file}");

    // The next release has the first contract again, so that the same change is compared with a later version.
    assert_eq!(run_as("1.3.0", "base", folder.path(), &["lock", "--write"]).0, 0);
    let (code, report, _) = json("1.3.0", &[]);
    assert_eq!((code, &report["changes"][0]["approved"]), (1, &json!(false)));
    let text = run_as("1.3.0", "reworded", folder.path(), &["diff", "--base", "tools.lock.json"]).1;
    assert!(text.contains("1 approvals are from before 1.3.0"), "{text}");

    fs::write(folder.path().join("tools.lock.approvals.json"), "{").unwrap();
    let (code, _, stderr) = json("1.3.0", &[]);
    assert_eq!(code, 2);
    assert!(stderr.contains("the approvals in tools.lock.approvals.json cannot be read"), "{stderr}");
}

#[test]
fn lock_that_cannot_be_used_is_a_finding_in_every_format_and_never_equality() {
    let folder = locked();
    let lock = read(folder.path());
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut lock = lock.clone();
        change(&mut lock);
        lock.to_string()
    };
    let cases = [
        ("lock-not-json", "<<<<<<< HEAD".to_owned()),
        ("lock-not-json", String::new()),
        ("lock-malformed", "[]".to_owned()),
        ("lock-malformed", "{}".to_owned()),
        ("lock-malformed", changed(&|lock| lock["tools"] = json!({}))),
        ("lock-malformed", changed(&|lock| lock["tools"][0] = json!({}))),
        ("lock-malformed", changed(&|lock| lock["tools"][0] = lock["tools"][1].clone())),
        ("lock-malformed", changed(&|lock| lock["lock_format"] = json!("1"))),
        ("lock-of-newer-format", changed(&|lock| lock["lock_format"] = json!(2))),
        ("lock-of-another-server", changed(&|lock| lock["server"]["name"] = json!("other"))),
        ("lock-edited", changed(&|lock| lock["tools"][0]["definition"]["scopes"] = json!(["admin"]))),
    ];
    for (id, text) in cases {
        write(folder.path(), &text);
        for format in ["text", "json", "junit", "sarif", "changelog"] {
            let (code, report, _) =
                run("base", folder.path(), &["diff", "--base", "tools.lock.json", "--format", format]);
            assert_eq!(code, 2, "{id}, {format}: {report}");
            assert!(!report.contains("no changes"), "{id}, {format}: {report}");
            let has_id = format == "changelog" || report.contains(id);
            assert!(has_id && !report.trim().is_empty(), "{id}, {format}: {report}");
        }
        let (code, _, stderr) = run("base", folder.path(), &["check"]);
        assert_eq!(code, 2, "{id}: {stderr}");
    }
    for base in ["missing.lock.json", "no-such-revision", "--upload-pack=x", ""] {
        let base = format!("--base={base}");
        let (code, report, _) = run("base", folder.path(), &["diff", &base, "--format", "json"]);
        let report: Value = serde_json::from_str(&report).unwrap();
        assert_eq!((code, &report["error"]["id"]), (2, &json!("lock-unreadable")), "{base}");
    }
}

#[test]
fn reports_for_programs_hold_every_change() {
    let folder = locked();
    let report =
        |format| run("narrower", folder.path(), &["diff", "--base", "tools.lock.json", "--format", format]).1;
    let json: Value = serde_json::from_str(&report("json")).unwrap();
    assert_eq!(json["bump"], json!({"needed": "major", "made": "none"}));
    let change = &json["changes"][0];
    assert_eq!(
        [&change["class"], &change["tool"], &change["place"]],
        [&json!("breaking"), &json!("get_price"), &json!("input.symbol.maxLength")]
    );

    let sarif: Value = serde_json::from_str(&report("sarif")).unwrap();
    let (run, result) = (&sarif["runs"][0], &sarif["runs"][0]["results"][0]);
    assert_eq!((&sarif["version"], &result["level"]), (&json!("2.1.0"), &json!("error")));
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    assert!(rules.iter().any(|rule| rule["id"] == result["ruleId"]), "{result}");
    let location = &result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
    assert_eq!(location, "tools.lock.json");

    let junit = report("junit");
    assert!(junit.contains("tests=\"1\" failures=\"1\" errors=\"0\""), "{junit}");
    assert!(junit.contains("<failure type=\"input-range-narrowed\""), "{junit}");

    let changelog = report("changelog");
    assert_eq!(
        changelog,
        "### Changed\n\n- **Breaking:** `get_price.input.symbol.maxLength`: a range is narrower (was `unbounded`, is 5).\n"
    );
}

#[test]
fn diff_reads_the_lock_of_a_git_revision() {
    let folder = locked();
    let git = |arguments: &[&str]| {
        let mut git = Command::new("git");
        git.args(["-c", "user.name=t", "-c", "user.email=t@example.com"]).args(arguments);
        let output = git.current_dir(folder.path()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    git(&["init", "-q"]);
    git(&["add", "tools.lock.json"]);
    git(&["commit", "-q", "-m", "lock"]);
    git(&["tag", "v1.2.0"]);
    assert_eq!(run("narrower", folder.path(), &["lock", "--write"]).0, 0);
    for revision in ["HEAD", "v1.2.0"] {
        let (code, report, _) = run("narrower", folder.path(), &["diff", "--base", revision]);
        assert_eq!(code, 1, "{report}");
        assert!(report.contains(&format!("(revision {revision})")), "{report}");
    }
    // From another folder, by the path of the lock.
    let file = folder.path().join("tools.lock.json");
    let elsewhere = tempfile::tempdir().unwrap();
    let arguments = ["diff", "--base", "HEAD", "--file", file.to_str().unwrap()];
    assert_eq!(run("base", elsewhere.path(), &arguments).0, 0);
    let (code, report, _) = run("base", folder.path(), &["diff", "--base", "HEAD", "--file", "other.json"]);
    assert_eq!(code, 2);
    assert!(report.contains("git revision `HEAD` has no lock other.json"), "{report}");
}

#[tokio::test]
async fn diff_compares_with_a_running_server_of_either_kind_of_revision() {
    let folder = tempfile::tempdir().unwrap();
    for kind in ["base", "older"] {
        let server = HttpServer::start(command(kind), &[]).await;
        let url = format!("http://{}/mcp", server.address);
        let diff = |variant: &'static str| {
            let (folder, url) = (folder.path().to_owned(), url.clone());
            let run = move || run(variant, &folder, &["diff", "--base", &url]);
            tokio::task::spawn_blocking(run)
        };
        let (code, report, _) = diff(kind).await.unwrap();
        // The server hides `list_companies` from callers without its scope.
        assert_eq!(code, 0, "{kind}: {report}");
        assert!(report.contains("minor: 1\n  list_companies\n    the tool was added"), "{kind}: {report}");
        assert!(
            report.contains("not compared, since a running server does not tell them: "),
            "{kind}: {report}"
        );
        let (code, report, _) = diff("narrower").await.unwrap();
        assert_eq!(code, 1, "{kind}: {report}");
        assert!(report.contains("get_price.input.symbol.maxLength"), "{kind}: {report}");
        let (code, report, _) = diff("another").await.unwrap();
        assert_eq!(code, 2, "{kind}: {report}");
        assert!(report.contains("lock-of-another-server"), "{kind}: {report}");
        let other_path = ["diff", "--base", &format!("http://{}/other", server.address)].map(str::to_owned);
        let folder = folder.path().to_owned();
        let other = move || run("base", &folder, &other_path.each_ref().map(String::as_str));
        let (code, report, _) = tokio::task::spawn_blocking(other).await.unwrap();
        assert_eq!(code, 2, "{kind}: {report}");
        assert!(report.contains("server-unreachable"), "{kind}: {report}");
    }
}

/// Count to ten.
#[mcp_tool(read_only, closed_world, public)]
fn count_up() -> Vec<u8> {
    (1..=10).collect()
}

/// Forget a number.
#[mcp_tool(destructive, idempotent, closed_world, scope = "write:numbers", idempotency_key = "required")]
fn forget(
    /// The number.
    number: u64,
) {
    let _ = number;
}

fn numbers() -> Server {
    Server::new("numbers", "1.0.0").tools(tools![count_up, forget])
}

#[tokio::test]
async fn list_of_tools_has_the_digests_of_the_lock_under_every_revision() {
    let server = || numbers().idempotency_argument();
    let lock: Value = serde_json::from_str(&server().lock().unwrap()).unwrap();
    for revision in [Revision::V2025_06_18, Revision::V2025_11_25, Revision::V2026_07_28] {
        let keys = candor::KeyStore::memory().accept_loss();
        let service = server().unaudited().idempotency(keys).build().unwrap().grant("write:numbers");
        let tools = Client::to(service, revision).await.tools().await.unwrap();
        assert_eq!(tools.len(), 2);
        for tool in tools {
            let locked = lock["tools"].as_array().unwrap();
            let locked = locked.iter().find(|locked| locked["definition"]["name"] == tool["name"]).unwrap();
            let digest = &tool["_meta"]["io.github.candor-mcp/definition-digest"];
            assert_eq!(digest, &locked["digest"], "{}", tool["name"]);
            assert!(digest.as_str().unwrap().starts_with("sha256:"));
        }
    }
}

#[test]
fn assert_locked_fails_with_the_changes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("numbers.lock.json");
    let path = path.to_str().unwrap();
    fs::write(path, numbers().lock().unwrap()).unwrap();
    assert_locked!(numbers(), path);
    let fewer = std::panic::catch_unwind(|| {
        assert_locked!(Server::new("numbers", "1.0.0").tools(tools![count_up]), path);
    });
    let message = fewer.unwrap_err().downcast::<String>().unwrap();
    assert!(message.contains("breaking tool-removed forget: the tool was removed"), "{message}");
    let missing = std::panic::catch_unwind(|| assert_locked!(numbers()));
    let message = missing.unwrap_err().downcast::<String>().unwrap();
    assert!(message.contains("tools.lock.json cannot be read"), "{message}");
}
