//! Serves one client over a pair of byte streams, one message per line.

use std::{io, pin::pin, sync::Arc, time::Duration};

use futures::future::BoxFuture;
use rmcp::{ServiceExt as _, service::ServerInitializeError};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{
    Stdio,
    descriptors::{Reader, Writer},
    transport::{LineTransport, ShutdownSignals},
};
use crate::serve::{
    mcp::{
        handler::{CallerSource, McpHandler},
        refused::WatchedHandler,
    },
    service::Service,
    shutdown::{DRAIN_TIMEOUT, Shutdown},
};

impl Service {
    /// Serves one client over a pair of byte streams, one message per line, until the client closes its end.
    ///
    /// # Errors
    ///
    /// The connection broke before the client sent its first request.
    pub async fn serve<R, W>(self, read: R, write: W) -> io::Result<()>
    where
        R: AsyncRead + Send + Unpin + 'static,
        W: AsyncWrite + Send + Unpin + 'static,
    {
        self.serve_until(read, write, CancellationToken::new(), DRAIN_TIMEOUT).await.map(drop)
    }

    /// Serves one client until it closes its end or `stop` is cancelled; then calls in flight have `timeout` to finish.
    pub(crate) async fn serve_until<R, W>(
        self,
        read: R,
        write: W,
        stop: CancellationToken,
        timeout: Duration,
    ) -> io::Result<Shutdown>
    where
        R: AsyncRead + Send + Unpin + 'static,
        W: AsyncWrite + Send + Unpin + 'static,
    {
        self.connection(Box::new(read), Box::new(write), stop, timeout).await
    }

    /// Serves one client over this process's stdin and stdout, until the client closes its end.
    ///
    /// Reserves both for the protocol: afterwards, output of the process and its children goes to stderr, and their
    /// stdin is empty.
    ///
    /// # Errors
    ///
    /// The descriptors cannot be taken, or the connection broke before the client sent its first request.
    pub async fn serve_stdio(self) -> io::Result<()> {
        self.serve_stdio_until(Stdio::take()?, CancellationToken::new(), DRAIN_TIMEOUT).await.map(drop)
    }

    /// Serves one client over `stdio`, as [`Service::serve_until`] does.
    pub(crate) async fn serve_stdio_until(
        self,
        stdio: Stdio,
        stop: CancellationToken,
        timeout: Duration,
    ) -> io::Result<Shutdown> {
        let (read, write) = stdio.open()?;
        self.connection(read, write, stop, timeout).await
    }

    /// Serves one connection. Boxed, since each caller would otherwise hold a copy of rmcp's state machine.
    fn connection(
        self,
        read: Reader,
        write: Writer,
        stop: CancellationToken,
        timeout: Duration,
    ) -> BoxFuture<'static, io::Result<Shutdown>> {
        let (gone, timed_out) = (CancellationToken::new(), CancellationToken::new());
        let signals =
            ShutdownSignals { stop: stop.clone(), timeout, gone: gone.clone(), timed_out: timed_out.clone() };
        let transport = LineTransport::new(read, write, Arc::clone(&self.shared), signals);
        let (callers, shared) = (CallerSource::Connection(self.caller), Arc::clone(&self.shared));
        let handler = McpHandler::new(self.shared, callers, gone.clone(), stop.clone());
        let task_rounds = handler.task_rounds.clone();
        Box::pin(async move {
            shared.enter_runtime();
            // Boxed as well: it is needed for the handshake alone.
            match Box::pin(WatchedHandler(handler).serve(transport)).await {
                Ok(running) => {
                    let mut deadline = None;
                    let mut ended = pin!(running.waiting());
                    let ended = loop {
                        tokio::select! {
                            ended = &mut ended => break ended,
                            // Without this, rmcp would wait for some more seconds.
                            () = timed_out.cancelled() => return Ok(Shutdown::TimedOut),
                            () = either(&stop, &gone), if deadline.is_none() => {
                                deadline = Some(Instant::now() + timeout);
                            }
                        }
                    };
                    ended.map(drop).map_err(io::Error::other)?;
                    // Tasks that this connection began are waited for like calls.
                    task_rounds.close();
                    let deadline = deadline.unwrap_or_else(|| Instant::now() + timeout);
                    if tokio::time::timeout_at(deadline, task_rounds.wait()).await.is_err() {
                        timed_out.cancel();
                    }
                }
                // A client may connect and leave without a request.
                Err(ServerInitializeError::ConnectionClosed(_)) => {}
                // rmcp adds the name of a type to what the system says.
                Err(ServerInitializeError::TransportError { error, .. }) => {
                    let cause = error.error.downcast::<io::Error>();
                    return Err(cause.map_or_else(io::Error::other, |cause| *cause));
                }
                Err(error) => return Err(io::Error::other(error)),
            }
            Ok(if timed_out.is_cancelled() { Shutdown::TimedOut } else { Shutdown::Complete })
        })
    }
}

async fn either(one: &CancellationToken, other: &CancellationToken) {
    tokio::select! {
        () = one.cancelled() => {}
        () = other.cancelled() => {}
    }
}
