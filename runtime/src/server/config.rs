//! Holds the configuration of a server that does not depend on the type of its state.

use std::{path::PathBuf, sync::Arc, time::Duration};

#[cfg(feature = "cli")]
use super::arguments::OwnArguments;
use super::state::ArgumentValues;
#[cfg(feature = "cli")]
use crate::clock::Clock;
use crate::{
    about::About,
    idempotency::KeyKeeping,
    limits::Bounds,
    publication::Publication,
    record::Recording,
    revision::Revision,
    sandbox::SandboxConfig,
    schema::SchemaForm,
    scopes::Scopes,
    scopes::Visibility,
    serve::{ReadinessCheck, UserHandler},
    start_error::StartError,
    tool::{
        descriptor::Descriptor,
        handler::{Entry, Handler},
    },
};

/// The size of one result by default, in bytes of text.
const MAX_RESULT_BYTES: usize = 1024 * 1024;

/// The configuration of a server, and its tools that need no state.
pub(crate) struct Config {
    pub(crate) about: About,
    /// Tools that were added before the state.
    pub(super) stateless: Vec<(&'static Descriptor, Handler)>,
    /// Previews, each with the name of the tool whose question shows it.
    pub(super) previews: Vec<(&'static str, &'static Descriptor, Handler)>,
    pub(super) visibility: Visibility,
    pub(super) revisions: Vec<Revision>,
    pub(super) user_handler: Option<UserHandler>,
    pub(super) sandbox: SandboxConfig,
    pub(crate) bounds: Bounds,
    pub(super) scopes: Scopes,
    /// The form of the schemas in lists.
    pub(super) schemas: SchemaForm,
    pub(crate) read_only: bool,
    pub(crate) skip_confirmation: bool,
    /// Tools that run without being confirmed.
    pub(crate) confirmed_tools: Vec<String>,
    pub(crate) max_output: usize,
    pub(super) publication: Option<Publication>,
    /// The most tokens that the list of tools may cost.
    pub(super) list_budget: Option<u64>,
    pub(super) checks: Vec<ReadinessCheck>,
    pub(crate) recording: Recording,
    /// The age from which on records are removed from the audit log.
    pub(crate) retention: Option<Duration>,
    /// The options of the program's own, and their values once a command line was read.
    #[cfg(feature = "cli")]
    pub(crate) own_arguments: Option<OwnArguments>,
    pub(crate) argument_values: Option<ArgumentValues>,
    pub(crate) keeping: KeyKeeping,
    pub(super) key_argument: bool,
    /// The name of this replica, as it was set.
    pub(crate) replica: Option<String>,
    /// The file of the key that the replicas of the server share.
    pub(crate) state_key: Option<PathBuf>,
}

impl Config {
    pub(super) fn new(name: String, version: String) -> Self {
        Self {
            about: About { name, version, title: None, instructions: None, logging: false },
            stateless: Vec::new(),
            previews: Vec::new(),
            visibility: Visibility::default(),
            revisions: Revision::ALL.to_vec(),
            user_handler: None,
            sandbox: SandboxConfig::default(),
            bounds: Bounds::default(),
            scopes: Scopes::default(),
            schemas: SchemaForm::default(),
            read_only: false,
            skip_confirmation: false,
            confirmed_tools: Vec::new(),
            max_output: MAX_RESULT_BYTES,
            publication: None,
            list_budget: None,
            checks: Vec::new(),
            recording: Recording::Unset,
            retention: None,
            #[cfg(feature = "cli")]
            own_arguments: None,
            argument_values: None,
            keeping: KeyKeeping::Unset,
            key_argument: false,
            replica: None,
            state_key: None,
        }
    }

    /// Binds tools to the state that they were declared for.
    pub(super) fn bind<C: Send + Sync + 'static>(
        &mut self,
        entries: Vec<Entry<C>>,
        state: &Arc<C>,
    ) -> Vec<(&'static Descriptor, Handler)> {
        let previews = entries.iter().filter_map(|entry| Some((entry.descriptor.name, entry.preview?)));
        let previews = previews.map(|(name, (tool, run))| (name, tool, Handler::bind(run, state)));
        self.previews.extend(previews);
        entries.into_iter().map(|entry| (entry.descriptor, Handler::bind(entry.run, state))).collect()
    }

    /// Returns the values of the program's own arguments; those that no command line gave are read from the environment.
    #[cfg_attr(
        not(feature = "cli"),
        expect(clippy::unnecessary_wraps, reason = "only a command line can be wrong")
    )]
    pub(super) fn argument_values(&mut self) -> Result<ArgumentValues, StartError> {
        if let Some(values) = self.argument_values.take() {
            return Ok(values);
        }
        #[cfg(feature = "cli")]
        if let Some(own) = self.own_arguments {
            return own.parse(&self.about.name, Vec::new());
        }
        Ok(Box::new(()))
    }

    #[cfg(feature = "cli")]
    pub(crate) fn clock(&self) -> &Clock {
        &self.bounds.clock
    }

    /// Returns whether a tool is served: with `Server::read_only`, only the `read_only` ones are.
    pub(super) fn serves(&self, tool: &Descriptor) -> bool {
        !self.read_only || tool.is_read_only()
    }
}
