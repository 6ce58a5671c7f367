//! Decides whether a server keeps idempotency keys, and opens their store.

use std::sync::{Arc, atomic::AtomicBool};

use super::{Idempotency, claims::KeyClaims};
use crate::{
    clock::Clock,
    message::Message,
    registry::Registry,
    start_error::StartError,
    store::{KeyStore, KeyStoreError, KeyStoreFault, OpenedStore, SharedDatabase, UnavailableStore},
    tool::descriptor::IdempotencyKey,
};

/// The store that a server was configured with.
pub(crate) enum KeyKeeping {
    /// Neither a store nor its absence was configured.
    Unset,
    /// The server keeps no keys, by configuration.
    Disabled,
    In(KeyStore),
    /// The store that `serve` takes if nothing was configured; a server without `required` keys goes on without it.
    #[cfg_attr(
        not(all(feature = "cli", feature = "redb")),
        expect(dead_code, reason = "only `serve` has a default, on disk")
    )]
    Default {
        store: Option<KeyStore>,
        /// Whether the operator is not told that keys are refused.
        quiet: bool,
    },
}

impl KeyKeeping {
    /// Whether the store is one that several processes share.
    pub(crate) fn is_shared(&self) -> bool {
        match self {
            Self::In(store) | Self::Default { store: Some(store), .. } => store.is_shared(),
            Self::Unset | Self::Disabled | Self::Default { store: None, .. } => false,
        }
    }

    /// Connects to the database of the store of the server of this name, if it is in one.
    pub(crate) fn connect(&self, server: &str) -> Result<SharedDatabase, StartError> {
        match self {
            Self::In(store) => store.connect(server).map_err(StartError::KeyStore),
            Self::Unset | Self::Disabled | Self::Default { .. } => Ok(SharedDatabase::default()),
        }
    }
}

/// Opens the store. A server with a tool that requires a key does not start without one, and a server whose tools take no
/// key opens nothing.
pub(crate) fn open(
    keeping: KeyKeeping,
    registry: &Registry,
    clock: &Clock,
    takes_argument: bool,
    shared: &SharedDatabase,
) -> Result<Option<Idempotency>, StartError> {
    let takes_keys = |key: Option<IdempotencyKey>| {
        let mut tools = registry.tools().iter().map(|tool| tool.descriptor);
        tools.find(|tool| match key {
            Some(key) => tool.idempotency_key == key,
            None => tool.idempotency_key != IdempotencyKey::None,
        })
    };
    if takes_keys(None).is_none() {
        return Ok(None);
    }
    let required = takes_keys(Some(IdempotencyKey::Required)).map(|tool| tool.name);
    let opened = |store: &KeyStore| store.open(clock.clone(), shared).map_err(KeyStoreFault::into_message);
    let keys = |opened: OpenedStore| Some(Idempotency::new(opened, true, takes_argument));
    match (keeping, required) {
        (KeyKeeping::Disabled, _) | (KeyKeeping::Unset, None) => Ok(None),
        (KeyKeeping::Unset, Some(tool)) => Err(StartError::NoKeyStore(tool)),
        (KeyKeeping::In(store), Some(tool)) if store.is_forgetful() => {
            Err(StartError::ForgetfulKeyStore(tool))
        }
        (KeyKeeping::In(store), _) => opened(&store).map(keys).map_err(StartError::KeyStore),
        (KeyKeeping::Default { store, quiet }, required) => {
            match (store.ok_or_else(no_folder).and_then(|store| opened(&store)), required) {
                (Ok(opened), _) => Ok(keys(opened)),
                (Err(why), Some(tool)) => Err(StartError::KeyStore(why.note(format!(
                    "tool `{tool}` requires an idempotency key, and does not run without a store"
                )))),
                (Err(why), None) => {
                    // No tool requires a key, but a caller that sends one must not believe that it is kept.
                    if !quiet {
                        eprintln!("keys: calls with an idempotency key are refused: {why}");
                    }
                    let store = Arc::new(UnavailableStore(KeyStoreError(why)));
                    let place = "not available".to_owned();
                    Ok(Some(Idempotency::new(OpenedStore { store, place }, false, takes_argument)))
                }
            }
        }
    }
}

fn no_folder() -> Message {
    Message::new("idempotency keys have no folder: neither XDG_STATE_HOME nor HOME is set to one")
        .help("name one: `--keys DIR`")
}

impl Idempotency {
    fn new(opened: OpenedStore, is_honoured: bool, takes_argument: bool) -> Self {
        let OpenedStore { store, place } = opened;
        let takes_argument = takes_argument && is_honoured;
        let (claims, is_pruning) = (Arc::<KeyClaims>::default(), AtomicBool::default());
        Self { store, claims, is_honoured, takes_argument, place, is_pruning }
    }
}
