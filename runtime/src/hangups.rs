//! SIGHUP → a word to whoever holds something open, or read something at the start: look again.

use std::io;

/// The SIGHUPs of this process, from now on. The first of these takes away that one of them ends it.
pub(crate) struct Hangups {
    #[cfg(unix)]
    signals: tokio::signal::unix::Signal,
}

impl Hangups {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            #[cfg(unix)]
            signals: tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup())?,
        })
    }

    /// Waits for the next; `None` where there will be none.
    #[cfg(unix)]
    pub(crate) async fn next(&mut self) -> Option<()> {
        self.signals.recv().await
    }

    /// Waits for the next; `None` where there will be none.
    #[cfg(not(unix))]
    pub(crate) async fn next(&mut self) -> Option<()> {
        None
    }
}
