//! Writes the crates that are measured: a server of one tool and one of 200, each as a user of Candor and a user of bare
//! rmcp write it.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

const TOOLS: usize = 200;

/// A crate that was generated, with a target folder of its own.
pub(crate) struct UserCrate {
    pub(crate) folder: PathBuf,
}

/// The crates of one side.
pub(crate) struct Side {
    pub(crate) name: &'static str,
    /// A server of one tool over stdio and HTTP.
    pub(crate) minimal: UserCrate,
    /// A library of 200 tools, and a program that links it.
    pub(crate) tools: UserCrate,
}

/// Writes the crates of both sides under `root`: Candor's, then rmcp's.
pub(crate) fn generate(root: &Path) -> [Side; 2] {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a member of the workspace");
    let versions = fs::read_to_string(project.join("Cargo.toml")).expect("the workspace");
    let rmcp = versions.lines().find(|line| line.starts_with("rmcp = ")).expect("the workspace's version");
    let rmcp = rmcp.split('"').nth(1).expect("a version");
    let candor = format!("candor = {{ path = \"{}\" }}\n", project.join("runtime").display());
    let shared = "serde = { version = \"1\", features = [\"derive\"] }\nschemars = \"1\"\n";
    let bare = format!(
        "rmcp = {{ version = \"{rmcp}\", features = [\"transport-io\", \"transport-streamable-http-server\"] }}\n\
         tokio = {{ version = \"1\", features = [\"macros\", \"net\", \"rt-multi-thread\"] }}\naxum = \"0.8\"\n"
    );
    let make = |name: &'static str, dependencies: &str, main: &str, tools: &str, server: &str| {
        let write = |kind: &str, files: &[(&str, &str)]| {
            let folder = root.join(format!("{name}-{kind}"));
            let manifest = format!(
                "[package]\nname = \"{name}-{kind}\"\nversion = \"1.0.0\"\nedition = \"2024\"\n\n\
                 [[bin]]\nname = \"server\"\npath = \"src/main.rs\"\n\n[dependencies]\n{dependencies}{shared}\n[workspace]\n"
            );
            write(&folder.join("Cargo.toml"), &manifest);
            fs::copy(project.join("Cargo.lock"), folder.join("Cargo.lock")).expect("a lock file");
            for (path, text) in files {
                self::write(&folder.join(path), text);
            }
            UserCrate { folder }
        };
        let link = format!("fn main() {{\n    drop({name}_tools::{server}());\n}}\n");
        Side {
            name,
            minimal: write("minimal", &[("src/main.rs", main)]),
            tools: write("tools", &[("src/lib.rs", tools), ("src/main.rs", &link)]),
        }
    };
    [
        make("candor", &candor, DECLARED_SERVER, &declared_tools(), "server"),
        make("rmcp", &bare, BARE_SERVER, &bare_tools(), "server"),
    ]
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().expect("in a folder")).expect("a folder of ours");
    fs::write(path, text).expect("a file of ours");
}

const DECLARED_SERVER: &str = r#"use candor::{Server, mcp_tool, tools};

/// Greet a person by name.
#[mcp_tool(read_only, closed_world, public)]
fn hello(
    /// The person to greet.
    name: &str,
) -> String {
    format!("Hello, {name}!")
}

fn main() -> std::process::ExitCode {
    Server::new("hello", env!("CARGO_PKG_VERSION")).tools(tools![hello]).main()
}
"#;

const BARE_SERVER: &str = r#"use std::sync::Arc;

use rmcp::{
    ServerHandler, ServiceExt as _,
    handler::server::wrapper::Parameters,
    tool, tool_handler, tool_router,
    transport::{
        stdio,
        streamable_http_server::{StreamableHttpService, session::local::LocalSessionManager},
    },
};

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct HelloArgs {
    /// The person to greet.
    name: String,
}

#[derive(Clone)]
struct Hello;

#[tool_router]
impl Hello {
    /// Greet a person by name.
    #[tool(annotations(read_only_hint = true, open_world_hint = false))]
    fn hello(&self, Parameters(args): Parameters<HelloArgs>) -> String {
        format!("Hello, {}!", args.name)
    }
}

#[tool_handler]
impl ServerHandler for Hello {}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    if std::env::args().nth(1).as_deref() == Some("http") {
        let sessions = Arc::new(LocalSessionManager::default());
        let service = StreamableHttpService::new(|| Ok(Hello), sessions, Default::default());
        let router = axum::Router::new().nest_service("/mcp", service);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:8000").await?;
        axum::serve(listener, router).await?;
    } else {
        Hello.serve(stdio()).await?.waiting().await?;
    }
    Ok(())
}
"#;

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
