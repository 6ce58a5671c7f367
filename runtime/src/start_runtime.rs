//! Starts tokio runtimes where descriptors are scarce.

use std::io;

use tokio::runtime::{Builder, Runtime};

/// The number of descriptors that a first runtime opens, and some for what it runs.
#[cfg(unix)]
const RUNTIME_DESCRIPTORS: usize = 8;

/// Starts a runtime with all drivers. tokio itself panics where it cannot open the pipe for its signals.
///
/// # Errors
///
/// Too few descriptors or threads are left.
pub(crate) fn start_runtime(builder: &mut Builder) -> io::Result<Runtime> {
    #[cfg(unix)]
    {
        let opened = (0..RUNTIME_DESCRIPTORS).map(|_| std::fs::File::open("/dev/null"));
        drop(opened.collect::<io::Result<Vec<_>>>()?);
    }
    builder.enable_all().build()
}
