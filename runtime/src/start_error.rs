//! Defines the reasons why a server does not start.

use std::{fmt, path::PathBuf};

use crate::{message::Message, text};

/// A reason why a server does not start.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StartError {
    /// Two tools have the same name.
    SameName(&'static str),
    /// An alias of a tool is the name or an alias of another.
    Alias {
        /// The tool.
        tool: &'static str,
        /// The alias.
        alias: &'static str,
    },
    /// A deprecated tool was announced to be removed by this version of the server.
    Overdue {
        /// The tool.
        tool: &'static str,
        /// The announced version.
        remove_in: &'static str,
        /// The version of the server.
        version: String,
    },
    /// A tool cannot be described to a client.
    Schema {
        /// The tool.
        tool: &'static str,
        /// The reason, naming the parameter.
        why: Message,
    },
    /// A description that the macro could not read (`concat!`, `include_str!`) is empty or contains an invisible
    /// character.
    Description {
        /// The tool.
        tool: &'static str,
        /// The parameter; `None` for the tool itself.
        param: Option<&'static str>,
        /// The invisible character; `None` if the description is empty.
        hidden: Option<char>,
    },
    /// The server requires sandboxes, and this machine cannot make one.
    Sandbox {
        /// A tool that needs it.
        tool: &'static str,
        /// The declared effect that cannot be enforced.
        word: &'static str,
        /// The reason.
        why: Message,
    },
    /// A `Server::scratch` folder does not exist.
    Scratch(PathBuf),
    /// `Server::revisions` left no revision.
    NoRevision,
    /// This tool answers only with a task, and no revision that the server speaks has tasks.
    NoTasks(&'static str),
    /// This tool requires an audit log, and none is configured.
    Unaudited(&'static str),
    /// The audit log cannot be written, or was changed.
    Audit(Message),
    /// An option of the program's own ([`Server::args`](crate::Server::args)) is missing or has a wrong value.
    Arguments(Message),
    /// A tool that is to run without confirmation (`Server::yes`, `--yes`) does not exist.
    UnknownTool(String),
    /// A preview takes a parameter that its tool does not have.
    Preview {
        /// The tool whose question shows the preview.
        tool: &'static str,
        /// The preview.
        preview: &'static str,
        /// The parameter.
        param: &'static str,
    },
    /// This tool requires an idempotency key, and no store of keys is configured.
    NoKeyStore(&'static str),
    /// This tool requires an idempotency key, and the store of keys is in memory.
    ForgetfulKeyStore(&'static str),
    /// The store of idempotency keys cannot be used.
    KeyStore(Message),
    /// The settings of a server that runs as several replicas do not fit together.
    Replicas(Message),
    /// This tool has a parameter with the name of the argument that carries idempotency keys.
    KeyArgument(&'static str),
    /// The list of tools costs a model more tokens than `Server::list_budget` allows.
    ListBudget {
        /// The estimated tokens of all tools.
        tokens: u64,
        /// The most that they may cost.
        budget: u64,
        /// The tool that costs the most.
        most: &'static str,
        /// Its tokens.
        most_tokens: u64,
    },
    /// The state could not be made.
    State(Message),
}

impl StartError {
    fn message(&self) -> Message {
        match self {
            Self::SameName(name) => Message::new(format!("two tools are called `{name}`"))
                .help("give one of them `name = \"…\"` in its `#[mcp_tool(…)]`"),
            Self::Alias { tool, alias } => Message::new(format!(
                "alias `{alias}` of tool `{tool}` is the name or an alias of another tool"
            ))
            .help(format!("delete it from the `aliases` of `{tool}`: a name leads to one tool")),
            Self::Overdue { tool, remove_in, version } => Message::new(format!(
                "tool `{tool}` was announced to be removed in {remove_in}, and this server has version {}",
                text::shown(version)
            ))
            .help(format!(
                "delete tool `{tool}`, or choose a later `remove_in` and explain it in the changelog"
            )),
            Self::Schema { tool, why } => {
                Message::new(format!("tool `{tool}` cannot be described to a client")).note(why.clone())
            }
            Self::Description { tool, param, hidden } => {
                let of = param.map(|param| format!("parameter `{param}` of ")).unwrap_or_default();
                let fault = match hidden {
                    Some(hidden) => format!("contains the invisible character U+{:04X}", u32::from(*hidden)),
                    None => "is empty".to_owned(),
                };
                Message::new(format!("the description of {of}tool `{tool}` {fault}"))
                    .help("correct the text that its `#[doc = …]` includes")
            }
            Self::Sandbox { tool, word, why } => Message::new(format!(
                "tool `{tool}` is declared `{word}`, and this machine cannot enforce it"
            ))
            .note(why.clone())
            .help("serve on Linux 6.2 or later with Landlock, or use `Sandbox::WhereAvailable`"),
            Self::Scratch(folder) => {
                Message::new(format!("the scratch folder `{}` is not a folder", folder.display()))
                    .help("create it before the server is built, for example in `Server::state_with`")
            }
            Self::NoRevision => Message::new("the server speaks no revision of the protocol")
                .help("give `Server::revisions` at least one, or leave it out"),
            Self::NoTasks(tool) => Message::new(format!("no client can call tool `{tool}`"))
                .note(
                    "it is declared `task = \"required\"`, and no revision that the server speaks has tasks",
                )
                .help(
                    "add `Revision::V2026_07_28` to `Server::revisions`, or declare it `task = \"optional\"`",
                ),
            Self::Unaudited(tool) => {
                Message::new(format!("tool `{tool}` requires an audit log, and none is configured"))
                    .note("it is declared `audit = \"required\"`, which is the default of a tool that writes")
                    .help("configure a log with `Server::audit`, or none with `Server::unaudited`")
            }
            Self::Audit(message)
            | Self::KeyStore(message)
            | Self::Arguments(message)
            | Self::Replicas(message) => message.clone(),
            Self::UnknownTool(name) => Message::new(format!("no tool is called `{}`", text::shown(name)))
                .help("name a tool that this server has after `--yes`"),
            Self::Preview { tool, preview, param } => Message::new(format!(
                "preview `{preview}` takes `{param}`, which tool `{tool}` does not have"
            ))
            .note("a preview runs with the arguments of the call that it shows")
            .help(format!("give tool `{tool}` the parameter, or remove it from `{preview}`")),
            Self::NoKeyStore(tool) => Message::new(format!(
                "tool `{tool}` requires an idempotency key, and no store of keys is configured"
            ))
            .note("`required` is the default of a `destructive` tool that is not `idempotent`")
            .help(
                "configure a store with `Server::idempotency`, or none with `Server::without_idempotency`; \
                         or declare `idempotency_key = \"optional\"`",
            ),
            Self::ForgetfulKeyStore(tool) => Message::new(format!(
                "tool `{tool}` requires an idempotency key, and the store of keys is in memory"
            ))
            .note("a restart forgets the keys, and a call that is sent again would run a second time")
            .help("keep keys on disk with `KeyStore::at`, or accept the loss with `KeyStore::accept_loss`"),
            Self::KeyArgument(tool) => Message::new(format!(
                "tool `{tool}` has a parameter `idempotency_key` of its own"
            ))
            .note(
                "`Server::idempotency_argument` adds an argument of this name to each tool that takes a key",
            )
            .help("rename the parameter, or leave out `Server::idempotency_argument`"),
            Self::ListBudget { tokens, budget, most, most_tokens } => Message::new(format!(
                "the list of tools costs a model about {tokens} tokens, and its budget is {budget}"
            ))
            .note(format!("tool `{most}` costs the most, {most_tokens} tokens; `doctor` lists them all"))
            .help("shorten descriptions and schemas, serve fewer tools, or raise `Server::list_budget`"),
            Self::State(why) => Message::new("the server's state could not be made").note(why.clone()),
        }
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.message().fmt(f)
    }
}

impl std::error::Error for StartError {}
