//! Chooses the sandbox that a stdio service itself runs in: one that saves more calls a change of threads than it costs.

use std::{num::NonZero, thread};

use tokio::runtime::Handle;

use super::{Dispatcher, Profile, SandboxRuntime, Sandboxes};
use crate::tool::{descriptor::Descriptor, handler::Handler};

/// Reaches the unsandboxed threads from a service that runs on sandboxed ones.
pub(crate) struct UnsandboxedHandle {
    pub(super) dispatcher: Dispatcher,
}

impl UnsandboxedHandle {
    /// Creates a handle of the current runtime, which must not be sandboxed.
    pub(crate) fn current() -> Self {
        Self { dispatcher: Dispatcher::to(Handle::current()) }
    }
}

impl Sandboxes {
    /// Returns the sandboxed threads that a service of these tools runs best on; `None` if it runs best without a sandbox.
    /// Must be called on an unsandboxed thread.
    pub(crate) fn place<'a>(
        &self,
        tools: impl Iterator<Item = (&'a Descriptor, &'a Handler)>,
    ) -> Option<&SandboxRuntime> {
        let profile =
            best(tools.map(|(tool, handler)| (self.profile(tool), matches!(handler, Handler::Async(_)))))?;
        self.start(profile, worker_count())
    }
}

/// Returns the number of workers of the current runtime, or tokio's default outside of one.
pub(super) fn worker_count() -> usize {
    let default = || thread::available_parallelism().map_or(1, NonZero::get);
    Handle::try_current().map_or_else(|_| default(), |handle| handle.metrics().num_workers())
}

/// Returns the profile whose `async` tools outnumber the tools that would then have to change threads. Each tool is given
/// as its profile and whether it is `async`.
pub(crate) fn best(tools: impl Iterator<Item = (Option<Profile>, bool)>) -> Option<Profile> {
    let tools: Vec<_> = tools.collect();
    let gains = |service: &Profile| {
        tools.iter().filter(|(profile, is_async)| *is_async && *profile == Some(*service)).count()
    };
    let service = tools.iter().filter_map(|(profile, _)| *profile).max_by_key(gains)?;
    // An `async` tool in another sandbox changes threads either way.
    let loses = |(profile, is_async): &&(Option<Profile>, bool)| {
        *profile != Some(service) && !(*is_async && profile.is_some())
    };
    (gains(&service) > tools.iter().filter(loses).count()).then_some(service)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::profile::BOTH;

    #[test]
    fn service_is_placed_where_more_calls_save_a_change_of_threads_than_need_one() {
        let both = Some(BOTH);
        let reads = Some(Profile { no_writes: true, no_network: false });
        let (is_async, blocks) = (true, false);
        let place = |tools: &[_]| best(tools.iter().copied());
        assert_eq!(place(&[]), None);
        assert_eq!(place(&[(None, is_async), (None, is_async)]), None);
        assert_eq!(place(&[(both, blocks)]), None, "a blocking tool changes threads in any case");
        assert_eq!(place(&[(both, blocks), (both, is_async)]), both);
        assert_eq!(place(&[(both, is_async), (None, is_async)]), None, "as many lose as gain");
        assert_eq!(place(&[(both, is_async), (None, blocks)]), None);
        assert_eq!(
            place(&[(both, is_async), (reads, blocks)]),
            None,
            "a blocking tool of another sandbox would need a second change"
        );
        assert_eq!(
            place(&[(both, is_async), (reads, is_async), (reads, is_async)]),
            reads,
            "an `async` tool of another sandbox changes threads in any case"
        );
        assert_eq!(place(&[(both, is_async), (both, is_async), (None, is_async), (reads, is_async)]), both);
    }
}
