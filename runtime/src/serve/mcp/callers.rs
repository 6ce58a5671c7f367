//! Says who sends the requests of a connection, or each HTTP request.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
#[cfg(feature = "http")]
use std::sync::{Mutex, OnceLock, PoisonError, atomic::AtomicBool};

#[cfg(feature = "http")]
use rmcp::{RoleServer, model::ErrorData, service::RequestContext};

use crate::tool::caller::Caller;
#[cfg(feature = "http")]
use crate::{pipeline::Admission, serve::convert};

/// The source of each request's caller.
pub(crate) enum CallerSource {
    /// One caller sends every request of the connection.
    Connection(Arc<Caller>),
    /// Each request carries its own caller: [`HttpIdentity`].
    #[cfg(feature = "http")]
    Request,
}

impl CallerSource {
    /// A name for a connection with one caller, different from all others of the process.
    #[cfg_attr(
        not(feature = "http"),
        expect(clippy::unnecessary_wraps, reason = "only an HTTP request belongs to no connection")
    )]
    pub(super) fn connection(&self) -> Option<String> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        match self {
            Self::Connection(_) => Some(format!("connection-{}", NEXT.fetch_add(1, Ordering::Relaxed))),
            #[cfg(feature = "http")]
            Self::Request => None,
        }
    }

    /// The transport's name in records.
    pub(super) fn transport(&self) -> &'static str {
        match self {
            Self::Connection(_) => "stdio",
            #[cfg(feature = "http")]
            Self::Request => "http",
        }
    }
}

/// The caller of one HTTP request, and its admission if it is a call.
#[cfg(feature = "http")]
#[derive(Clone)]
pub(crate) struct HttpIdentity {
    pub(crate) caller: Arc<Caller>,
    admission: Arc<Mutex<Option<Admission>>>,
    /// The seconds that a client has to wait, if a limit refused its call after the admission.
    retry_after: Arc<OnceLock<u64>>,
    /// Whether a method of the protocol got the request, and observed it.
    is_observed: Arc<AtomicBool>,
}

#[cfg(feature = "http")]
impl HttpIdentity {
    pub(crate) fn new(caller: Arc<Caller>, admission: Option<Admission>) -> Self {
        Self {
            caller,
            admission: Arc::new(Mutex::new(admission)),
            retry_after: Arc::default(),
            is_observed: Arc::default(),
        }
    }

    /// Returns the identity that the gate attached to a request.
    pub(super) fn of(context: &RequestContext<RoleServer>) -> Option<&Self> {
        context.extensions.get::<http::request::Parts>()?.extensions.get()
    }

    /// Marks the request as one that a method of the protocol got.
    pub(super) fn note_observed(&self) {
        self.is_observed.store(true, Ordering::Relaxed);
    }

    /// Whether a method of the protocol got the request. If not, rmcp refused it.
    pub(crate) fn is_observed(&self) -> bool {
        self.is_observed.load(Ordering::Relaxed)
    }

    /// Keeps the wait of a refused call for the transport: a handler cannot set a status.
    pub(super) fn note_refusal(&self, error: &ErrorData) {
        if let Some(seconds) = convert::retry_after(error) {
            let _ = self.retry_after.set(seconds);
        }
    }

    /// The seconds that the client has to wait, if a limit refused the call after its admission.
    pub(crate) fn retry_after(&self) -> Option<u64> {
        self.retry_after.get().copied()
    }

    /// Takes the admission, which counts for one call.
    pub(super) fn take_admission(&self) -> Option<Admission> {
        self.admission.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
