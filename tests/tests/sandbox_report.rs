//! What a server says of its sandboxes, in each setting: the manifest, `doctor` and stderr tell the same truth.
#![cfg(target_os = "linux")]

use std::process::{Command, Output};

use landlock::{AccessFs, Ruleset, RulesetAttr as _};
use serde_json::{Value, json};

fn sandboxes(setting: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sandboxes"));
    command.args(arguments).env("SANDBOXES", setting).stdin(std::process::Stdio::null());
    command.output().unwrap()
}

/// What the manifest, `doctor` and stderr say.
struct Said {
    manifest: Value,
    doctor: String,
    start: String,
}

impl Said {
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

    /// The manifest, for both words of `tool`.
    fn both(&self, tool: &str, by: &Value) {
        for word in ["read_only", "closed_world"] {
            assert_eq!(self.enforced(tool, word), *by, "{tool} {word}");
        }
    }

    /// A line on stderr, and lines of `doctor`.
    fn says(&self, start: &str, doctor: &[&str]) {
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
fn by_default_the_kernel_enforces_both() {
    let said = Said::with("");
    said.both("look", &kernel());
    assert_eq!(said.enforced("put", "additive"), json!([]));
    said.says(
        "the kernel enforces read_only and closed_world",
        &["read_only        enforced", "closed_world     enforced"],
    );
    assert!(said.doctor.contains("read_only        by the compiler and the kernel"), "{}", said.doctor);
    assert!(sandboxes("required", &["serve"]).status.success());
}

#[test]
fn with_the_sandbox_off_only_the_compiler_enforces() {
    for setting in ["off", "off scratch=/nowhere port=5432"] {
        let said = Said::with(setting);
        said.both("look", &json!(["compiler"]));
        said.says(
            "the kernel enforces nothing; not read_only: the server turned it off (`Sandbox::Off`); not closed_world: the server turned it off (`Sandbox::Off`)",
            &[
                "read_only        not enforced: the server turned it off (`Sandbox::Off`)",
                "closed_world     not enforced: the server turned it off (`Sandbox::Off`)",
            ],
        );
        assert!(!said.doctor.contains("the kernel   "), "{}", said.doctor);
    }
}

#[test]
fn an_unsandboxed_tool_is_named_with_its_reason() {
    let said = Said::with("unsandboxed");
    said.both("look", &kernel());
    said.both("look_openly", &json!(["compiler"]));
    said.says(
        "the kernel enforces read_only and closed_world; not for what is declared `unsandboxed`: look_openly",
        &["read_only        enforced", "not for `look_openly`: it keeps a cache on disk"],
    );
    let by = said.doctor.lines().filter(|line| line.starts_with("  read_only        by the "));
    let by: Vec<_> = by.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(by, ["read_only by the compiler 1 tool", "read_only by the compiler and the kernel 1 tool"]);
    let tools = said.manifest["tools"].as_array().unwrap();
    let open = tools.iter().find(|tool| tool["name"] == "look_openly").unwrap();
    assert_eq!(open["unsandboxed"], "it keeps a cache on disk");
}

#[test]
fn folders_and_ports_that_are_left_open_are_named() {
    let said = Said::with("scratch=/tmp port=5432 port=6379");
    said.both("look", &kernel());
    said.says(
        "the kernel enforces read_only and closed_world; read_only but for files in /tmp and the modes, owners and times of all; closed_world but for TCP to ports 5432, 6379",
        &[
            "read_only        enforced but for files in /tmp and the modes, owners and times of all",
            "closed_world     enforced but for TCP to ports 5432, 6379",
        ],
    );
}

#[test]
fn a_scratch_folder_that_is_not_there_does_not_serve() {
    let ended = sandboxes("scratch=/nowhere", &["serve"]);
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(2), "{said}");
    assert!(said.starts_with("error: the scratch folder `/nowhere` is not a folder\nhelp: "), "{said}");
}

/// Runs `see` on a thread whose kernel takes no further Landlock rules: sixteen are the most that one may have.
fn without_landlock<T: Send>(see: impl FnOnce() -> T + Send) -> T {
    let exhaust = || {
        for _ in 0..16 {
            let rules = Ruleset::default().handle_access(AccessFs::MakeChar).unwrap().create().unwrap();
            rules.restrict_self().unwrap();
        }
        see()
    };
    std::thread::scope(|scope| scope.spawn(exhaust).join().unwrap())
}

#[test]
fn a_kernel_that_cannot_is_told_of() {
    let said = without_landlock(|| Said::with(""));
    assert_eq!(said.enforced("look", "read_only"), json!(["compiler"]));
    assert_eq!(said.enforced("look", "closed_world"), kernel());
    assert!(
        said.start.contains("the kernel enforces closed_world; not read_only: no Landlock: "),
        "{}",
        said.start
    );
    assert!(said.doctor.contains("read_only        not enforced: no Landlock: "), "{}", said.doctor);
}

#[test]
fn where_sandboxes_are_required_a_kernel_that_cannot_does_not_serve() {
    let ended = without_landlock(|| sandboxes("required", &["serve"]));
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(2), "{said}");
    let first =
        "error: tool `look` is declared `read_only`, and this machine cannot enforce it\nnote: no Landlock: ";
    assert!(said.starts_with(first), "{said}");
}
