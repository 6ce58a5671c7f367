//! Handles the signals of a serving process: stop, stop at once, reload.

use std::process;

#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::FAILED;
use crate::{background::Background, stderr};

/// The handlers of a serving process. A signal that comes before [`Signals::listen`] is handled then. Process 1 of a
/// container has no default handlers, so without these it would ignore all three.
pub(super) struct Signals {
    #[cfg(unix)]
    terminate: Signal,
    #[cfg(unix)]
    interrupt: Signal,
    #[cfg(unix)]
    hang_up: Signal,
}

#[cfg(unix)]
impl Signals {
    /// Installs the handlers. Needs a tokio runtime.
    pub(super) fn install() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for signals: the first SIGTERM or SIGINT cancels `stop`, the next ends the process at once; each SIGHUP runs
    /// `reload`.
    pub(super) fn listen(
        mut self,
        stop: CancellationToken,
        reload: impl Fn() + Send + 'static,
        background: &Background,
    ) {
        background.spawn("waiting for signals", async move {
            loop {
                tokio::select! {
                    _ = self.terminate.recv() => end(&stop),
                    _ = self.interrupt.recv() => end(&stop),
                    _ = self.hang_up.recv() => try_reload(&reload),
                }
            }
        });
    }
}

/// Reloads. A reload that panics must not keep the server from hearing the next signal.
#[cfg(unix)]
fn try_reload(reload: &impl Fn()) {
    if std::panic::catch_unwind(std::panic::AssertUnwindSafe(reload)).is_err() {
        stderr::line("error: the reload failed, which is a defect of the server");
    }
}

/// Handles Ctrl+C: this system has no signals.
#[cfg(not(unix))]
impl Signals {
    pub(super) fn install() -> std::io::Result<Self> {
        Ok(Self {})
    }

    pub(super) fn listen(
        self,
        stop: CancellationToken,
        _: impl Fn() + Send + 'static,
        background: &Background,
    ) {
        background.spawn("waiting for signals", async move {
            while tokio::signal::ctrl_c().await.is_ok() {
                end(&stop);
            }
        });
    }
}

fn end(stop: &CancellationToken) {
    if stop.is_cancelled() {
        // A second signal means that the operator does not want to wait.
        stderr::flush();
        process::exit(FAILED.into());
    }
    stop.cancel();
}
