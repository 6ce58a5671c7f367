//! Measures the weight of a dependency on Candor beside one on bare rmcp with the same transports, on crates of a user's own
//! with the default profiles: `cargo bench -p candor-tests --bench weight`, or one part of it with its name after `--`:
//! `crates`, `dev`, `release`, `rebuild`, `tools`. The ratios that are allowed stand in the report.
//!
//! `dev` and `release` build everything, in a folder that is empty. `rebuild` builds the server of one tool again after its
//! source changed; `tools` builds a crate of 200 tools whose dependencies are built. Each is linked, and measured in CPU time
//! of cargo and the compiler together. `release` also prints the size of the stripped program, and the memory of a server
//! over stdio after its first call. A whole run takes half an hour; `-- --keep` keeps the crates.

mod crates;

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    path::PathBuf,
    process::{Command, Stdio},
    time::Duration,
};

use candor_tests::{
    comparison::measurements::is_benchmark_run,
    messages::{call, initialize},
};
use serde_json::json;

use self::crates::{Side, UserCrate, generate};

const ROUNDS: usize = 5;

fn main() {
    if !is_benchmark_run() {
        return;
    }
    let words: Vec<String> = std::env::args().skip(1).collect();
    let parts: Vec<&String> = words.iter().filter(|word| !word.starts_with('-')).collect();
    let wanted = |part: &str| parts.is_empty() || parts.iter().any(|word| *word == part);
    let root = tempfile::tempdir().expect("a folder");
    let sides = generate(root.path());
    if wanted("crates") {
        report("crates", "", sides.each_ref().map(|side| side.minimal.crates()), &Limit::Value(180.0));
    }
    if wanted("dev") {
        let times = sides.each_ref().map(|side| side.minimal.build_all(&["build"]).as_secs_f64());
        report("cold dev build", "s", times, &Limit::Ratio(1.5));
    }
    if wanted("rebuild") {
        report("rebuild after a change", "s", in_turns(&sides, Side::rebuild), &Limit::Ratio(1.3));
    }
    if wanted("tools") {
        report("200 tools", "s", in_turns(&sides, Side::build_tools), &Limit::Ratio(0.5));
    }
    if wanted("release") {
        let times =
            sides.each_ref().map(|side| side.minimal.build_all(&["build", "--release"]).as_secs_f64());
        report("cold release build", "s", times, &Limit::Ratio(1.5));
        report(
            "stripped program",
            "MB",
            sides.each_ref().map(|side| side.minimal.stripped()),
            &Limit::Ratio(1.6),
        );
        let memory = [sides[0].minimal.memory(&["serve", "--quiet"]), sides[1].minimal.memory(&[])];
        report("memory after a call", "MB", memory, &Limit::None);
    }
    if words.iter().any(|word| word == "--keep") {
        println!("{}", root.keep().display());
    }
}

/// The limit of a value.
enum Limit {
    None,
    /// Candor's value.
    Value(f64),
    /// Candor's value in units of rmcp's.
    Ratio(f64),
}

fn report(subject: &str, unit: &str, [ours, bare]: [f64; 2], limit: &Limit) {
    let limit = match limit {
        Limit::None => String::new(),
        Limit::Value(limit) => format!(" (at most {limit} crates)"),
        Limit::Ratio(limit) => format!(" (at most {limit})"),
    };
    println!(
        "{subject:24} candor: {ours:7.1} {unit:2}   rmcp: {bare:7.1} {unit:2}   ratio: {:.2}{limit}",
        ours / bare
    );
}

/// Returns the median of both sides in seconds. The first build of each is not counted.
fn in_turns(sides: &[Side; 2], build: impl Fn(&Side) -> Duration) -> [f64; 2] {
    let mut times = [Vec::new(), Vec::new()];
    for round in 0..=ROUNDS {
        for at in [round % 2, (round + 1) % 2] {
            let time = build(&sides[at]);
            if round > 0 {
                times[at].push(time);
            }
        }
    }
    times.map(|mut times| {
        times.sort_unstable();
        times[times.len() / 2].as_secs_f64()
    })
}

impl Side {
    fn rebuild(&self) -> Duration {
        self.minimal.change("src/main.rs");
        self.minimal.build(&["build"])
    }

    fn build_tools(&self) -> Duration {
        let package = format!("{}-tools", self.name);
        self.tools.build(&["clean", "--package", &package]);
        self.tools.build(&["build"])
    }
}

impl UserCrate {
    /// Returns the number of crates that are compiled for a program, the program left out.
    #[expect(clippy::cast_precision_loss, reason = "there are few crates")]
    fn crates(&self) -> f64 {
        let arguments = ["tree", "--edges", "normal,build", "--prefix", "none", "--format", "{p}"];
        let output = Command::new(env!("CARGO")).args(arguments).current_dir(&self.folder).output();
        let output = String::from_utf8(output.expect("cargo runs").stdout).expect("text");
        let mut lines: Vec<&str> = output.lines().map(|line| line.trim_end_matches(" (*)")).collect();
        lines.sort_unstable();
        lines.dedup();
        (lines.len() - 1) as f64
    }

    /// Builds the crate and all that it depends on.
    fn build_all(&self, arguments: &[&str]) -> Duration {
        let _ = fs::remove_dir_all(self.folder.join("target"));
        // A dependency from a registry is never built incrementally; here, Candor has a path.
        self.run(self.cargo(arguments).env("CARGO_INCREMENTAL", "0"))
    }

    /// Runs cargo, and returns its CPU time.
    fn build(&self, arguments: &[&str]) -> Duration {
        self.run(&mut self.cargo(arguments))
    }

    fn cargo(&self, arguments: &[&str]) -> Command {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(arguments).args(["--quiet"]).current_dir(&self.folder).stdin(Stdio::null());
        // The variables of the cargo that runs this benchmark are not those of a user.
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CARGO_PROFILE_")) {
            cargo.env_remove(name);
        }
        cargo.env_remove("CARGO_INCREMENTAL").env("CARGO_TARGET_DIR", self.folder.join("target"));
        cargo
    }

    fn run(&self, cargo: &mut Command) -> Duration {
        let before = child_cpu_time();
        let status = cargo.status().expect("cargo runs");
        assert!(status.success(), "{cargo:?} failed in {}", self.folder.display());
        child_cpu_time().saturating_sub(before)
    }

    /// Changes the text that the tool returns.
    fn change(&self, file: &str) {
        let path = self.folder.join(file);
        let text = fs::read_to_string(&path).expect("generated above");
        fs::write(path, text.replacen("Hello, ", "Hello, hello, ", 1)).expect("a file of ours");
    }

    fn program(&self) -> PathBuf {
        self.folder.join("target/release/server")
    }

    /// Returns the size of the program without symbols, in megabytes.
    #[expect(clippy::cast_precision_loss, reason = "a program is small")]
    fn stripped(&self) -> f64 {
        let stripped = self.folder.join("target/stripped");
        let status = Command::new("strip").arg("-o").arg(&stripped).arg(self.program()).status();
        assert!(status.expect("binutils are installed").success());
        fs::metadata(stripped).expect("it was written").len() as f64 / 1e6
    }

    /// Returns the resident memory of a server over stdio after its first call, in megabytes.
    fn memory(&self, arguments: &[&str]) -> f64 {
        let mut server = Command::new(self.program())
            .args(arguments)
            .env("XDG_STATE_HOME", &self.folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it was built");
        let mut stdin = server.stdin.take().expect("it is piped");
        let mut answers = BufReader::new(server.stdout.take().expect("it is piped")).lines();
        writeln!(stdin, "{}", initialize("2025-11-25")).expect("it reads");
        answers.next().expect("an answer").expect("text");
        let initialized = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
        let greet = call(&json!(1), "hello", json!({"name": "Ada"}));
        writeln!(stdin, "{initialized}\n{greet}").expect("it reads");
        let answer = answers.next().expect("an answer").expect("text");
        assert!(answer.contains("Ada!"), "{answer}");
        let status = fs::read_to_string(format!("/proc/{}/status", server.id())).expect("Linux");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it is alive");
        let kilobytes: f64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
        drop(stdin);
        server.wait().expect("it ends");
        kilobytes * 1024.0 / 1e6
    }
}

/// The CPU time of all child processes that have ended: `cutime` and `cstime` in proc(5), in hundredths of a second.
fn child_cpu_time() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").expect("Linux");
    let (_, after_name) = stat.rsplit_once(')').expect("the name is in parentheses");
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let hundredths: u64 = fields[13..15].iter().map(|field| field.parse::<u64>().expect("a number")).sum();
    Duration::from_millis(10 * hundredths)
}
