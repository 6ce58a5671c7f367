//! Tools → the sandboxed threads that their service itself runs on, where that saves more calls a change of threads than it
//! costs one.

use std::{num::NonZero, thread};

use tokio::runtime::Handle;

use super::{Dispatcher, Profile, SandboxRuntime, Sandboxes};
use crate::tool::{descriptor::Descriptor, handler::Handler};

/// The threads without a sandbox, for a service that runs on sandboxed ones.
pub(crate) struct UnsandboxedHandle {
    pub(super) dispatcher: Dispatcher,
}

impl UnsandboxedHandle {
    /// The current runtime's.
    pub(crate) fn here() -> Self {
        Self { dispatcher: Dispatcher::to(Handle::current()) }
    }
}

impl Sandboxes {
    /// The sandboxed threads that a service of these tools is best at home on; none where that is on threads without a sandbox.
    /// To be asked on one of those.
    pub(crate) fn home<'a>(
        &self,
        tools: impl Iterator<Item = (&'a Descriptor, &'a Handler)>,
    ) -> Option<&SandboxRuntime> {
        let profile =
            best(tools.map(|(tool, handler)| (self.profile(tool), matches!(handler, Handler::Async(_)))))?;
        self.made_with(profile, threads())
    }
}

/// As many as a runtime has that nothing is said of, or the current one.
pub(super) fn threads() -> usize {
    let usual = || thread::available_parallelism().map_or(1, NonZero::get);
    Handle::try_current().map_or_else(|_| usual(), |handle| handle.metrics().num_workers())
}

/// The profile whose functions that may wait are more than all that would have a longer way to their threads.
pub(crate) fn best(tools: impl Iterator<Item = (Option<Profile>, bool)>) -> Option<Profile> {
    let tools: Vec<_> = tools.collect();
    let waits =
        |home: &Profile| tools.iter().filter(|(place, waits)| *waits && *place == Some(*home)).count();
    let profile = tools.iter().filter_map(|(place, _)| *place).max_by_key(waits)?;
    // What waits under another sandbox changes threads either way.
    let loses =
        |(place, waits): &&(Option<Profile>, bool)| *place != Some(profile) && !(*waits && place.is_some());
    (waits(&profile) > tools.iter().filter(loses).count()).then_some(profile)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn home_is_where_more_calls_save_a_way_than_lose_one() {
        let both = Some(crate::sandbox::BOTH);
        let reads = Some(Profile { no_writes: true, no_network: false });
        let (waits, blocks) = (true, false);
        let home = |tools: &[_]| best(tools.iter().copied());
        assert_eq!(home(&[]), None);
        assert_eq!(home(&[(None, waits), (None, waits)]), None);
        assert_eq!(home(&[(both, blocks)]), None, "it changes threads wherever its service is");
        assert_eq!(home(&[(both, blocks), (both, waits)]), both);
        assert_eq!(home(&[(both, waits), (None, waits)]), None, "as many lose as save");
        assert_eq!(home(&[(both, waits), (None, blocks)]), None);
        assert_eq!(
            home(&[(both, waits), (reads, blocks)]),
            None,
            "its thread would have to be asked for elsewhere"
        );
        assert_eq!(
            home(&[(both, waits), (reads, waits), (reads, waits)]),
            reads,
            "the one changes threads either way"
        );
        assert_eq!(home(&[(both, waits), (both, waits), (None, waits), (reads, waits)]), both);
    }
}
