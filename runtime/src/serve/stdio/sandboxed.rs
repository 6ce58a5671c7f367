//! Serves the process's own stdin and stdout, on sandboxed threads if most of the server's tools run there.
//!
//! Calls of those tools then change no threads, and input from clients is parsed by threads that can do little with it.

use std::{io, sync::Arc, time::Duration};

use tokio::runtime::Handle;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use super::Stdio;
use crate::{
    sandbox::{SandboxRuntime, UnsandboxedHandle},
    serve::{
        service::Service,
        shared::Shared,
        shutdown::{DRAIN_TIMEOUT, Shutdown},
    },
};

impl Service {
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
        // Owned here until the end, since a runtime must not be dropped by one of its own threads.
        let shared = Arc::clone(&self.shared);
        let Some(runtime) = shared.sandboxed_runtime() else {
            let (read, write) = stdio.open()?;
            return self.connection(read, write, None, stop, timeout).await;
        };
        let unsandboxed = UnsandboxedHandle::current();
        let (read, write) = {
            let _entered = runtime.enter();
            stdio.open()?
        };
        let served = runtime.spawn(self.connection(read, write, Some(unsandboxed), stop, timeout));
        match AbortOnDropHandle::new(served).await {
            Ok(served) => served,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(error) => Err(io::Error::other(error)),
            },
        }
    }
}

impl Shared {
    /// The sandboxed threads to serve on. A user's own handler may need any right, so it is served without a sandbox.
    fn sandboxed_runtime(&self) -> Option<&Handle> {
        if self.user_handler.is_some() {
            return None;
        }
        let tools = self.core.registry.tools().iter().map(|tool| tool.descriptor);
        self.core.sandboxes.place(tools.zip(&self.core.handlers)).map(SandboxRuntime::handle)
    }
}
