//! Tests servers: a client in the same process, and the context of a call for a single handler.
//!
//! A unit test needs neither: a tool is a function, so call it. If it takes `&Call`, pass [`call()`]. A [`Client`] tests
//! the whole path of a call over the real protocol.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio_util::sync::CancellationToken;

use crate::tool::{ask::Round, call::Call, caller::Caller, descriptor::Descriptor};
pub use crate::{
    audit::Disk,
    client::{Answer, CallError, Client, ClientBuilder, ElicitAction, FilledForm},
    clock::Clock,
};

/// Returns a context to call a handler with: a local caller without scopes, a deadline in an hour, and no client that
/// reads progress.
pub fn call() -> Call {
    Call {
        descriptor: &Descriptor::DEFAULT,
        caller: Arc::new(Caller::local::<&str>([])),
        idempotency_key: None,
        reports: None,
        request: None,
        round: Round::default(),
        cancelled: CancellationToken::new(),
        deadline: Instant::now() + Duration::from_secs(3600),
    }
}
