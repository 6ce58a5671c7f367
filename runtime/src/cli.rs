//! The command line that every server gets from `Server::main`.

mod audit;
mod call;
mod contract;
mod doctor;
mod duration;
#[cfg(feature = "http")]
mod exchange;
mod form;
#[cfg(feature = "http")]
mod health;
mod host_config;
#[cfg(feature = "http")]
mod http;
#[cfg(feature = "telemetry")]
mod logging;
#[cfg(any(not(feature = "http"), not(feature = "telemetry")))]
mod missing_features;
mod opening;
mod otlp;
mod outdated;
mod own_arguments;
mod print;
mod probe;
mod progress;
mod render;
mod replica;
mod serve;
mod serving;
mod signals;
mod size;
mod state_key;
mod stats;
mod store;
#[cfg(feature = "http")]
mod token;

use std::{ffi::OsString, io::IsTerminal as _, process::ExitCode, thread};

use clap::{ArgMatches, Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};
use tokio::runtime::{Handle, RuntimeFlavor};

use crate::{
    about::About,
    contract::{Manifest, ManifestFormat, manifest_as, page, reference},
    message::Message,
    server::{AnyServer, Server},
    stderr,
    tool::state::State,
};
use print::{fail, print, print_stdout};
pub use serve::ServeOptions;

/// The command succeeded.
const DONE: u8 = 0;
/// The server answered, and the answer is a failure.
const FAILED: u8 = 1;
/// There was no answer: a wrong argument, a server that does not start, a connection that breaks.
const COULD_NOT: u8 = 2;

/// The refusal of a flag whose feature the program was built without.
#[cfg(any(
    not(feature = "http"),
    not(feature = "telemetry"),
    not(feature = "otel"),
    not(feature = "postgres"),
    not(feature = "oauth")
))]
fn missing_feature(name: &str) -> Message {
    Message::new(format!("this program was built without feature `{name}`")).help(format!(
        "build it with `candor = {{ version = \"{}\", features = [\"{name}\"] }}` in its Cargo.toml",
        concat!(env!("CARGO_PKG_VERSION_MAJOR"), ".", env!("CARGO_PKG_VERSION_MINOR"))
    ))
}

/// The stack of the thread that runs a command inside `#[tokio::main]`: as large as that of a main thread.
const MAIN_STACK_BYTES: usize = 8 * 1024 * 1024;

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
    Serve(Box<ServeOptions>),
    /// Call a tool of this server and print the answer
    ///
    /// Starts the server as an MCP host does, calls the tool over stdio, and stops the server.
    Call(call::CallArgs),
    /// Print the configuration of an MCP host for this server
    Config(host_config::HostConfigArgs),
    /// Print everything this server declares, for a program, a registry or a store
    ///
    /// The exit code is 1 if the reader of the format will refuse the server: stderr says why.
    Manifest {
        /// The format
        #[arg(long, value_enum, default_value_t)]
        format: ManifestFormat,
    },
    /// Print the reference of the tools
    Docs {
        /// The form: Markdown, or one HTML page that needs no server
        #[arg(long, value_enum, default_value_t)]
        format: DocsFormat,
    },
    /// Print the contract of this server for a file that is committed: every definition, with its digest
    Lock(contract::LockArgs),
    /// Check that the committed lock is the contract of this program
    Check(contract::CheckArgs),
    /// Compare the contract of this program with an earlier one, and say which changes break callers
    ///
    /// Exit codes: 0 the same or compatible; 1 a change breaks callers or must be approved; 2 they could not be compared.
    Diff(contract::DiffArgs),
    /// Report what this server declares, and what enforces it on this machine
    Doctor {
        /// Start the server, and call each `read_only` tool with its examples: which threads does it leave behind?
        #[arg(long)]
        probe: bool,
    },
    /// Verify, read and sign the audit log
    Audit(audit::AuditArgs),
    /// Sum up the calls: their number, failures and durations a tool, and which tools changed
    ///
    /// Reads the audit log, or the metrics of a running server. Exit codes: 0 done; 1 printed, but the log has faults and calls
    /// may be missing; 2 the log could not be read, or the server did not answer.
    Stats(Box<stats::StatsArgs>),
    /// Create the tables of a database that replicas share
    #[cfg_attr(not(feature = "postgres"), command(hide = true))]
    Store(store::StoreArgs),
    /// Ask a running server whether it is ready, for an image's `HEALTHCHECK`
    #[cfg(feature = "http")]
    Health(health::HealthArgs),
    /// Create, list and revoke API keys for HTTP
    #[cfg(feature = "http")]
    Token(token::Token),
    /// Create the key that the replicas of this server share
    StateKey(state_key::StateKeyArgs),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// The form of a reference.
#[derive(Clone, Copy, Default, ValueEnum)]
enum DocsFormat {
    #[default]
    Markdown,
    Html,
}

/// The scopes that the local caller is granted.
#[derive(Args, Clone, Debug, Default)]
#[group(skip)]
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
    /// Runs the command line: `serve`, `call`, `config`, `manifest`, `docs`, `lock`, `check`, `diff`, `doctor`,
    /// `audit`, `stats`, `store`, `health`, `token`, `state-key`, `completions`.
    ///
    /// Without a command, and with a stdin that is not a terminal, it runs `serve`, since an MCP host is there. Every
    /// option of `serve` can also be set by an environment variable: `PRICES_HTTP` for `--http` of the server `prices`.
    ///
    /// Exit codes: 0 done; 1 the tool reported a failure or refused the call, or the server stopped before every call
    /// was answered; 2 the command could not run.
    pub fn main(self) -> ExitCode {
        self.main_from(std::env::args_os())
    }

    /// As [`Server::main`], with arguments that a program read itself. The first is the program's name.
    ///
    /// The command `call` starts the program again with `serve` as its first argument, which the program must hand on.
    pub fn main_from<T: Into<OsString>>(self, arguments: impl IntoIterator<Item = T>) -> ExitCode {
        self.erase().main(arguments.into_iter().map(Into::into).collect())
    }

    /// Serves, as the command `serve` does, inside a program with a command line of its own: with signals, an orderly end and
    /// the exit codes of [`Server::main`].
    ///
    /// ```no_run
    /// use candor::{Server, ServeOptions, clap};
    /// use clap::Parser;
    ///
    /// #[derive(clap::Parser)]
    /// enum CommandLine {
    ///     /// Serve MCP clients.
    ///     Mcp {
    ///         #[command(flatten)]
    ///         options: ServeOptions,
    ///     },
    /// }
    ///
    /// fn main() -> std::process::ExitCode {
    ///     let CommandLine::Mcp { options } = CommandLine::parse();
    ///     Server::new("prices", "1.0.0").run(options)
    /// }
    /// ```
    pub fn run(self, options: ServeOptions) -> ExitCode {
        self.erase().run(options)
    }
}

impl AnyServer {
    fn main(self, arguments: Vec<OsString>) -> ExitCode {
        let code = on_free_thread(|| self.run_command_line(arguments));
        stderr::flush();
        code
    }

    fn run(self, options: ServeOptions) -> ExitCode {
        let code = on_free_thread(|| options.run(self));
        stderr::flush();
        code
    }

    fn run_command_line(self, arguments: Vec<OsString>) -> ExitCode {
        let (about, own) = (&self.config.about, self.config.own_arguments);
        let name = about.name.clone();
        let mut command = match own_arguments::add(command(about), &name, own) {
            Ok(command) => command,
            Err(error) => return fail(&error),
        };
        let matches = command.clone().try_get_matches_from(with_command(arguments));
        let line = matches.and_then(|matches| Ok((CommandLine::from_arg_matches(&matches)?, matches)));
        let (line, matches) = match line {
            Ok(line) => line,
            Err(error) => return usage(&error),
        };
        match line.command {
            Command::Serve(serve) => self.serve(*serve, &matches),
            Command::Call(call) => {
                let variables = own_arguments::variables(&command, &name, own);
                call.run(&self, own_arguments::given(own, &matches), variables)
            }
            Command::Config(config) => config.run(&name, own_arguments::given(own, &matches)),
            Command::Manifest { format } => match self.outline() {
                Ok(outline) => print_manifest(&manifest_as(format, &outline)),
                Err(error) => fail(&error),
            },
            Command::Docs { format } => print(self.outline().map(|outline| match format {
                DocsFormat::Markdown => reference(&outline),
                DocsFormat::Html => page(&outline),
            })),
            Command::Lock(lock) => lock.run(&self),
            Command::Check(check) => check.run(&self),
            Command::Diff(diff) => diff.run(&self),
            Command::Doctor { probe: false } => print(self.outline().map(|outline| doctor::report(&outline))),
            Command::Doctor { probe: true } => print(probe::report(self)),
            Command::Audit(audit) => audit.run(&self),
            Command::Stats(stats) => stats.run(&self),
            Command::Store(store) => store.run(&name),
            #[cfg(feature = "http")]
            Command::Health(health) => health.run(),
            #[cfg(feature = "http")]
            Command::Token(token) => token.run(&self),
            Command::StateKey(state_key) => print(state_key.run()),
            Command::Completions { shell } => {
                let mut script = Vec::new();
                clap_complete::generate(shell, &mut command, name, &mut script);
                print_stdout(&String::from_utf8_lossy(&script))
            }
        }
    }

    fn serve(mut self, serve: ServeOptions, matches: &ArgMatches) -> ExitCode {
        if let (Some(own), Some((_, matches))) = (self.config.own_arguments, matches.subcommand()) {
            match own.read(matches) {
                Ok(values) => self.config.argument_values = Some(values),
                Err(error) => return usage(&error),
            }
        }
        serve.run(self)
    }
}

/// The command line of a server, without the options of its own.
fn command(about: &About) -> clap::Command {
    let name = about.name.clone();
    let mut summary = about.title.clone().unwrap_or_else(|| format!("The MCP server `{name}`"));
    if let Some(instructions) = &about.instructions {
        summary = format!("{summary}\n\n{instructions}");
    }
    CommandLine::command().name(name.clone()).bin_name(name).version(about.version.clone()).about(summary)
}

/// Adds the command `serve` to arguments without a command, unless a person typed them: hosts often give none.
fn with_command(mut arguments: Vec<OsString>) -> Vec<OsString> {
    let asks = |argument: &OsString| ["-h", "--help", "-V", "--version"].iter().any(|ask| argument == ask);
    let is_option = |argument: &OsString| argument.as_encoded_bytes().starts_with(b"-");
    let lacks_command = arguments.get(1).is_none_or(|first| is_option(first) && !asks(first));
    if lacks_command && !std::io::stdin().is_terminal() {
        arguments.insert(arguments.len().min(1), "serve".into());
    }
    arguments
}

/// Prints a manifest on stdout and the findings about it on stderr.
fn print_manifest(manifest: &Manifest) -> ExitCode {
    let printed = manifest.text.as_deref().map_or(ExitCode::from(DONE), print_stdout);
    for finding in &manifest.findings {
        stderr::line(format_args!("finding: {finding}"));
    }
    if printed == ExitCode::from(DONE) && !manifest.findings.is_empty() {
        return ExitCode::from(FAILED);
    }
    printed
}

/// Runs a command on a thread that may wait: inside `#[tokio::main]` the current one may not.
fn on_free_thread(run: impl FnOnce() -> ExitCode + Send) -> ExitCode {
    let Ok(runtime) = Handle::try_current() else { return run() };
    if runtime.runtime_flavor() == RuntimeFlavor::CurrentThread {
        return fail(&Message::new("`Server::main` was called inside a tokio runtime of a single thread")
            .note("it starts a runtime of its own and waits for it, so nothing of the other would run meanwhile")
            .help("delete `#[tokio::main]`, and make what needs a runtime in `Server::state_with_async`"));
    }
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("main".to_owned()).stack_size(MAIN_STACK_BYTES);
        match thread.spawn_scoped(scope, run).map(thread::ScopedJoinHandle::join) {
            Ok(Ok(code)) => code,
            Ok(Err(panic)) => std::panic::resume_unwind(panic),
            Err(error) => fail(&Message::failure("the thread of the command cannot be started", &error)),
        }
    })
}

/// Prints what clap has to say instead of running a command: an error on stderr, help or a version on stdout.
fn usage(error: &clap::Error) -> ExitCode {
    let printed = error.print();
    if error.use_stderr() { ExitCode::from(COULD_NOT) } else { print::exit_code(printed) }
}
