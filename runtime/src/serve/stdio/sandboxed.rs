//! Serves a connection over the process's stdin and stdout on the sandboxed threads of most of its tools, if there are such.
//!
//! Calls of those tools do not change threads then, and the threads that parse untrusted input have few rights.

use std::{io, sync::Arc, time::Duration};

use tokio::runtime::Handle;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use crate::{
    sandbox::UnsandboxedHandle,
    serve::{Service, Shutdown, Stdio},
};

impl Service {
    /// Serves one client over `stdio`, as [`Service::serve_until`] does.
    pub(crate) async fn serve_wire(
        self,
        stdio: Stdio,
        stop: CancellationToken,
        patience: Duration,
    ) -> io::Result<Shutdown> {
        // This clone keeps the threads alive until the end: their last owner must not be one of them.
        let shared = Arc::clone(&self.shared);
        let Some(sandboxed) = shared.placement() else {
            let (read, write) = stdio.open()?;
            return self.connection(read, write, None, stop, patience).await;
        };
        let unsandboxed = UnsandboxedHandle::current();
        let (read, write) = {
            let _guard = sandboxed.enter();
            stdio.open()?
        };
        let served = sandboxed.spawn(self.connection(read, write, Some(unsandboxed), stop, patience));
        match AbortOnDropHandle::new(served).await {
            Ok(served) => served,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(error) => Err(io::Error::other(error)),
            },
        }
    }
}

impl crate::serve::Shared {
    /// Returns the sandboxed threads to serve on. A user's own handler may need any right, so its service has no sandbox.
    fn placement(&self) -> Option<&Handle> {
        if self.user_handler.is_some() {
            return None;
        }
        let tools = self.core.registry.tools().iter().map(|tool| tool.descriptor);
        self.core.sandboxes.place(tools.zip(&self.core.handlers)).map(crate::sandbox::SandboxRuntime::handle)
    }
}
