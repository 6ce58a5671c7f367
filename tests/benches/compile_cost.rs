//! Measures the compile time of a crate of 200 tools, beside the same tools written with rmcp's own macros:
//! `cargo bench -p candor-tests --bench compile_cost`.
//!
//! The benchmark generates two crates, builds their dependencies, and then compiles each crate again and again, in turns.
//! It measures the CPU time of cargo and the compiler together. `-- --keep` prints the folder of the crates.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use candor_tests::comparison::measurements::{Measurements, is_benchmark_run, report};

const TOOLS: usize = 200;
const ROUNDS: usize = 5;

fn main() {
    if !is_benchmark_run() {
        return;
    }
    let generated = generate();
    for (name, arguments) in [
        ("check", ["check", "--lib"].as_slice()),
        ("build, dev", &["build", "--lib"]),
        ("build, dev, and link", &["build"]),
    ] {
        let mut sides = ["declared", "bare"].map(Measurements::new);
        for side in &sides {
            compile(&generated, side.name, arguments);
        }
        for round in 0..ROUNDS {
            for at in [round % 2, (round + 1) % 2] {
                let side = &mut sides[at];
                touch(&generated, side.name);
                let before = child_cpu_time();
                compile(&generated, side.name, arguments);
                side.add(child_cpu_time().saturating_sub(before));
            }
        }
        let [declared, bare] = sides;
        report(name, &declared, &bare);
    }
}

/// Runs cargo on one of the crates.
fn compile(generated: &Path, package: &str, arguments: &[&str]) {
    let status = Command::new(env!("CARGO"))
        .args(arguments)
        .args(["--offline", "--quiet", "--package", package])
        .current_dir(generated)
        .env("CARGO_INCREMENTAL", "0")
        .env("CARGO_TARGET_DIR", generated.join("target"))
        .stdin(Stdio::null())
        .status()
        .expect("cargo runs");
    assert!(status.success(), "`cargo {}` of `{package}` failed", arguments.join(" "));
}

fn touch(generated: &Path, package: &str) {
    let path = generated.join(package).join("src/lib.rs");
    let file = fs::File::options().append(true).open(path).expect("generated above");
    file.set_modified(std::time::SystemTime::now()).expect("a file of ours");
}

/// The CPU time of all child processes that have ended: `cutime` and `cstime` in proc(5), in hundredths of a second.
fn child_cpu_time() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").expect("Linux");
    let (_, after_name) = stat.rsplit_once(')').expect("the name is in parentheses");
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let hundredths: u64 = fields[13..15].iter().map(|field| field.parse::<u64>().expect("a number")).sum();
    Duration::from_millis(10 * hundredths)
}

/// Writes both crates as a separate workspace, with the dependency versions of this one.
fn generate() -> PathBuf {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a member of the workspace");
    let generated = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compile-cost");
    let candor = project.join("runtime");
    let versions = fs::read_to_string(project.join("Cargo.toml")).expect("the workspace");
    let rmcp = versions.lines().find(|line| line.starts_with("rmcp = ")).expect("the workspace's version");
    let rmcp = rmcp.split('"').nth(1).expect("a version");
    write(
        &generated.join("Cargo.toml"),
        "[workspace]\nresolver = \"3\"\nmembers = [\"declared\", \"bare\"]\n[profile.dev]\ndebug = \"line-tables-only\"\n",
    );
    fs::copy(project.join("Cargo.lock"), generated.join("Cargo.lock")).expect("a lock file");
    let shared = "serde = { version = \"1\", features = [\"derive\"] }\nschemars = \"1\"\n";
    let manifest = |name: &str, dependency: &str| {
        format!(
            "[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[dependencies]\n{dependency}\n{shared}"
        )
    };
    let declared = manifest("declared", &format!("candor = {{ path = \"{}\" }}", candor.display()));
    let bare = manifest("bare", &format!("rmcp = {{ version = \"{rmcp}\", features = [\"transport-io\"] }}"));
    write(&generated.join("declared/Cargo.toml"), &declared);
    write(&generated.join("declared/src/lib.rs"), &declared_tools());
    write(&generated.join("declared/src/main.rs"), "fn main() {\n    drop(declared::server());\n}\n");
    write(&generated.join("bare/Cargo.toml"), &bare);
    write(&generated.join("bare/src/lib.rs"), &bare_tools());
    write(&generated.join("bare/src/main.rs"), "fn main() {\n    drop(bare::server());\n}\n");
    if std::env::args().any(|argument| argument == "--keep") {
        println!("{}", generated.display());
    }
    generated
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().expect("in a folder")).expect("a folder of ours");
    fs::write(path, text).expect("a file of ours");
}

const QUOTE: &str = "
/// The output of every tool.
#[derive(serde::Serialize, schemars::JsonSchema)]
pub struct Quote {
    /// Ticker symbol.
    pub symbol: String,
    /// Price in dollars.
    pub close: f64,
}
";

fn declared_tools() -> String {
    let mut text = format!("use candor::{{Service, Server, mcp_tool, tools}};\n{QUOTE}");
    let mut names = String::new();
    for number in 0..TOOLS {
        let _ = write!(names, "tool_{number}, ");
        let _ = write!(
            text,
            r#"
/// Look up number {number}.
#[mcp_tool(read_only, closed_world, scope = "read:prices")]
fn tool_{number}(
    /// Ticker symbol, for example `AAPL`.
    symbol: String,
    /// How many shares.
    #[param(min = 1, max = 100)]
    lots: u32,
    /// Currency of the answer.
    currency: Option<String>,
    /// Factor to apply.
    factor: f64,
) -> Quote {{
    let symbol = currency.unwrap_or(symbol);
    Quote {{ symbol, close: f64::from(lots) * factor }}
}}
"#
        );
    }
    let _ = write!(
        text,
        "
pub fn server() -> Service {{
    Server::new(\"prices\", \"1.0.0\").unaudited().tools(tools![{names}]).build().unwrap()
}}
"
    );
    text
}

fn bare_tools() -> String {
    let mut text = format!(
        "use rmcp::{{Json, handler::server::{{router::tool::ToolRouter, wrapper::Parameters}}, tool, tool_router}};
{QUOTE}
pub struct Server {{
    pub router: ToolRouter<Self>,
}}
"
    );
    let mut tools = String::new();
    for number in 0..TOOLS {
        let _ = write!(
            text,
            r"
#[derive(serde::Deserialize, schemars::JsonSchema)]
pub struct Args{number} {{
    /// Ticker symbol, for example `AAPL`.
    symbol: String,
    /// How many shares.
    #[schemars(range(min = 1, max = 100))]
    lots: u32,
    /// Currency of the answer.
    currency: Option<String>,
    /// Factor to apply.
    factor: f64,
}}
"
        );
        let _ = write!(
            tools,
            r#"
    /// Look up number {number}.
    #[tool(title = "Tool {number}", annotations(title = "Tool {number}", read_only_hint = true, destructive_hint = false, idempotent_hint = true, open_world_hint = false))]
    fn tool_{number}(&self, Parameters(args): Parameters<Args{number}>) -> Json<Quote> {{
        let symbol = args.currency.unwrap_or(args.symbol);
        Json(Quote {{ symbol, close: f64::from(args.lots) * args.factor }})
    }}
"#
        );
    }
    let _ = write!(
        text,
        "
#[tool_router]
impl Server {{{tools}}}

pub fn server() -> Server {{
    Server {{ router: Server::tool_router() }}
}}
"
    );
    text
}
