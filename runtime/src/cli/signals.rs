//! Signals → what the process does about them. The one place that listens to any.

use std::process;

use tokio_util::sync::CancellationToken;

use super::FAILED;

/// Listens from here on: the first SIGTERM or SIGINT cancels `stop`, the next ends the process at once; each SIGHUP runs
/// `reload`. Without ears of its own, process 1 of a container would hear none of them.
#[cfg(unix)]
pub(super) fn listen(stop: CancellationToken, reload: impl Fn() + Send + 'static) -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => asked(&stop),
                _ = interrupt.recv() => asked(&stop),
                _ = hang_up.recv() => reload(),
            }
        }
    });
    Ok(())
}

#[cfg(not(unix))]
pub(super) fn listen(stop: CancellationToken, _: impl Fn() + Send + 'static) -> std::io::Result<()> {
    tokio::spawn(async move {
        while tokio::signal::ctrl_c().await.is_ok() {
            asked(&stop);
        }
    });
    Ok(())
}

fn asked(stop: &CancellationToken) {
    if stop.is_cancelled() {
        // Whoever asks twice does not want to wait.
        process::exit(FAILED.into());
    }
    stop.cancel();
}
