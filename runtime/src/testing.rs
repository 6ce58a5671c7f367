//! For your own tests: a client in the same process, and a call's context for a handler alone.
//!
//! The first level of test needs neither: a tool is a function, so call it. With `&Call` in its parameters, pass
//! [`call()`]. The second level is a [`Client`]: the real protocol, through every stage a call goes through.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio_util::sync::CancellationToken;

use crate::tool::{ask::Round, call::Call, caller::Caller, descriptor::Descriptor};
pub use crate::{
    audit::Disk,
    client::{Answer, CallError, Client, ClientBuilder, ElicitAction},
    clock::Clock,
};

/// A context to call a handler with: a local caller without scopes, an hour of time, nobody who listens to progress.
pub fn call() -> Call {
    Call {
        descriptor: &Descriptor::DEFAULT,
        caller: Arc::new(Caller::local::<&str>([])),
        idempotency_key: None,
        reports: None,
        round: Round::default(),
        cancelled: CancellationToken::new(),
        deadline: Instant::now() + Duration::from_secs(3600),
    }
}
