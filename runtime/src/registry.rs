//! Descriptors → the tools of one server: names unique, schemas and validators built once.

use std::collections::HashMap;

use crate::{
    schema::{Input, OutputShape},
    text,
    tool::descriptor::Descriptor,
};

/// Everything that can be known of a tool before any call.
pub(crate) struct Definition {
    pub(crate) descriptor: &'static Descriptor,
    pub(crate) input: Input,
    pub(crate) output: OutputShape,
}

impl Definition {
    pub(crate) fn name(&self) -> &'static str {
        self.descriptor.name
    }
}

/// The tools of a server, sorted by name.
pub(crate) struct Registry {
    tools: Vec<Definition>,
    by_name: HashMap<&'static str, usize>,
}

/// Why a server does not start.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StartError {
    /// Two tools have one name.
    SameName(&'static str),
    /// A tool cannot be described to a client.
    Schema {
        /// The tool.
        tool: &'static str,
        /// What is wrong, naming the parameter.
        why: String,
    },
    /// A description that the macro could not read (`concat!`, `include_str!`) is empty or holds invisible characters.
    Description {
        /// The tool.
        tool: &'static str,
        /// The parameter, or none for the tool itself.
        param: Option<&'static str>,
        /// The invisible character, or none where there is no text at all.
        hidden: Option<char>,
    },
    /// The server insists on sandboxes, and this machine cannot make one.
    Sandbox {
        /// A tool that needs it.
        tool: &'static str,
        /// The word that would not be kept.
        word: &'static str,
        /// Why.
        why: String,
    },
    /// A `Server::scratch` folder that is not there.
    Scratch(String),
    /// `Server::revisions` left none.
    NoRevision,
    /// This tool answers with a task only, and no revision that the server speaks has tasks.
    NoTasks(&'static str),
    /// This tool does not run unrecorded, and nobody said where calls are recorded.
    Unaudited(&'static str),
    /// The audit log cannot be written, or was changed.
    Audit(String),
    /// The state could not be made.
    State(String),
}

impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::SameName(name) => write!(
                f,
                "two tools are called `{name}`\nhelp: give one of them `name = \"…\"` in its `#[mcp_tool(…)]`"
            ),
            Self::Schema { tool, why } => {
                write!(f, "tool `{tool}` cannot be described to a client\nnote: {why}")
            }
            Self::Description { tool, param, hidden } => {
                let of = param.map(|param| format!("parameter `{param}` of ")).unwrap_or_default();
                let what = match hidden {
                    Some(hidden) => format!("holds the invisible character U+{:04X}", u32::from(*hidden)),
                    None => "is empty".to_owned(),
                };
                write!(
                    f,
                    "the description of {of}tool `{tool}` {what}\nhelp: mend the text that its `#[doc = …]` includes"
                )
            }
            Self::Sandbox { tool, word, why } => write!(
                f,
                "tool `{tool}` is declared `{word}`, and this machine cannot enforce it\nnote: {why}\nhelp: serve on Linux 6.2 or later with Landlock, or ask for less with `Sandbox::WhereAvailable`"
            ),
            Self::Scratch(folder) => write!(
                f,
                "the scratch folder `{folder}` is no folder\nhelp: make it before the server is built, for example in `Server::state_with`"
            ),
            Self::NoRevision => write!(
                f,
                "the server speaks no revision of the protocol\nhelp: give `Server::revisions` at least one, or leave it out"
            ),
            Self::NoTasks(tool) => write!(
                f,
                "nobody could call tool `{tool}`\nnote: it is declared `task = \"required\"`, and no revision that the server speaks has tasks\nhelp: add `Revision::V2026_07_28` to `Server::revisions`, or declare it `task = \"optional\"`"
            ),
            Self::Unaudited(tool) => write!(
                f,
                "nobody said where calls of tool `{tool}` are recorded\nnote: it is declared `audit = \"required\"`, as every write is that says nothing else\nhelp: give the server a log with `Server::audit`, or say that there is none with `Server::unaudited`"
            ),
            Self::Audit(why) => f.write_str(why),
            Self::State(why) => write!(f, "the server's state could not be made\nnote: {why}"),
        }
    }
}

impl std::error::Error for StartError {}

impl Registry {
    pub(crate) fn new(
        descriptors: impl IntoIterator<Item = &'static Descriptor>,
    ) -> Result<Self, StartError> {
        let mut descriptors: Vec<_> = descriptors.into_iter().collect();
        descriptors.sort_by_key(|descriptor| descriptor.name);
        let mut tools = Vec::with_capacity(descriptors.len());
        let mut by_name = HashMap::with_capacity(descriptors.len());
        for descriptor in descriptors {
            let schema = |why| StartError::Schema { tool: descriptor.name, why };
            if by_name.insert(descriptor.name, tools.len()).is_some() {
                return Err(StartError::SameName(descriptor.name));
            }
            described(descriptor)?;
            let input = Input::new(descriptor).map_err(schema)?;
            let output = OutputShape::new(descriptor).map_err(schema)?;
            tools.push(Definition { descriptor, input, output });
        }
        Ok(Self { tools, by_name })
    }

    /// The index of the tool of this name in [`Registry::tools`].
    pub(crate) fn index(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// The tool of this name.
    #[cfg(feature = "cli")]
    pub(crate) fn find(&self, name: &str) -> Option<&Definition> {
        self.index(name).map(|index| &self.tools[index])
    }

    pub(crate) fn tools(&self) -> &[Definition] {
        &self.tools
    }
}

/// What the macro checks of a literal, for text that only the compiler could read.
fn described(descriptor: &Descriptor) -> Result<(), StartError> {
    let of_params = descriptor.params.iter().map(|param| (Some(param.name), param.description));
    for (param, text) in std::iter::once((None, descriptor.description)).chain(of_params) {
        let hidden = text.chars().find(|&c| text::is_hidden(c));
        if hidden.is_some() || text.trim().is_empty() {
            return Err(StartError::Description { tool: descriptor.name, param, hidden });
        }
    }
    Ok(())
}
