//! A server in the making → everything that calls need, or what can be told of it without that.

use std::{collections::HashSet, sync::Arc};

use super::{About, Server, Source};
#[cfg(feature = "cli")]
use crate::audit::AuditLog;
use crate::{
    confirm::Confirmations,
    limits::Limits,
    pipeline::Core,
    record::{self, Recorder, Recording},
    registry::{Registry, StartError},
    revision::Revision,
    sandbox::{self, Profile, Sandboxes, Support, SupportProbe},
    scopes::{Scopes, Visibility},
    serve::Service,
    tasks::Tasks,
    tool::{
        descriptor::{Descriptor, Task},
        handler::{Handler, Run},
        state::State,
    },
};

/// What can be told of a server without running it.
pub(crate) struct Outline {
    pub(crate) about: About,
    pub(crate) registry: Registry,
    pub(crate) revisions: Vec<Revision>,
    pub(crate) visibility: Visibility,
    pub(crate) support: Support,
    pub(crate) scopes: Scopes,
    /// Whether `serve` records calls without being told.
    pub(crate) recorded: bool,
    /// Where, as far as this user has a place.
    #[cfg(feature = "cli")]
    pub(crate) log: Option<AuditLog>,
}

impl<C: State> Server<C> {
    /// Makes the state and everything that calls need, ready to be served.
    ///
    /// # Errors
    ///
    /// Two tools of one name, a type that no schema describes, a state that could not be made, or an audit log that a
    /// tool insists on and that nobody named, or that cannot be written.
    pub fn build(self) -> Result<Service, StartError> {
        if self.revisions.is_empty() {
            return Err(StartError::NoRevision);
        }
        // The kernel answers while everything else is made.
        let placement = if self.user_handler.is_some() { None } else { self.likely_placement() };
        let probe = SupportProbe::begin(self.sandbox, placement);
        let state = match self.state {
            Source::Ready(state) => state,
            Source::Later(make) => make().map_err(StartError::State)?,
        };
        let state = Arc::new(state);
        let bound =
            self.entries.into_iter().map(|entry| (entry.descriptor, Handler::bind(entry.run, &state)));
        let mut tools: Vec<(&'static Descriptor, Handler)> =
            self.stateless.into_iter().chain(bound).collect();
        let mut disabled_tools = HashSet::new();
        tools.retain(|(descriptor, _)| {
            let kept = !self.read_only || descriptor.is_read_only();
            if !kept {
                disabled_tools.insert(descriptor.name);
            }
            kept
        });
        tools.sort_by_key(|(descriptor, _)| descriptor.name);
        let registry = Registry::new(tools.iter().map(|(descriptor, _)| *descriptor))?;
        if !self.revisions.contains(&Revision::V2026_07_28)
            && let Some(tool) =
                registry.tools().iter().find(|tool| tool.descriptor.task == Some(Task::Required))
        {
            return Err(StartError::NoTasks(tool.descriptor.name));
        }
        let handlers = tools.into_iter().map(|(_, handler)| handler).collect();
        let limits = Limits::new(&self.bounds, registry.tools().iter().map(|tool| tool.descriptor));
        let (support, prestarted) = probe.end();
        let sandboxes = Arc::new(Sandboxes::new(enough(support, &registry)?, prestarted));
        let audit = record::open(self.recording, &registry, |log| {
            Recorder::open(log, &self.about, &registry, self.read_only, self.skip_confirmation)
        })?;
        let core = Core {
            audit,
            disabled_tools,
            registry,
            handlers,
            visibility: self.visibility,
            sandboxes,
            limits,
            tasks: Arc::new(Tasks::new(self.bounds.clock.clone())),
            confirmations: Confirmations::new(self.bounds.clock),
            skip_confirmation: self.skip_confirmation,
        };
        Ok(Service::new(self.about, core, self.revisions, self.user_handler, self.scopes, self.checks))
    }

    /// Returns the sandbox that a service of these tools runs best in, if the kernel enforces everything.
    fn likely_placement(&self) -> Option<Profile> {
        let stateless = self.stateless.iter().map(|(tool, run)| (*tool, matches!(run, Handler::Async(_))));
        let entries = self.entries.iter().map(|entry| (entry.descriptor, matches!(entry.run, Run::Async(_))));
        let tools = stateless.chain(entries).filter(|(tool, _)| !self.read_only || tool.is_read_only());
        sandbox::best(tools.map(|(tool, waits)| (Profile::of(tool), waits)))
    }

    /// What can be told without making the state.
    pub(crate) fn outline(&self) -> Result<Outline, StartError> {
        let stateless = self.stateless.iter().map(|(descriptor, _)| *descriptor);
        let all = stateless.chain(self.entries.iter().map(|entry| entry.descriptor));
        let registry = Registry::new(all.filter(|tool| !self.read_only || tool.is_read_only()))?;
        Ok(Outline {
            about: self.about.clone(),
            registry,
            revisions: self.revisions.clone(),
            visibility: self.visibility,
            support: SupportProbe::begin(self.sandbox.clone(), None).end().0,
            scopes: self.scopes.clone(),
            recorded: !matches!(self.recording, Recording::Disabled),
            #[cfg(feature = "cli")]
            log: match &self.recording {
                Recording::To(log) => Some(log.clone()),
                Recording::Disabled => None,
                Recording::Unset | Recording::Default(_) => AuditLog::of_user(&self.about.name),
            },
        })
    }

    /// Those of `scopes` that no tool needs, each with the scope that was perhaps meant.
    #[cfg(all(feature = "cli", feature = "http"))]
    pub(crate) fn idle_scopes<'a>(
        &self,
        scopes: impl Iterator<Item = &'a str>,
    ) -> Vec<(&'a str, Option<&'static str>)> {
        let stateless = self.stateless.iter().map(|(descriptor, _)| *descriptor);
        let all = stateless.chain(self.entries.iter().map(|entry| entry.descriptor));
        let needed: Vec<&'static str> = all.flat_map(|tool| tool.scopes).copied().collect();
        let idle = scopes.filter(|scope| self.scopes.is_idle(scope, needed.iter().copied()));
        idle.map(|scope| (scope, crate::text::nearest(scope, needed.iter().copied()))).collect()
    }

    /// The manifest: everything this server knows of itself, as canonical JSON (sorted keys, two spaces).
    ///
    /// # Errors
    ///
    /// As [`Server::build`], but for the state, which is not made.
    pub fn manifest(&self) -> Result<String, StartError> {
        Ok(crate::contract::manifest(&self.outline()?))
    }

    /// The reference of this server's tools in Markdown.
    ///
    /// # Errors
    ///
    /// As [`Server::manifest`].
    pub fn reference(&self) -> Result<String, StartError> {
        Ok(crate::contract::reference(&self.outline()?))
    }
}

/// Not enough of what the tools declare, where the server insists, is an error.
fn enough(support: Support, registry: &Registry) -> Result<Support, StartError> {
    if let Some(folder) = support.missing_scratch_folder() {
        return Err(StartError::Scratch(folder.display().to_string()));
    }
    if support.is_required() {
        for tool in registry.tools() {
            if let Err((word, reason)) = support.check(tool.descriptor) {
                let why = reason.to_string();
                return Err(StartError::Sandbox { tool: tool.descriptor.name, word, why });
            }
        }
    }
    Ok(support)
}
