//! Keeps a signed log in small segments, which the server `ledger` writes and prunes at a time of the test's choice.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value;

use crate::{
    forged_log,
    log::{self, segment},
};

/// A signed log in small segments. Each call on the command line is a process of its own.
pub struct TestLog {
    program: &'static str,
    folder: tempfile::TempDir,
    /// The folder of the log.
    pub log: PathBuf,
}

impl TestLog {
    /// Creates a log of this many calls. `program` is the path of `ledger`.
    pub fn new(program: &'static str, calls: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = Self { program, log: folder.path().join("log"), folder };
        assert_eq!(log.run(&["audit", "key", "new"], &[]).status.code(), Some(0));
        for n in 0..calls {
            log.call(n);
        }
        log
    }

    /// Runs a call on the command line.
    pub fn call(&self, n: u32) {
        let output = self.run(&["call", "enter", &format!("n={n}")], &[]);
        assert!(output.status.success(), "{}", text(&output.stderr));
    }

    /// Returns a command with these arguments and environment variables.
    pub fn command(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Command {
        let mut command = Command::new(self.program);
        command.args(arguments).env("LEDGER_LOG", &self.log).env("LEDGER_SEGMENT", "2000");
        command.envs(variables.iter().copied()).stdin(Stdio::null());
        command
    }

    /// Runs such a command.
    pub fn run(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
        self.command(arguments, variables).output().expect("it runs")
    }

    /// Runs `audit prune` with a clock that is ahead by this many days.
    pub fn prune(&self, days: i32, variables: &[(&str, &str)]) -> Output {
        let days = days.to_string();
        let variables: Vec<_> = variables.iter().copied().chain([("LEDGER_DAYS", &*days)]).collect();
        self.run(&["audit", "prune", "--older-than", "90d"], &variables)
    }

    /// Runs `audit prune`, which must succeed, and returns its output.
    pub fn pruned(&self, days: i32) -> String {
        let output = self.prune(days, &[]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        text(&output.stdout)
    }

    /// Runs `audit verify`.
    pub fn verified(&self) -> (Option<i32>, Value) {
        log::verified(self.program, &self.log, &[])
    }

    /// Checks that the log is intact, and returns the report.
    pub fn intact(&self) -> Value {
        let (code, report) = self.verified();
        assert_eq!(code, Some(0), "{report}");
        report
    }

    /// Checks that a change is found, and that one of the findings says this.
    pub fn detects(&self, says: &str) {
        let (code, report) = self.verified();
        let findings = report["findings"].as_array().unwrap();
        let found = findings.iter().any(|finding| finding["what"].as_str().unwrap().contains(says));
        assert!(code == Some(1) && found, "{says}: {report}");
    }

    /// Returns the numbers of the segments that exist.
    pub fn segments(&self) -> Vec<u32> {
        segments(&self.log)
    }

    /// Copies the log, its keys and what is kept beside them.
    pub fn copy(&self) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let output = Command::new("cp").arg("-a").arg(self.folder.path()).arg(folder.path()).output();
        assert!(output.unwrap().status.success());
        let log = folder.path().join(self.folder.path().file_name().unwrap()).join("log");
        Self { program: self.program, folder, log }
    }

    /// Replaces text in the last segment and computes its chain again, as a person without the key can.
    pub fn forge(&self, forge: impl Fn(&str) -> String) {
        let path = segment(&self.log, *self.segments().last().unwrap());
        let text = fs::read_to_string(&path).unwrap();
        let record: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        let mut prev = [0; 32];
        for (at, byte) in prev.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&record["prev"].as_str().unwrap()[2 * at..2 * at + 2], 16).unwrap();
        }
        let lines = text.lines().map(|line| {
            let body = line.split_once(",\"prev\":").unwrap().0;
            forged_log::record(&mut prev, &forge(body))
        });
        let lines: String = lines.collect();
        assert_ne!(lines, text, "something is forged");
        fs::write(path, lines).unwrap();
    }

    /// The note of the last removal, as the last segment holds it.
    pub fn note(&self) -> String {
        let path = segment(&self.log, *self.segments().last().unwrap());
        let text = fs::read_to_string(path).unwrap();
        let start = text.find(",\"removed\":\"").unwrap() + 12;
        text[start..].split('"').next().unwrap().to_owned()
    }
}

/// Returns output as text.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Returns the numbers of the segments that exist.
pub fn segments(log: &Path) -> Vec<u32> {
    (1..1_000).filter(|number| segment(log, *number).exists()).collect()
}
