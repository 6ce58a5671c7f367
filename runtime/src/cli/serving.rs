//! Runs a prepared server until a signal stops it or its client is gone, and ends it.

#[cfg(feature = "http")]
use std::sync::Arc;
use std::{process::ExitCode, time::Duration};

use futures::{FutureExt as _, future::BoxFuture};
use tokio::{runtime::Runtime, time::Instant};
use tokio_util::sync::CancellationToken;

#[cfg(feature = "http")]
use super::http::reload;
use super::{DONE, FAILED, fail, outdated::report_outdated, signals::Signals};
#[cfg(feature = "http")]
use crate::serve::http::{HttpConfig, ShutdownTimeouts};
use crate::{
    message::Message,
    serve::{Service, Shutdown, Stdio},
    stderr,
};

/// The time that threads have to end before the process exits.
pub(super) const THREADS_TIMEOUT: Duration = Duration::from_millis(200);
/// The time that the server's own end has at least, if calls took all of theirs.
const MIN_STOP_TIMEOUT: Duration = Duration::from_secs(1);

/// Serves until a signal stops the server, or its client is gone.
pub(super) type Serving = BoxFuture<'static, Result<Shutdown, Message>>;

/// A service, and what serves it.
pub(super) struct Prepared {
    pub(super) service: Service,
    pub(super) serving: Serving,
    /// Cancelled when the server begins to stop.
    pub(super) stop: CancellationToken,
    pub(super) drain_timeout: Duration,
    pub(super) is_quiet: bool,
}

impl Prepared {
    pub(super) fn run(self, runtime: Runtime) -> ExitCode {
        let Self { service, serving, stop, drain_timeout, is_quiet } = self;
        let served = runtime.block_on(async {
            let stopped = async move {
                stop.cancelled().await;
                Instant::now()
            };
            let stopped = tokio::spawn(stopped.boxed());
            let served = serving.await;
            let begin = match stopped.now_or_never() {
                Some(Ok(begin)) => begin,
                // The client ended the connection, and no call is in flight any more.
                _ => Instant::now(),
            };
            let deadline = (begin + drain_timeout).max(Instant::now() + MIN_STOP_TIMEOUT);
            let is_complete = stop_state(&service, deadline).await;
            match served {
                Ok(Shutdown::Complete) if !is_complete => Ok(Shutdown::TimedOut),
                served => served,
            }
        });
        service.stop_audit();
        service.stop_keys();
        if !is_quiet {
            report_outdated(&service);
        }
        // Drops what tasks still hold, such as a database of the state. A handler that outlived its deadline may still
        // block a thread, and the process does not wait for that.
        runtime.shutdown_timeout(THREADS_TIMEOUT);
        service.stop_threads(THREADS_TIMEOUT);
        match served {
            Ok(Shutdown::Complete) => ExitCode::from(DONE),
            Ok(Shutdown::TimedOut) => {
                fail(&"the server stopped before every call was answered");
                ExitCode::from(FAILED)
            }
            Err(error) => fail(&error),
        }
    }
}

/// Runs what the server does at its end. Returns whether it ended in time.
async fn stop_state(service: &Service, deadline: Instant) -> bool {
    match tokio::time::timeout_at(deadline, service.stop()).await {
        Ok(failures) => {
            for failure in failures {
                stderr::line(format_args!("error: {failure}"));
            }
            true
        }
        Err(_) => {
            stderr::line("error: `on_stop` did not end in time");
            false
        }
    }
}

pub(super) async fn over_stdio(
    service: Service,
    stdio: Stdio,
    stop: CancellationToken,
    drain_timeout: Duration,
    reopen_audit: impl Fn() + Send + 'static,
) -> Result<Shutdown, Message> {
    let signals = Signals::install().map_err(|error| connection_error(&error))?;
    signals.listen(stop.clone(), reopen_audit, service.background());
    let served = service.serve_stdio_until(stdio, stop, drain_timeout).await;
    served.map_err(|error| connection_error(&error))
}

#[cfg(feature = "http")]
pub(super) async fn over_http(
    service: Service,
    config: HttpConfig,
    timeouts: ShutdownTimeouts,
    stop: CancellationToken,
    reopen_audit: impl Fn() + Send + 'static,
) -> Result<Shutdown, Message> {
    let (address, connections) = (config.address, config.limits.connections);
    let bind_error = |error| Message::failure(&format!("the server cannot listen at {address}"), &error);
    let background = service.background().clone();
    // Before the port is open, so that no signal ends a process that clients can see.
    let signals = Signals::install().map_err(|error| connection_error(&error))?;
    let listening = service.listen(config).await.map_err(bind_error)?;
    // With port 0, this line is how a parent process learns the port.
    stderr::line(serde_json::json!({"listening": listening.url().map_err(bind_error)?}));
    if listening.connections() < connections {
        let fact = format!("at most {} connections are open at once", listening.connections());
        let message = Message::new(fact)
            .note("the limit of open files allows no more")
            .help("raise it, as with `ulimit -n 4096`");
        stderr::line(format_args!("warning: {message}"));
    }
    let access = listening.access();
    for warning in access.warnings() {
        stderr::line(format_args!("warning: {warning}"));
    }
    let reloaded = Arc::clone(&access);
    let on_hang_up = move || {
        reload(&reloaded);
        reopen_audit();
    };
    signals.listen(stop.clone(), on_hang_up, &background);
    let prepare = async move {
        if let Err(error) = access.prepare().await {
            // Not fatal: each request that needs the keys tries again.
            stderr::line(format_args!("warning: {error}"));
        }
    };
    tokio::spawn(prepare.boxed());
    Ok(listening.serve(stop, timeouts).await)
}

fn connection_error(error: &std::io::Error) -> Message {
    Message::failure("the connection broke", error)
}
