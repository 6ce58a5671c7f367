//! `serve`: takes the descriptors, builds the state, then serves the protocol.

#[cfg(feature = "http")]
use std::sync::Arc;
use std::{process::ExitCode, time::Duration};

use clap::Args;
use tokio_util::sync::CancellationToken;

#[cfg(feature = "http")]
use super::http::Http;
use super::{
    DONE, FAILED, Grants,
    audit::Log,
    duration, fail,
    opening::{Reach, opening},
    signals::Signals,
};
#[cfg(feature = "http")]
use crate::serve::http::{HttpConfig, ShutdownTimeouts};
use crate::{
    descriptors,
    message::Message,
    serve::{Service, Shutdown, Stdio},
    server::Server,
    start_error::StartError,
    stderr,
    tool::state::State,
};

/// The time that threads have to end before the process exits.
const THREADS_TIMEOUT: Duration = Duration::from_millis(200);

#[derive(Args)]
pub(super) struct Serve {
    #[command(flatten)]
    grants: Grants,
    /// Serve only tools that are declared `read_only`
    #[arg(long)]
    read_only: bool,
    /// Do not ask for confirmation before a destructive call
    #[arg(long)]
    yes_destructive: bool,
    /// How long calls in flight may take after a stop (SIGTERM, SIGINT, end of stdin), for example `30s`
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration::timeout)]
    drain_timeout: Duration,
    #[command(flatten)]
    log: Log,
    #[cfg(feature = "http")]
    #[command(flatten)]
    http: Http,
    /// Print nothing on stderr at the start
    #[arg(long, short)]
    quiet: bool,
}

impl Serve {
    pub(super) fn run<C: State>(self, server: Server<C>) -> ExitCode {
        descriptors::raise_limit();
        #[cfg(feature = "http")]
        if self.http.is_wanted() {
            return self.over_http(server);
        }
        // Before anything else runs: a database that prints while it opens must not write to the protocol's stream.
        let stdio = match Stdio::take() {
            Ok(stdio) => stdio,
            Err(error) => return fail(&Message::failure("stdin and stdout cannot be taken", &error)),
        };
        let service = match self.build(server) {
            Ok(service) => service.grant(&self.grants.joined()),
            Err(error) => return fail(&error),
        };
        self.print_opening(Reach::Stdio, &service);
        let reopen_audit = service.audit_reopener();
        run(&service.clone(), async {
            let stop = CancellationToken::new();
            let signals = Signals::install().map_err(|error| connection_error(&error))?;
            signals.listen(stop.clone(), reopen_audit, service.background());
            let served = service.serve_stdio_until(stdio, stop, self.drain_timeout).await;
            served.map_err(|error| connection_error(&error))
        })
    }

    #[cfg(feature = "http")]
    fn over_http<C: State>(mut self, server: Server<C>) -> ExitCode {
        let http = std::mem::take(&mut self.http);
        let service = match self.build(server) {
            Ok(service) => service,
            Err(error) => return fail(&error),
        };
        let timeouts = ShutdownTimeouts { delay: http.delay(), drain: self.drain_timeout };
        let config = match http.config(&self.grants, &service) {
            Ok(config) => config,
            Err(error) => return fail(&error),
        };
        let reach = if config.access.requires_token() { Reach::HttpWithTokens } else { Reach::Http };
        let service = service.grant(&self.grants.joined());
        self.print_opening(reach, &service);
        if !self.quiet {
            for warning in Http::warnings(&config) {
                stderr::line(format_args!("  {warning}"));
            }
        }
        let reopen_audit = service.audit_reopener();
        run(&service.clone(), over_http(service, config, timeouts, reopen_audit))
    }

    fn build<C: State>(&self, server: Server<C>) -> Result<Service, StartError> {
        let server = if self.read_only { server.read_only() } else { server };
        let server = if self.yes_destructive { server.yes_destructive() } else { server };
        self.log.of(server, self.quiet).build()
    }

    /// Prints on stderr what is served.
    fn print_opening(&self, reach: Reach, service: &Service) {
        if self.quiet {
            return;
        }
        stderr::write(opening(reach, service, &self.grants));
        if self.read_only {
            stderr::line("  only tools declared `read_only` are served");
        }
        if self.yes_destructive {
            stderr::line("  destructive calls run without confirmation");
        }
    }
}

#[cfg(feature = "http")]
async fn over_http(
    service: Service,
    config: HttpConfig,
    timeouts: ShutdownTimeouts,
    reopen_audit: impl Fn() + Send + 'static,
) -> Result<Shutdown, Message> {
    let stop = CancellationToken::new();
    let (address, connections) = (config.address, config.limits.connections);
    let bind_error = |error| Message::new(format!("the server cannot listen at {address}: {error}"));
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
    tokio::spawn(async move {
        if let Err(error) = access.prepare().await {
            // Not fatal: each request that needs the keys tries again.
            stderr::line(format_args!("warning: {error}"));
        }
    });
    Ok(listening.serve(stop, timeouts).await)
}

/// Reads the files of API keys again.
#[cfg(feature = "http")]
fn reload(access: &crate::access::Access) {
    match access.reload() {
        Ok(()) => stderr::line("the token file was read again"),
        Err(error) => {
            let message = Message::from(error).note("the tokens that were read earlier remain valid");
            stderr::line(format_args!("error: {message}"));
        }
    }
}

fn run(service: &Service, served: impl Future<Output = Result<Shutdown, Message>>) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("the threads of the server cannot be started: {error}")),
    };
    let served = runtime.block_on(served);
    service.stop_audit();
    // Drops what tasks still hold, such as a database of the state. A handler that outlived its deadline may still block
    // a thread, and the process does not wait for that.
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

fn connection_error(error: &std::io::Error) -> Message {
    Message::new(format!("the connection broke: {error}"))
}
