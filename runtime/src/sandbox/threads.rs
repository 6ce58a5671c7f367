//! Lists the threads of this process that are in a sandbox, but for those of the sandboxes themselves.

use std::hash::{Hash, Hasher};

/// A thread of this process.
#[derive(Clone, Debug)]
pub(super) struct Thread {
    id: i32,
    pub(super) name: String,
}

impl PartialEq for Thread {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Thread {}

impl Hash for Thread {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id.hash(state);
    }
}

/// Whether the system can list threads.
pub(super) const CAN_LOOK: bool = cfg!(target_os = "linux");

#[cfg(not(target_os = "linux"))]
pub(super) fn sandboxed() -> std::collections::HashSet<Thread> {
    std::collections::HashSet::new()
}

#[cfg(not(target_os = "linux"))]
pub(super) fn mark_own() {}

#[cfg(target_os = "linux")]
pub(super) use linux::{mark_own, sandboxed};

#[cfg(target_os = "linux")]
mod linux {
    use std::{
        collections::HashSet,
        fs,
        sync::{LazyLock, Mutex, MutexGuard, PoisonError},
    };

    use rustix::thread::gettid;

    use super::Thread;

    /// The running threads of all sandboxes of this process.
    static OWN: LazyLock<Mutex<HashSet<i32>>> = LazyLock::new(Mutex::default);

    fn own() -> MutexGuard<'static, HashSet<i32>> {
        OWN.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes the current thread from the list when it ends.
    struct OwnThread(i32);

    impl Drop for OwnThread {
        fn drop(&mut self) {
            own().remove(&self.0);
        }
    }

    thread_local! {
        static OWN_THREAD: OwnThread = {
            let id = gettid().as_raw_nonzero().get();
            own().insert(id);
            OwnThread(id)
        };
    }

    /// Marks the current thread as one of a sandbox.
    pub(in crate::sandbox) fn mark_own() {
        OWN_THREAD.with(|_| ());
    }

    /// Returns the threads with more filters of system calls than the current one, which must have no sandbox, but for
    /// those of the sandboxes themselves.
    pub(in crate::sandbox) fn sandboxed() -> HashSet<Thread> {
        let Ok(tasks) = fs::read_dir("/proc/self/task") else { return HashSet::new() };
        let Some((_, base)) = status("thread-self") else { return HashSet::new() };
        let ids: Vec<i32> = tasks.filter_map(|task| task.ok()?.file_name().to_str()?.parse().ok()).collect();
        let foreign: Vec<i32> = {
            let own = own();
            ids.into_iter().filter(|id| !own.contains(id)).collect()
        };
        let sandboxed = foreign.into_iter().filter_map(|id| {
            let (name, filters) = status(&format!("self/task/{id}"))?;
            (filters > base).then_some(Thread { id, name })
        });
        sandboxed.collect()
    }

    /// The name of a thread and the number of its filters.
    fn status(thread: &str) -> Option<(String, u32)> {
        let status = fs::read_to_string(format!("/proc/{thread}/status")).ok()?;
        let value = |key| status.lines().find_map(|line| line.strip_prefix(key)).map(str::trim);
        // Before Linux 5.9, only whether there is a filter at all.
        let filters = value("Seccomp_filters:").or_else(|| value("Seccomp:"))?;
        Some((value("Name:")?.to_owned(), filters.parse().ok()?))
    }
}
