//! The command line that every server gets from `Server::main`.

mod audit;
mod call;
mod doctor;
mod duration;
#[cfg(feature = "http")]
mod health;
#[cfg(feature = "http")]
mod http;
mod opening;
mod print;
mod probe;
mod render;
mod serve;
mod signals;
#[cfg(feature = "http")]
mod token;

use std::process::ExitCode;

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::{server::Server, stderr, tool::state::State};
use print::{fail, print, print_stdout};

/// The command succeeded.
const DONE: u8 = 0;
/// The server answered, and the answer is a failure.
const FAILED: u8 = 1;
/// There was no answer: a wrong argument, a server that does not start, a connection that breaks.
const COULD_NOT: u8 = 2;

const AFTER_HELP: &str = "\
Exit codes: 0 done; 1 the tool reported a failure or refused the call, or the server stopped before every call was \
answered; 2 the command could not run (wrong arguments, the server does not start, the connection broke).";

#[derive(Parser)]
#[command(arg_required_else_help = true, after_help = AFTER_HELP, propagate_version = true)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve MCP clients: one over stdin and stdout, or many over HTTP
    Serve(Box<serve::Serve>),
    /// Call a tool of this server and print the answer
    ///
    /// Starts the server as an MCP host does, calls the tool over stdio, and stops the server.
    Call(call::CallArgs),
    /// Print everything this server declares, as canonical JSON
    Manifest,
    /// Print the reference of the tools, in Markdown
    Docs,
    /// Report what this server declares, and what enforces it on this machine
    Doctor {
        /// Start the server, and call each `read_only` tool with its examples: which threads does it leave behind?
        #[arg(long)]
        probe: bool,
    },
    /// Verify, read and sign the audit log
    Audit(audit::AuditArgs),
    /// Ask a running server whether it is ready, for an image's `HEALTHCHECK`
    #[cfg(feature = "http")]
    Health(health::HealthArgs),
    /// Create, list and revoke API keys for HTTP
    #[cfg(feature = "http")]
    Token(token::Token),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// The scopes that the local caller is granted.
#[derive(Args, Clone, Default)]
struct Grants {
    /// Scopes to grant to the caller, separated by spaces; repeatable
    ///
    /// Nothing is granted by default: a tool that requires a scope is hidden until the scope is granted.
    #[arg(long = "grant", value_name = "SCOPES")]
    scopes: Vec<String>,
}

impl Grants {
    fn joined(&self) -> String {
        self.scopes.join(" ")
    }
}

impl<C: State> Server<C> {
    /// Runs the command line: `serve`, `call`, `manifest`, `docs`, `doctor`, `audit`, `health`, `token`, `completions`.
    ///
    /// Exit codes: 0 done; 1 the tool reported a failure or refused the call, or the server stopped before every call
    /// was answered; 2 the command could not run.
    pub fn main(self) -> ExitCode {
        let code = self.run_command_line();
        stderr::flush();
        code
    }

    fn run_command_line(self) -> ExitCode {
        let about = &self.config.about;
        let name: &'static str = about.name.clone().leak();
        let mut summary = about.title.clone().unwrap_or_else(|| format!("The MCP server `{name}`"));
        if let Some(instructions) = &about.instructions {
            summary = format!("{summary}\n\n{instructions}");
        }
        let version: &'static str = about.version.clone().leak();
        let mut command = CommandLine::command().name(name).bin_name(name).version(version).about(summary);
        let matches = command.clone().try_get_matches();
        let line = match matches.and_then(|matches| CommandLine::from_arg_matches(&matches)) {
            Ok(line) => line,
            Err(error) => return usage(&error),
        };
        match line.command {
            Command::Serve(serve) => serve.run(self),
            Command::Call(call) => call.run(&self),
            Command::Manifest => print(self.manifest()),
            Command::Docs => print(self.reference()),
            Command::Doctor { probe: false } => print(self.outline().map(|outline| doctor::report(&outline))),
            Command::Doctor { probe: true } => print(probe::report(self)),
            Command::Audit(audit) => audit.run(&self),
            #[cfg(feature = "http")]
            Command::Health(health) => health.run(),
            #[cfg(feature = "http")]
            Command::Token(token) => token.run(&self),
            Command::Completions { shell } => {
                let mut script = Vec::new();
                clap_complete::generate(shell, &mut command, name, &mut script);
                print_stdout(&String::from_utf8_lossy(&script))
            }
        }
    }
}

/// Prints what clap has to say instead of running a command: an error on stderr, help or a version on stdout.
fn usage(error: &clap::Error) -> ExitCode {
    let printed = error.print();
    if error.use_stderr() { ExitCode::from(COULD_NOT) } else { print::exit_code(printed) }
}
