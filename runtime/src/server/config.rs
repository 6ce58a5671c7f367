//! Holds the configuration of a server that does not depend on the type of its state.

use crate::{
    about::About,
    limits::Bounds,
    record::Recording,
    revision::Revision,
    sandbox::SandboxConfig,
    schema::SchemaForm,
    scopes::Scopes,
    scopes::Visibility,
    serve::{ReadinessCheck, UserHandler},
    tool::{descriptor::Descriptor, handler::Handler},
};

/// The configuration of a server, and its tools that need no state.
pub(crate) struct Config {
    pub(crate) about: About,
    /// Tools that were added before the state.
    pub(super) stateless: Vec<(&'static Descriptor, Handler)>,
    pub(super) visibility: Visibility,
    pub(super) revisions: Vec<Revision>,
    pub(super) user_handler: Option<UserHandler>,
    pub(super) sandbox: SandboxConfig,
    pub(super) bounds: Bounds,
    pub(super) scopes: Scopes,
    /// The form of the schemas in lists.
    pub(super) schemas: SchemaForm,
    pub(super) read_only: bool,
    pub(super) skip_confirmation: bool,
    pub(super) checks: Vec<ReadinessCheck>,
    pub(crate) recording: Recording,
}

impl Config {
    pub(super) fn new(name: String, version: String) -> Self {
        Self {
            about: About { name, version, title: None, instructions: None, logging: false },
            stateless: Vec::new(),
            visibility: Visibility::default(),
            revisions: Revision::ALL.to_vec(),
            user_handler: None,
            sandbox: SandboxConfig::default(),
            bounds: Bounds::default(),
            scopes: Scopes::default(),
            schemas: SchemaForm::default(),
            read_only: false,
            skip_confirmation: false,
            checks: Vec::new(),
            recording: Recording::Unset,
        }
    }

    /// Returns whether a tool is served: with `Server::read_only`, only the `read_only` ones are.
    pub(super) fn serves(&self, tool: &Descriptor) -> bool {
        !self.read_only || tool.is_read_only()
    }
}
