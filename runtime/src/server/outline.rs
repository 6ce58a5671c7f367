//! Describes a server without running it: its manifest, its lock and its reference.

#[cfg(feature = "cli")]
use super::any::AnyServer;
use super::{Server, build::check_removals, config::Config};
#[cfg(feature = "cli")]
use crate::audit::AuditLog;
use crate::{
    contract::{self, Manifest, ManifestFormat, Outline, cost},
    idempotency::KeyKeeping,
    record::Recording,
    registry::Registry,
    sandbox::SupportProbe,
    serve,
    start_error::StartError,
    store::KeyStore,
    tool::{descriptor::Descriptor, state::State},
};

impl<C: State> Server<C> {
    fn outline(&self) -> Result<Outline, StartError> {
        let declared: Vec<_> = self.declared().collect();
        outline(&self.config, &declared)
    }

    /// Checks that the list of tools costs a model at most `budget` tokens, as [`Server::list_budget`] does.
    ///
    /// # Errors
    ///
    /// The list costs more, or as for [`Server::manifest`].
    pub fn check_list_budget(&self, budget: u64) -> Result<(), StartError> {
        let Outline { registry, listed, .. } = self.outline()?;
        cost::check_budget(&registry, &listed, budget)
    }

    /// Returns the manifest, the full description of this server, as canonical JSON (sorted keys, two spaces).
    ///
    /// # Errors
    ///
    /// As for [`Server::build`], except for the state, which is not made.
    pub fn manifest(&self) -> Result<String, StartError> {
        Ok(contract::manifest(&self.outline()?))
    }

    /// Returns the lock of this server, its whole contract with a digest of each tool's definition, as canonical JSON. It is
    /// the same on every machine, so that it can be committed: see [`assert_locked!`](crate::testing::assert_locked).
    ///
    /// # Errors
    ///
    /// As for [`Server::manifest`].
    pub fn lock(&self) -> Result<String, StartError> {
        Ok(contract::lock(&self.outline()?))
    }

    /// Returns the manifest in the format of a host, a registry or a store, with what its reader will refuse.
    ///
    /// # Errors
    ///
    /// As for [`Server::manifest`].
    pub fn manifest_as(&self, format: ManifestFormat) -> Result<Manifest, StartError> {
        Ok(contract::manifest_as(format, &self.outline()?))
    }

    /// Returns the reference of this server's tools in Markdown.
    ///
    /// # Errors
    ///
    /// As for [`Server::manifest`].
    pub fn reference(&self) -> Result<String, StartError> {
        Ok(contract::reference(&self.outline()?))
    }

    /// Returns the reference as one HTML page without anything to fetch: an index, a search, and for each tool its words
    /// and what enforces them on this machine, its parameters, its schemas and example calls. Texts of declarations are
    /// shown as text; a content security policy keeps everything else from running.
    ///
    /// # Errors
    ///
    /// As for [`Server::manifest`].
    pub fn reference_page(&self) -> Result<String, StartError> {
        Ok(contract::page(&self.outline()?))
    }
}

#[cfg(feature = "cli")]
impl AnyServer {
    /// Describes the server without making the state.
    pub(crate) fn outline(&self) -> Result<Outline, StartError> {
        outline(&self.config, &self.declared)
    }
}

/// Describes the server of these tools without making the state.
fn outline(config: &Config, declared: &[&'static Descriptor]) -> Result<Outline, StartError> {
    let tools = declared.iter().copied().filter(|tool| config.serves(tool));
    let mut registry = Registry::new(tools, config.schemas)?;
    let keys = key_store(config).map(|store| store.place());
    if keys.is_some() && config.key_argument {
        registry.add_key_argument()?;
    }
    check_removals(&config.about.version, &registry)?;
    registry.digest(contract::digest_of);
    Ok(Outline {
        about: config.about.clone(),
        listed: serve::listed(&registry, keys.is_some()),
        registry,
        keys,
        publication: config.publication.clone(),
        revisions: config.revisions.clone(),
        visibility: config.visibility,
        sandbox: config.sandbox.clone(),
        support: SupportProbe::begin(config.sandbox.clone(), std::iter::empty()).end().0,
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

/// Returns the store in which `serve` keeps keys by default.
fn key_store(config: &Config) -> Option<KeyStore> {
    match &config.keeping {
        KeyKeeping::In(store) => Some(store.clone()),
        KeyKeeping::Disabled => None,
        #[cfg(feature = "redb")]
        KeyKeeping::Unset | KeyKeeping::Default { .. } => KeyStore::of_user(&config.about.name),
        #[cfg(not(feature = "redb"))]
        KeyKeeping::Unset | KeyKeeping::Default { .. } => None,
    }
}
