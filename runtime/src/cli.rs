//! The command line that every server gets from `Server::main`.

mod audit;
mod call;
mod doctor;
#[cfg(feature = "http")]
mod health;
#[cfg(feature = "http")]
mod http;
mod render;
mod serve;
mod signals;
#[cfg(feature = "http")]
mod token;

use std::{
    io::{self, Write as _},
    process::ExitCode,
    time::Duration,
};

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::{server::Server, tool::state::State};

/// All went well.
const DONE: u8 = 0;
/// The server answered, and the answer is a failure.
const FAILED: u8 = 1;
/// There is no answer: a wrong argument, a server that does not start, a connection that breaks.
const COULD_NOT: u8 = 2;

const AFTER_HELP: &str = "\
Exit codes: 0 done; 1 the tool reported a failure or refused the call, or the server stopped before each call had its \
answer; 2 it could not be done (wrong arguments, the server does not start, the connection broke).";

#[derive(Parser)]
#[command(arg_required_else_help = true, after_help = AFTER_HELP, propagate_version = true)]
struct Line {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve MCP clients: one over stdin and stdout, or any number over HTTP
    Serve(serve::Serve),
    /// Call a tool of this server: starts it, asks as a client does, prints the answer
    Call(call::Call),
    /// Print everything this server knows of itself, as canonical JSON
    Manifest,
    /// Print the reference of its tools, in Markdown
    Docs,
    /// Say what this server declares, and what makes it true on this machine
    Doctor,
    /// Check, read and sign the audit log
    Audit(audit::Audit),
    /// Ask a server that runs whether it is ready, for an image's `HEALTHCHECK`
    #[cfg(feature = "http")]
    Health(health::Health),
    /// Make, list and revoke API keys for HTTP
    #[cfg(feature = "http")]
    Token(token::Token),
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// What callers are granted.
#[derive(Args, Clone, Default)]
struct Grants {
    /// Scopes to grant to the caller, parted by spaces; may be given again
    ///
    /// Nothing is granted by default: a tool that names a scope is hidden until the scope is granted.
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
    /// Exit codes: 0 done; 1 the tool reported a failure or refused the call; 2 it could not be done.
    pub fn main(self) -> ExitCode {
        let about = &self.config.about;
        let name: &'static str = about.name.clone().leak();
        let mut summary = about.title.clone().unwrap_or_else(|| format!("The MCP server `{name}`"));
        if let Some(instructions) = &about.instructions {
            summary = format!("{summary}\n\n{instructions}");
        }
        let mut command =
            Line::command().name(name).bin_name(name).version(&*about.version.clone().leak()).about(summary);
        let line =
            match command.clone().try_get_matches().and_then(|matches| Line::from_arg_matches(&matches)) {
                Ok(line) => line,
                Err(error) => {
                    // clap knows which of its messages are errors; a closed pipe is none of ours.
                    let _ = error.print();
                    return ExitCode::from(if error.use_stderr() { COULD_NOT } else { DONE });
                }
            };
        match line.command {
            Command::Serve(serve) => serve.run(self),
            Command::Call(call) => call.run(&self),
            Command::Manifest => print(self.manifest()),
            Command::Docs => print(self.reference()),
            Command::Doctor => print(self.outline().map(|outline| doctor::report(&outline))),
            Command::Audit(audit) => audit.run(&self),
            #[cfg(feature = "http")]
            Command::Health(health) => health.run(),
            #[cfg(feature = "http")]
            Command::Token(token) => token.run(&self),
            Command::Completions { shell } => {
                let mut script = Vec::new();
                clap_complete::generate(shell, &mut command, name, &mut script);
                print(Ok::<_, String>(String::from_utf8_lossy(&script).into_owned()))
            }
        }
    }
}

/// Prints to the real stdout, or says why there is nothing to print.
fn print(text: Result<String, impl std::fmt::Display>) -> ExitCode {
    match text {
        Ok(text) => say(&text),
        Err(error) => could_not(&error),
    }
}

/// Writes to stdout. A reader who has seen enough (`| head`) ends it quietly.
fn say(text: &str) -> ExitCode {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => ExitCode::from(DONE),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::from(DONE),
        Err(error) => could_not(&format!("stdout cannot be written: {error}")),
    }
}

/// A time, as in `500ms`, `30s` or `2m`.
fn duration(said: &str) -> Result<Duration, String> {
    let unit = said.find(|c: char| !c.is_ascii_digit()).unwrap_or(said.len());
    let (number, unit) = said.split_at(unit);
    let of = match unit {
        "ms" => Duration::from_millis,
        "s" => Duration::from_secs,
        "m" => |minutes: u64| Duration::from_secs(minutes.saturating_mul(60)),
        _ => |_: u64| Duration::MAX,
    };
    let time = number.parse().map_or(Duration::MAX, of);
    // What a clock can still count with.
    if time > Duration::from_secs(86_400) {
        return Err("this is no time up to a day: write `500ms`, `30s` or `2m`".to_owned());
    }
    Ok(time)
}

fn could_not(error: &impl std::fmt::Display) -> ExitCode {
    eprintln!("error: {error}");
    ExitCode::from(COULD_NOT)
}
