//! Tests servers: a client in the same process, and the context of a call for a single handler.
//!
//! A unit test needs neither: a tool is a function, so call it. If it takes `&Call`, pass [`call()`]. A [`Client`] tests
//! the whole path of a call over the real protocol; it needs the feature `testing`: `cargo add --dev candor --features testing`.

#[cfg(feature = "testing")]
mod assert_idempotent;

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio_util::sync::CancellationToken;

#[cfg(feature = "testing")]
#[doc(inline)]
pub use assert_idempotent::{assert_idempotent, call_declared_idempotent, compare_states};

#[cfg(feature = "testing")]
pub use crate::client::{Client, ClientBuilder};
pub use crate::{
    audit::Disk,
    client::{Answer, CallError, ElicitAction, FilledForm},
    clock::Clock,
};
use crate::{
    spans::PartSpan,
    tool::{ask::Round, call::Call, caller::Caller, descriptor::Descriptor},
};

/// Checks that the list of a server's tools costs a model at most this many tokens, as estimated by
/// [`Server::list_budget`](crate::Server::list_budget).
///
/// ```
/// use candor::{Server, mcp_tool, testing::assert_list_fits, tools};
///
/// /// Say hello.
/// #[mcp_tool(read_only, closed_world, public)]
/// fn hello() -> &'static str {
///     "Hello!"
/// }
///
/// assert_list_fits!(Server::new("greeter", "1.0.0").tools(tools![hello]), 100);
/// ```
///
/// # Panics
///
/// The list costs more, or the server's tools cannot be described.
#[doc(inline)]
pub use crate::__assert_list_fits as assert_list_fits;

#[doc(hidden)]
#[macro_export]
macro_rules! __assert_list_fits {
    ($server:expr, $tokens:expr $(,)?) => {
        if let ::core::result::Result::Err(error) = $server.check_list_budget($tokens) {
            ::core::panic!("{error}");
        }
    };
}

/// Checks that the committed lock of a server is its contract: that no definition of a tool changed without the lock.
///
/// The file is `tools.lock.json` beside the package's `Cargo.toml`; a second argument names another file there. The
/// command `lock --write` writes it.
///
/// ```no_run
/// use candor::{Server, testing::assert_locked};
///
/// assert_locked!(Server::new("prices", "1.0.0"));
/// assert_locked!(Server::new("prices", "1.0.0"), "locks/prices.lock.json");
/// ```
///
/// # Panics
///
/// The file cannot be read, is not a lock, or is not the contract of this server. The message lists the changes, each with its
/// class.
#[doc(inline)]
pub use crate::__assert_locked as assert_locked;

#[doc(hidden)]
#[macro_export]
macro_rules! __assert_locked {
    ($server:expr $(,)?) => {
        $crate::__assert_locked!($server, "tools.lock.json")
    };
    ($server:expr, $file:expr $(,)?) => {
        $crate::testing::check_lock(&$server, ::std::env!("CARGO_MANIFEST_DIR"), $file)
    };
}

/// Compares a server with its committed lock for [`assert_locked!`].
#[doc(hidden)]
#[track_caller]
pub fn check_lock<C: crate::tool::state::State>(server: &crate::Server<C>, folder: &str, file: &str) {
    let lock = server.lock().unwrap_or_else(|error| panic!("the server has no contract: {error}"));
    let path = Path::new(folder).join(file);
    if let Err(check) = crate::contract::check_locked(&lock, &path) {
        panic!("{}", check.message());
    }
}

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
        span: PartSpan::current(),
    }
}
