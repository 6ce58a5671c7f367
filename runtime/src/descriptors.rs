//! Raises the limit of open files, and keeps connections below it.

/// The most files that the limit is raised to: some programs close every number below their limit when they start.
#[cfg(all(unix, feature = "cli"))]
const MAX_LIMIT: u64 = 1 << 20;
/// The descriptors that stay free for handlers, logs and files of the server, at an ample limit.
#[cfg(feature = "http")]
const MAX_HEADROOM: u64 = 64;

/// Raises the process's limit of open files as far as the system allows.
#[cfg(all(unix, feature = "cli"))]
pub(crate) fn raise_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let limit = getrlimit(Resource::Nofile);
    let raised = limit.maximum.map_or(MAX_LIMIT, |maximum| maximum.min(MAX_LIMIT));
    if limit.current.is_some_and(|current| current < raised) {
        // Without this, the server has fewer connections.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum: limit.maximum });
    }
}

#[cfg(all(not(unix), feature = "cli"))]
pub(crate) fn raise_limit() {}

/// Returns how many connections, up to `wanted`, the limit of open files leaves room for.
#[cfg(feature = "http")]
pub(crate) fn room_for_connections(wanted: usize) -> usize {
    let Some((limit, open)) = limit_and_open() else { return wanted };
    let room = room(limit, open);
    wanted.min(usize::try_from(room).unwrap_or(usize::MAX)).max(1)
}

#[cfg(feature = "http")]
fn room(limit: u64, open: u64) -> u64 {
    limit.saturating_sub(open).saturating_sub((limit / 4).min(MAX_HEADROOM))
}

/// The limit of open files, and their number.
#[cfg(all(unix, feature = "http"))]
fn limit_and_open() -> Option<(u64, u64)> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current?;
    // On every Unix, this folder lists the descriptors of the process that reads it.
    let open = std::fs::read_dir("/dev/fd").map(Iterator::count);
    Some((limit, open.ok().and_then(|open| u64::try_from(open).ok()).unwrap_or(MAX_HEADROOM)))
}

#[cfg(all(not(unix), feature = "http"))]
fn limit_and_open() -> Option<(u64, u64)> {
    None
}

#[cfg(all(test, feature = "http"))]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_a_quarter_of_the_descriptors_up_to_64() {
        assert_eq!(
            [room(40, 20), room(256, 20), room(1_024, 20), room(1 << 20, 20)],
            [10, 172, 940, 1_048_492]
        );
        assert_eq!(room(20, 20), 0);
    }
}
