//! A server's report of its sandboxes, in each setting: the manifest, `doctor` and stderr agree.

use std::process::{Command, Output};

use landlock::{AccessFs, Ruleset, RulesetAttr as _};
use serde_json::{Value, json};

fn sandboxes(setting: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sandboxes"));
    command.args(arguments).env("SANDBOXES", setting).stdin(std::process::Stdio::null());
    command.output().unwrap()
}

/// The manifest, the output of `doctor`, and stderr at the start.
struct Report {
    manifest: Value,
    doctor: String,
    start: String,
}

impl Report {
    fn with(setting: &str) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self {
            manifest: serde_json::from_slice(&sandboxes(setting, &["manifest"]).stdout).unwrap(),
            doctor: text(sandboxes(setting, &["doctor"]).stdout),
            start: text(sandboxes(setting, &["serve"]).stderr),
        }
    }

    fn enforced(&self, tool: &str, word: &str) -> Value {
        let tools = self.manifest["tools"].as_array().unwrap();
        let tool = tools.iter().find(|listed| listed["name"] == tool).unwrap();
        tool["enforced_by"][word].clone()
    }

    /// Checks the manifest, for both words of `tool`.
    fn assert_both(&self, tool: &str, by: &Value) {
        for word in ["read_only", "closed_world"] {
            assert_eq!(self.enforced(tool, word), *by, "{tool} {word}");
        }
    }

    /// Checks a line on stderr, and lines of `doctor`.
    fn assert_lines(&self, start: &str, doctor: &[&str]) {
        assert!(self.start.contains(&format!("\n  {start}\n")), "{}", self.start);
        for line in doctor {
            assert!(self.doctor.contains(&format!("\n  {line}\n")), "{line} in {}", self.doctor);
        }
    }
}

fn kernel() -> Value {
    json!(["compiler", "kernel"])
}

#[test]
fn default_sandbox_enforces_both_words() {
    let report = Report::with("");
    report.assert_both("look", &kernel());
    assert_eq!(report.enforced("put", "additive"), json!([]));
    report.assert_lines(
        "the kernel enforces read_only and closed_world",
        &["read_only        enforced", "closed_world     enforced"],
    );
    assert!(report.doctor.contains("read_only        by the compiler and the kernel"), "{}", report.doctor);
    assert!(sandboxes("required", &["serve"]).status.success());
}

#[test]
fn sandbox_off_is_reported_as_enforced_by_the_compiler_alone() {
    for setting in ["off", "off scratch=/nowhere port=5432"] {
        let report = Report::with(setting);
        report.assert_both("look", &json!(["compiler"]));
        report.assert_lines(
            "the kernel enforces nothing; not read_only: the server turned it off (`Sandbox::Off`); not closed_world: the server turned it off (`Sandbox::Off`)",
            &[
                "read_only        not enforced: the server turned it off (`Sandbox::Off`)",
                "closed_world     not enforced: the server turned it off (`Sandbox::Off`)",
            ],
        );
        assert!(!report.doctor.contains("the kernel   "), "{}", report.doctor);
    }
}

#[test]
fn unsandboxed_tool_is_reported_with_its_reason() {
    let report = Report::with("unsandboxed");
    report.assert_both("look", &kernel());
    report.assert_both("look_unsandboxed", &json!(["compiler"]));
    report.assert_lines(
        "the kernel enforces read_only and closed_world; not for tools declared `unsandboxed`: look_unsandboxed",
        &["read_only        enforced", "`look_unsandboxed` is not sandboxed: it keeps a cache on disk"],
    );
    let by = report.doctor.lines().filter(|line| line.starts_with("  read_only        by the "));
    let by: Vec<_> = by.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(by, ["read_only by the compiler 1 tool", "read_only by the compiler and the kernel 1 tool"]);
    let tools = report.manifest["tools"].as_array().unwrap();
    let open = tools.iter().find(|tool| tool["name"] == "look_unsandboxed").unwrap();
    assert_eq!(open["unsandboxed"], "it keeps a cache on disk");
}

#[test]
fn scratch_folders_and_ports_are_reported() {
    let report = Report::with("scratch=/tmp port=5432 port=6379");
    report.assert_both("look", &kernel());
    report.assert_lines(
        "the kernel enforces read_only and closed_world; read_only but for files in /tmp and the modes and times of all; closed_world but for TCP to ports 5432, 6379",
        &[
            "read_only        enforced but for files in /tmp and the modes and times of all",
            "closed_world     enforced but for TCP to ports 5432, 6379",
        ],
    );
}

#[test]
fn missing_scratch_folder_is_a_start_error() {
    let ended = sandboxes("scratch=/nowhere", &["serve"]);
    let stderr = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(2), "{stderr}");
    assert!(stderr.starts_with("error: the scratch folder `/nowhere` is not a folder\nhelp: "), "{stderr}");
}

#[test]
fn file_that_is_open_for_writing_is_named_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let [path, answers] = ["log", "answers"].map(|name| folder.path().join(name));
    std::fs::write(&path, "").unwrap();
    let start = |setting: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sandboxes"));
        command.arg("serve").env("SANDBOXES", setting).stdin(std::process::Stdio::null());
        // The protocol's own file is not a danger that an author can remove.
        let output = command.stdout(std::fs::File::create(&answers).unwrap()).output().unwrap();
        String::from_utf8(output.stderr).unwrap()
    };
    let open = |path: &std::path::Path| {
        let path = path.display();
        format!("  `{path}` is open for writing: no sandbox keeps a `read_only` tool from writing to it\n")
    };
    let stderr = start(&format!("open={}", path.display()));
    assert!(stderr.contains(&open(&path)) && !stderr.contains("answers"), "{stderr}");
    for setting in ["", "off open=LOG"] {
        let stderr = start(&setting.replace("LOG", path.to_str().unwrap()));
        assert!(!stderr.contains("open for writing"), "{stderr}");
    }
}

/// Runs `work` on a thread to which the kernel adds no further Landlock rules: sixteen layers are its limit.
fn without_landlock<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let exhaust = || {
        for _ in 0..16 {
            let rules = Ruleset::default().handle_access(AccessFs::MakeChar).unwrap().create().unwrap();
            rules.restrict_self().unwrap();
        }
        work()
    };
    std::thread::scope(|scope| scope.spawn(exhaust).join().unwrap())
}

#[test]
fn kernel_without_landlock_is_reported() {
    let report = without_landlock(|| Report::with(""));
    assert_eq!(report.enforced("look", "read_only"), json!(["compiler"]));
    assert_eq!(report.enforced("look", "closed_world"), kernel());
    assert!(
        report.start.contains("the kernel enforces closed_world; not read_only: no Landlock: "),
        "{}",
        report.start
    );
    assert!(report.doctor.contains("read_only        not enforced: no Landlock: "), "{}", report.doctor);
}

#[test]
fn required_sandbox_without_landlock_is_a_start_error() {
    let ended = without_landlock(|| sandboxes("required", &["serve"]));
    let stderr = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(2), "{stderr}");
    let first =
        "error: tool `look` is declared `read_only`, and this machine cannot enforce it\nnote: no Landlock: ";
    assert!(stderr.starts_with(first), "{stderr}");
}

#[test]
fn doctor_warns_of_integers_that_javascript_rounds() {
    let warning = "warning: integers beyond 2^53 in schemas";
    let report = Report::with("warnings");
    assert!(report.doctor.contains(warning), "{}", report.doctor);
    let place = "`count`: inputSchema.properties.to.maximum\n";
    assert!(report.doctor.contains(place), "the type's own bounds are not named: {}", report.doctor);
    assert!(!Report::with("").doctor.contains(warning));
}

#[test]
fn doctor_warns_of_fields_without_a_description() {
    let report = Report::with("warnings").doctor;
    let (_, fields) =
        report.split_once("warning: fields of parameters without a description").expect(&report);
    assert!(fields.contains("\n  Step.unit\n"), "{report}");
    assert!(!Report::with("").doctor.contains("warning: fields"));
}
