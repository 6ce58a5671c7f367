//! Builds a service from a server.

use std::cmp::Ordering;

use tokio_util::task::TaskTracker;

use super::{
    Server,
    any::{AnyServer, BoundState},
    config::Config,
    replicas,
};
use crate::{
    audit::check_age,
    confirm::Confirmations,
    contract::{self, cost},
    idempotency,
    limits::Limits,
    pipeline::{Core, OutdatedTools, Previews, SkipConfirmation},
    record::{self, Recorder},
    registry::Registry,
    replica::ReplicaName,
    revision::Revision,
    sandbox::{Profile, Sandboxes, Support, SupportProbe},
    serve::{self, Service},
    start_error::StartError,
    tasks::Tasks,
    telemetry::Telemetry,
    tool::{descriptor::Task, state::State},
};

impl<C: State> Server<C> {
    /// Makes the state and everything else that calls need.
    ///
    /// # Errors
    ///
    /// Two tools have the same name, a type has no schema, the state cannot be made, or a tool requires an audit log
    /// that is not configured or cannot be written, or an idempotency key without a store that keeps it.
    pub fn build(self) -> Result<Service, StartError> {
        self.erase().build()
    }
}

impl AnyServer {
    pub(crate) fn build(self) -> Result<Service, StartError> {
        if self.config.revisions.is_empty() {
            return Err(StartError::NoRevision);
        }
        let (replica, state_key) = (replicas::name(&self.config)?, replicas::state_key(&self.config)?);
        // The kernel is probed while everything else is made.
        let Self { mut config, declared, bind } = self;
        let served = declared.into_iter().filter(|tool| config.serves(tool));
        let probe = SupportProbe::begin(config.sandbox.clone(), served.filter_map(Profile::of));
        let BoundState { tools: bound, lifecycle } = bind(&mut config)?;
        let tools: Vec<_> = std::mem::take(&mut config.stateless).into_iter().chain(bound).collect();
        let (mut tools, disabled): (Vec<_>, Vec<_>) =
            tools.into_iter().partition(|(tool, _)| config.serves(tool));
        tools.sort_by_key(|(tool, _)| tool.name);
        let mut registry = Registry::new(tools.iter().map(|(tool, _)| *tool), config.schemas)?;
        check_tasks(&config, &registry)?;
        check_removals(&config.about.version, &registry)?;
        let shared = config.keeping.connect(&config.about.name)?;
        shared.agree_on_state_key(state_key.id()).map_err(StartError::Replicas)?;
        let limits =
            Limits::new(&config.bounds, registry.tools().iter().map(|tool| tool.descriptor), &shared);
        let (support, prestarted) = probe.end();
        let sandboxes =
            Sandboxes::new(check_support(support, &registry)?, prestarted, registry.tools().len());
        let skip_confirmation = skip_confirmation(&config, &registry)?;
        let retention = config.retention.map(check_age).transpose().map_err(StartError::Audit)?;
        let audit = record::open(config.recording, &registry, |log| {
            let log = log.clone().of_replica(replica.as_ref().map(ReplicaName::as_str));
            let log = match retention {
                Some(age) => log.keep_for(age, &config.bounds.clock),
                None => log,
            };
            Recorder::open(&log, &config.about, &registry, config.read_only, config.skip_confirmation)
        })?;
        let previews = Previews::new(std::mem::take(&mut config.previews), &registry)?;
        let (keeping, clock) = (config.keeping, &config.bounds.clock);
        let keys = idempotency::open(keeping, &registry, clock, config.key_argument, &shared)?;
        // Before the key is an argument: whether it is one changes no effect.
        registry.digest_effects(keys.is_some(), contract::effect_digest_of);
        if keys.as_ref().is_some_and(|keys| keys.takes_argument) {
            registry.add_key_argument()?;
        }
        registry.digest(contract::digest_of);
        if let Some(budget) = config.list_budget {
            cost::check_budget(&registry, &serve::listed(&registry, keys.is_some()), budget)?;
        }
        registry.drop_enforced_schemas();
        let core = Core {
            audit,
            previews,
            idempotency: keys,
            in_flight: TaskTracker::new(),
            disabled_tools: disabled.into_iter().flat_map(|(tool, _)| tool.names()).collect(),
            outdated: OutdatedTools::new(&registry),
            telemetry: Telemetry::new(&registry, replica.as_ref()),
            registry,
            replica,
            handlers: tools.into_iter().map(|(_, handler)| handler).collect(),
            visibility: config.visibility,
            sandboxes,
            limits,
            #[cfg(any(feature = "http", feature = "postgres"))]
            shared: shared.clone(),
            tasks: Tasks::start(config.bounds.clock.clone(), &shared, &state_key),
            confirmations: Confirmations::new(config.bounds.clock, &state_key, shared),
            skip_confirmation,
            max_output: config.max_output,
        };
        let Config { about, revisions, user_handler, scopes, checks, .. } = config;
        Ok(Service::new(about, core, revisions, user_handler, scopes, checks, lifecycle))
    }
}

/// Returns the tools that run without being confirmed.
fn skip_confirmation(config: &Config, registry: &Registry) -> Result<SkipConfirmation, StartError> {
    if config.skip_confirmation {
        return Ok(SkipConfirmation::All);
    }
    let index = |name: &String| registry.index(name).ok_or_else(|| StartError::UnknownTool(name.clone()));
    config.confirmed_tools.iter().map(index).collect::<Result<_, _>>().map(SkipConfirmation::Tools)
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

/// Checks that no tool is left that was announced to be removed by the server's version. The macro checks the version of
/// the package that declares a tool.
pub(super) fn check_removals(version: &str, registry: &Registry) -> Result<(), StartError> {
    for tool in registry.tools().iter().map(|tool| tool.descriptor) {
        if let Some(deprecated) = tool.deprecated
            && contract::compare_versions(version, deprecated.remove_in).is_some_and(Ordering::is_ge)
        {
            let (remove_in, version) = (deprecated.remove_in, version.to_owned());
            return Err(StartError::Overdue { tool: tool.name, remove_in, version });
        }
    }
    Ok(())
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
