//! Collects the tools of one server: checks that their names differ, and builds their schemas and validators once.

use std::collections::HashMap;

use crate::{
    schema::{Input, OutputShape, SchemaForm},
    start_error::StartError,
    text,
    tool::descriptor::{Descriptor, IdempotencyKey},
};

/// The argument that carries a key, for models that can fill in nothing else (`Server::idempotency_argument`).
pub(crate) const KEY_ARGUMENT: &str = "idempotency_key";
/// Says how to use the argument, for a model.
const KEY_ARGUMENT_DESCRIPTION: &str = "A key of your choice, 16 to 255 of `A-Z a-z 0-9 _ . : -`, such as a UUID. Use a \
    new key for each effect that is intended. To send the same call again, for example after a timeout, repeat its key and \
    its arguments: it does not run twice, and returns the first result.";
const KEY_ARGUMENT_EXAMPLE: &str = "7c9e6679-7425-40de-944b-e07fc1f90ae7";

/// A tool with its schemas and validators.
pub(crate) struct Definition {
    pub(crate) descriptor: &'static Descriptor,
    pub(crate) input: Input,
    pub(crate) output: OutputShape,
    /// The digest of the whole definition, as in `tools.lock.json`; empty until [`Registry::digest`].
    pub(crate) digest: String,
    /// The digest of the part of the declaration on which the effect of a call depends; zeros until
    /// [`Registry::digest_effects`], and for tools whose calls are never compared.
    pub(crate) effect_digest: [u8; 32],
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

impl Registry {
    pub(crate) fn new(
        descriptors: impl IntoIterator<Item = &'static Descriptor>,
        form: SchemaForm,
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
            check_descriptions(descriptor)?;
            let input = Input::new(descriptor, form).map_err(schema)?;
            let output = OutputShape::new(descriptor, form).map_err(schema)?;
            tools.push(Definition {
                descriptor,
                input,
                output,
                digest: String::new(),
                effect_digest: [0; 32],
            });
        }
        for (index, tool) in tools.iter().enumerate() {
            for alias in tool.descriptor.aliases {
                if by_name.insert(alias, index).is_some() {
                    return Err(StartError::Alias { tool: tool.descriptor.name, alias });
                }
            }
        }
        Ok(Self { tools, by_name })
    }

    /// Lets every tool that takes an idempotency key take it as an argument as well. A handler never sees it.
    pub(crate) fn add_key_argument(&mut self) -> Result<(), StartError> {
        let takes_key = |tool: &&mut Definition| tool.descriptor.idempotency_key != IdempotencyKey::None;
        for tool in self.tools.iter_mut().filter(takes_key) {
            if tool.descriptor.params.iter().any(|param| param.name == KEY_ARGUMENT) {
                return Err(StartError::KeyArgument(tool.descriptor.name));
            }
            tool.input.add_carrier(KEY_ARGUMENT, KEY_ARGUMENT_DESCRIPTION, KEY_ARGUMENT_EXAMPLE);
        }
        Ok(())
    }

    /// Keeps the digest of each tool.
    pub(crate) fn digest(&mut self, digest: impl Fn(&Definition) -> String) {
        for tool in &mut self.tools {
            tool.digest = digest(tool);
        }
    }

    /// Keeps the digest of the part of each declaration on which the effect of a call depends, for tools whose calls are
    /// compared with earlier ones: with `has_keys`, those that take an idempotency key, and those that answer with a task.
    pub(crate) fn digest_effects(&mut self, has_keys: bool, digest: impl Fn(&Definition) -> [u8; 32]) {
        let is_compared = |tool: &&mut Definition| {
            tool.descriptor.task.is_some()
                || (has_keys && tool.descriptor.idempotency_key != IdempotencyKey::None)
        };
        for tool in self.tools.iter_mut().filter(is_compared) {
            tool.effect_digest = digest(tool);
        }
    }

    /// Drops the schemas of which only digests and locks are made.
    pub(crate) fn drop_enforced_schemas(&mut self) {
        for tool in &mut self.tools {
            tool.input.enforced = None;
        }
    }

    /// The index of the tool of this name or alias in [`Registry::tools`].
    pub(crate) fn index(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// The tool of this name or alias.
    #[cfg(feature = "cli")]
    pub(crate) fn find(&self, name: &str) -> Option<&Definition> {
        self.index(name).map(|index| &self.tools[index])
    }

    pub(crate) fn tools(&self) -> &[Definition] {
        &self.tools
    }
}

/// Checks the descriptions as the macro checks a literal: some of them only the compiler could read.
fn check_descriptions(descriptor: &Descriptor) -> Result<(), StartError> {
    let of_params = descriptor.params.iter().map(|param| (Some(param.name), param.description));
    for (param, text) in std::iter::once((None, descriptor.description)).chain(of_params) {
        let hidden = text.chars().find(|&c| text::is_hidden(c));
        if hidden.is_some() || text.trim().is_empty() {
            return Err(StartError::Description { tool: descriptor.name, param, hidden });
        }
    }
    Ok(())
}
