//! The process's own wire → a connection that is served on the sandboxed threads of most of its tools, where there are such.
//!
//! Calls of those tools change no threads then, and what strangers send is read by threads that can do little with it.

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
        // Until the end the threads are held from here: their last owner must not be one of them.
        let shared = Arc::clone(&self.shared);
        let Some(home) = shared.home() else {
            let (read, write) = stdio.open()?;
            return self.connection(read, write, None, stop, patience).await;
        };
        let unsandboxed = UnsandboxedHandle::here();
        let (read, write) = {
            let _inside = home.enter();
            stdio.open()?
        };
        let served = home.spawn(self.connection(read, write, Some(unsandboxed), stop, patience));
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
    /// The sandboxed threads to serve on. A user's own handler may need any right, and keeps the service without a sandbox.
    fn home(&self) -> Option<&Handle> {
        if self.user_handler.is_some() {
            return None;
        }
        let tools = self.core.registry.tools().iter().map(|tool| tool.descriptor);
        self.core.sandboxes.home(tools.zip(&self.core.handlers)).map(crate::sandbox::SandboxRuntime::handle)
    }
}
