//! Builds a service from a server, or outlines the server without running it.

use std::sync::Arc;

use super::{Server, Source, config::Config};
#[cfg(feature = "cli")]
use crate::audit::AuditLog;
use crate::{
    confirm::Confirmations,
    contract::Outline,
    limits::Limits,
    pipeline::Core,
    record::{self, Recorder, Recording},
    registry::Registry,
    revision::Revision,
    sandbox::{self, Profile, Sandboxes, Support, SupportProbe},
    serve::Service,
    start_error::StartError,
    tasks::Tasks,
    tool::{descriptor::Task, handler::Handler, state::State},
};

impl<C: State> Server<C> {
    /// Makes the state and everything else that calls need.
    ///
    /// # Errors
    ///
    /// Two tools have the same name, a type has no schema, the state cannot be made, or a tool requires an audit log
    /// that is not configured or cannot be written.
    pub fn build(self) -> Result<Service, StartError> {
        if self.config.revisions.is_empty() {
            return Err(StartError::NoRevision);
        }
        // The kernel is probed while everything else is made.
        let profile = if self.config.user_handler.is_some() { None } else { self.likely_profile() };
        let probe = SupportProbe::begin(self.config.sandbox.clone(), profile);
        let Self { mut config, state, entries } = self;
        let state = match state {
            Source::Ready(state) => state,
            Source::Later(make) => make().map_err(StartError::State)?,
        };
        let state = Arc::new(state);
        let bound = entries.into_iter().map(|entry| (entry.descriptor, Handler::bind(entry.run, &state)));
        let tools: Vec<_> = std::mem::take(&mut config.stateless).into_iter().chain(bound).collect();
        let (mut tools, disabled): (Vec<_>, Vec<_>) =
            tools.into_iter().partition(|(tool, _)| config.serves(tool));
        tools.sort_by_key(|(tool, _)| tool.name);
        let registry = Registry::new(tools.iter().map(|(tool, _)| *tool))?;
        check_tasks(&config, &registry)?;
        let limits = Limits::new(&config.bounds, registry.tools().iter().map(|tool| tool.descriptor));
        let (support, prestarted) = probe.end();
        let sandboxes = Arc::new(Sandboxes::new(check_support(support, &registry)?, prestarted));
        let audit = record::open(config.recording, &registry, |log| {
            Recorder::open(log, &config.about, &registry, config.read_only, config.skip_confirmation)
        })?;
        let core = Core {
            audit,
            disabled_tools: disabled.into_iter().map(|(tool, _)| tool.name).collect(),
            registry,
            handlers: tools.into_iter().map(|(_, handler)| handler).collect(),
            visibility: config.visibility,
            sandboxes,
            limits,
            tasks: Arc::new(Tasks::new(config.bounds.clock.clone())),
            confirmations: Confirmations::new(config.bounds.clock),
            skip_confirmation: config.skip_confirmation,
        };
        let Config { about, revisions, user_handler, scopes, checks, .. } = config;
        Ok(Service::new(about, core, revisions, user_handler, scopes, checks))
    }

    /// Returns the sandbox that suits most of these tools, if the kernel supports all of it.
    fn likely_profile(&self) -> Option<Profile> {
        let tools = self.declared().filter(|(tool, _)| self.config.serves(tool));
        sandbox::best(tools.map(|(tool, is_async)| (Profile::of(tool), is_async)))
    }

    /// Describes the server without making the state.
    pub(crate) fn outline(&self) -> Result<Outline, StartError> {
        let config = &self.config;
        let tools = self.declared().map(|(tool, _)| tool);
        Ok(Outline {
            about: config.about.clone(),
            registry: Registry::new(tools.filter(|tool| config.serves(tool)))?,
            revisions: config.revisions.clone(),
            visibility: config.visibility,
            support: SupportProbe::begin(config.sandbox.clone(), None).end().0,
            scopes: config.scopes.clone(),
            recorded: !matches!(config.recording, Recording::Disabled),
            #[cfg(feature = "cli")]
            log: match &config.recording {
                Recording::To(log) => Some(log.clone()),
                Recording::Disabled => None,
                Recording::Unset | Recording::Default(_) => AuditLog::of_user(&config.about.name),
            },
        })
    }

    /// Returns those of `scopes` that no tool needs, each with the needed scope that it resembles most.
    #[cfg(all(feature = "cli", feature = "http"))]
    pub(crate) fn idle_scopes<'a>(
        &self,
        scopes: impl Iterator<Item = &'a str>,
    ) -> Vec<(&'a str, Option<&'static str>)> {
        let needed: Vec<&'static str> = self.declared().flat_map(|(tool, _)| tool.scopes).copied().collect();
        let idle = scopes.filter(|scope| self.config.scopes.is_idle(scope, needed.iter().copied()));
        idle.map(|scope| (scope, crate::text::nearest(scope, needed.iter().copied()))).collect()
    }

    /// Returns the manifest, the full description of this server, as canonical JSON (sorted keys, two spaces).
    ///
    /// # Errors
    ///
    /// As for [`Server::build`], except for the state, which is not made.
    pub fn manifest(&self) -> Result<String, StartError> {
        Ok(crate::contract::manifest(&self.outline()?))
    }

    /// Returns the reference of this server's tools in Markdown.
    ///
    /// # Errors
    ///
    /// As for [`Server::manifest`].
    pub fn reference(&self) -> Result<String, StartError> {
        Ok(crate::contract::reference(&self.outline()?))
    }
}

/// Checks that tools that answer only with a task can be called.
fn check_tasks(config: &Config, registry: &Registry) -> Result<(), StartError> {
    if config.revisions.contains(&Revision::V2026_07_28) {
        return Ok(());
    }
    match registry.tools().iter().find(|tool| tool.descriptor.task == Some(Task::Required)) {
        Some(tool) => Err(StartError::NoTasks(tool.descriptor.name)),
        None => Ok(()),
    }
}

/// Checks that this machine enforces all that the server requires.
fn check_support(mut support: Support, registry: &Registry) -> Result<Support, StartError> {
    if let Some(folder) = support.missing_scratch_folder() {
        return Err(StartError::Scratch(folder.to_path_buf()));
    }
    if support.is_required() {
        for tool in registry.tools() {
            if let Err((word, why)) = support.check(tool.descriptor) {
                let why = why.clone();
                return Err(StartError::Sandbox { tool: tool.descriptor.name, word, why });
            }
        }
    }
    support.look_for_open_files(registry.tools().iter().map(|tool| tool.descriptor));
    Ok(support)
}
