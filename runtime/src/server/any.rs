//! Erases the type of a server's state. What the command line configures, describes and builds is then compiled once, with the
//! library; code that is generic over the state is compiled again with each change of a program.

use std::sync::Arc;

use super::{Server, config::Config, state::bind_hooks};
use crate::{
    lifecycle::Lifecycle,
    start_error::StartError,
    tool::{descriptor::Descriptor, handler::Handler, state::State},
};

/// A server with a state of any type.
pub(crate) struct AnyServer {
    pub(crate) config: Config,
    /// The declarations of all tools.
    pub(super) declared: Vec<&'static Descriptor>,
    pub(super) bind: Box<BindState>,
}

type BindState = dyn FnOnce(&mut Config) -> Result<BoundState, StartError> + Send;

/// The tools that are bound to a state, and all that ends with it.
pub(super) struct BoundState {
    pub(super) tools: Vec<(&'static Descriptor, Handler)>,
    pub(super) lifecycle: Lifecycle,
}

impl<C: State> Server<C> {
    /// Erases the type of the state, which is made when the server is built.
    pub(crate) fn erase(self) -> AnyServer {
        let declared = self.declared().collect();
        let Self { config, state, entries, on_stop, handler } = self;
        let bind = move |config: &mut Config| {
            let (state, runtime) = state.make(config.argument_values()?)?;
            let state = Arc::new(state);
            if let Some(handler) = handler {
                config.user_handler = Some(handler(Arc::clone(&state)));
            }
            let lifecycle = Lifecycle::new(bind_hooks(on_stop, &state), runtime);
            Ok(BoundState { tools: config.bind(entries, &state), lifecycle })
        };
        AnyServer { config, declared, bind: Box::new(bind) }
    }
}

impl AnyServer {
    /// Returns those of `scopes` that no tool needs, each with the needed scope that it resembles most.
    #[cfg(all(feature = "cli", feature = "http"))]
    pub(crate) fn idle_scopes<'a>(
        &self,
        scopes: impl Iterator<Item = &'a str>,
    ) -> Vec<(&'a str, Option<&'static str>)> {
        let needed: Vec<&'static str> = self.declared.iter().flat_map(|tool| tool.scopes).copied().collect();
        let idle = scopes.filter(|scope| self.config.scopes.is_idle(scope, needed.iter().copied()));
        idle.map(|scope| (scope, crate::text::nearest(scope, needed.iter().copied()))).collect()
    }
}
