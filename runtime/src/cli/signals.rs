//! Handles the signals of a serving process: stop, stop at once, reload.

use std::process;

use tokio_util::sync::CancellationToken;

use super::FAILED;
use crate::{background::Background, stderr};

/// Installs the handlers: the first SIGTERM or SIGINT cancels `stop`, the next ends the process at once; each SIGHUP
/// runs `reload`. Process 1 of a container has no default handlers, so without these it would ignore all three.
#[cfg(unix)]
pub(super) fn listen(
    stop: CancellationToken,
    reload: impl Fn() + Send + 'static,
    background: &Background,
) -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    background.spawn("waiting for signals", async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => end(&stop),
                _ = interrupt.recv() => end(&stop),
                _ = hang_up.recv() => try_reload(&reload),
            }
        }
    });
    Ok(())
}

/// Reloads. A reload that panics must not keep the server from hearing the next signal.
#[cfg(unix)]
fn try_reload(reload: &impl Fn()) {
    if std::panic::catch_unwind(std::panic::AssertUnwindSafe(reload)).is_err() {
        stderr::line("error: the reload failed, which is a defect of the server");
    }
}

#[cfg(not(unix))]
pub(super) fn listen(
    stop: CancellationToken,
    _: impl Fn() + Send + 'static,
    background: &Background,
) -> std::io::Result<()> {
    background.spawn("waiting for signals", async move {
        while tokio::signal::ctrl_c().await.is_ok() {
            end(&stop);
        }
    });
    Ok(())
}

fn end(stop: &CancellationToken) {
    if stop.is_cancelled() {
        // A second signal means that the operator does not want to wait.
        stderr::flush();
        process::exit(FAILED.into());
    }
    stop.cancel();
}
