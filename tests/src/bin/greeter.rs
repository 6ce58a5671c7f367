//! A server with options of its own, a state that is made by a future, and an end. With `BLOCKED`, tasks of the state block
//! their threads. `OUTER` holds the tokio runtime that `Server::main` is called in: `multi`, `single` or none. With
//! `embedded`, the program has a command line of its own.

use std::{
    path::PathBuf,
    process::ExitCode,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use candor::{ServeOptions, Server, State, clap, mcp_tool, tools};
use clap::Parser as _;
use tokio::sync::{mpsc, oneshot};

/// The options of the program.
#[derive(clap::Args)]
struct Options {
    /// The greeting
    #[arg(long, default_value = "Hello")]
    greeting: String,
    /// A person to greet beside the caller's; repeatable
    #[arg(long, value_name = "NAME")]
    also: Vec<String>,
    /// Exclamation marks; repeatable
    #[arg(short, action = clap::ArgAction::Count)]
    marks: u8,
    /// Greet in capitals
    #[arg(long)]
    loud: bool,
    /// A file for the number of calls at the end
    #[arg(long, env = "FAREWELL")]
    farewell: Option<PathBuf>,
    /// The time that the end takes, in milliseconds
    #[arg(long, default_value_t = 0)]
    linger: u64,
}

/// Reaches the task that greets, which runs on the runtime of the state.
struct Greeter(mpsc::Sender<(String, oneshot::Sender<String>)>);

#[derive(State)]
struct App {
    greeter: Greeter,
    calls: AtomicUsize,
    #[state(skip)]
    options: Options,
}

impl App {
    async fn new(options: Options) -> Result<Self, String> {
        if options.greeting.is_empty() {
            return Err("the greeting is empty".to_owned());
        }
        let (sender, mut requests) = mpsc::channel::<(String, oneshot::Sender<String>)>(8);
        let mut greeting = options.greeting.clone();
        if options.loud {
            greeting = greeting.to_uppercase();
        }
        let (also, marks) = (options.also.clone(), "!".repeat(options.marks.into()));
        // A timer needs the runtime as much as a task does.
        tokio::time::sleep(Duration::from_millis(1)).await;
        tokio::spawn(async move {
            while let Some((name, answer)) = requests.recv().await {
                let names = [&[name][..], &also].concat().join(" and ");
                let _ = answer.send(format!("{greeting}, {names}{marks}"));
            }
        });
        if std::env::var_os("BLOCKED").is_some() {
            for _ in 0..16 {
                tokio::spawn(async { std::thread::sleep(Duration::from_secs(60)) });
            }
        }
        Ok(Self { greeter: Greeter(sender), calls: AtomicUsize::new(0), options })
    }

    async fn end(&self) -> std::io::Result<()> {
        tokio::time::sleep(Duration::from_millis(self.options.linger)).await;
        match &self.options.farewell {
            Some(file) => std::fs::write(file, format!("{} calls", self.calls.load(Ordering::SeqCst))),
            None => Ok(()),
        }
    }
}

/// Greet a person.
#[mcp_tool(read_only, closed_world, public)]
async fn greet(
    greeter: &Greeter,
    calls: &AtomicUsize,
    /// The person.
    name: String,
    /// The time to wait, in milliseconds.
    #[param(max = 60_000)]
    wait: Option<u64>,
) -> Result<String, String> {
    let (sender, answer) = oneshot::channel();
    greeter.0.send((name, sender)).await.map_err(|_| "the greeter is gone")?;
    tokio::time::sleep(Duration::from_millis(wait.unwrap_or_default())).await;
    calls.fetch_add(1, Ordering::SeqCst);
    answer.await.map_err(|_| "the greeter is gone".to_owned())
}

fn server() -> Server<App> {
    Server::new("greeter", "1.0.0")
        .unaudited()
        .args::<Options>()
        .state_with_async(App::new)
        .on_stop(|app| async move { app.end().await })
        .tools(tools![greet])
}

/// The command line of a program that embeds the server.
#[derive(clap::Parser)]
#[expect(clippy::large_enum_variant, reason = "a program has one value of it")]
enum CommandLine {
    /// Serve MCP clients.
    Mcp {
        #[command(flatten)]
        options: ServeOptions,
    },
    /// Run a command of the server.
    Tool {
        #[arg(allow_hyphen_values = true, trailing_var_arg = true)]
        arguments: Vec<String>,
    },
    /// Serve as the child of `tool call`.
    #[command(name = "serve", disable_help_flag = true)]
    Serve {
        #[arg(allow_hyphen_values = true, trailing_var_arg = true)]
        arguments: Vec<String>,
    },
}

fn embedded() -> ExitCode {
    match CommandLine::parse() {
        CommandLine::Mcp { options } => server().run(options),
        CommandLine::Tool { arguments } => {
            server().main_from([vec!["greeter".to_owned()], arguments].concat())
        }
        CommandLine::Serve { arguments } => {
            server().main_from([vec!["greeter".to_owned(), "serve".to_owned()], arguments].concat())
        }
    }
}

fn main() -> ExitCode {
    match std::env::var("OUTER").as_deref() {
        Ok("multi") => tokio::runtime::Runtime::new().unwrap().block_on(async { server().main() }),
        Ok("single") => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async { server().main() })
        }
        Ok("embedded") => embedded(),
        _ => server().main(),
    }
}
