//! `serve`: the descriptors first, then the state, then the protocol.

use std::{collections::BTreeMap, process::ExitCode, sync::Arc, time::Duration};

use clap::Args;
use tokio_util::sync::CancellationToken;

#[cfg(feature = "http")]
use super::http::Http;
use super::{DONE, FAILED, Grants, audit::Log, could_not, signals};
#[cfg(feature = "http")]
use crate::serve::http::{HttpConfig, ShutdownTimeouts};
use crate::{
    serve::{Service, Shutdown, Stdio},
    server::Server,
    start_error::StartError,
    tool::state::State,
};

/// How long the process waits for its threads at its end.
const LAST: Duration = Duration::from_millis(200);

#[derive(Args)]
pub(super) struct Serve {
    #[command(flatten)]
    grants: Grants,
    /// Serve only the tools that are declared `read_only`
    #[arg(long)]
    read_only: bool,
    /// Ask nobody before a destructive call
    #[arg(long)]
    yes_destructive: bool,
    /// How long calls in flight may take once the server is to stop (SIGTERM, SIGINT, the end of stdin), as in `30s`
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = super::duration)]
    drain_timeout: Duration,
    #[command(flatten)]
    log: Log,
    #[cfg(feature = "http")]
    #[command(flatten)]
    http: Http,
    /// Say nothing on stderr at the start
    #[arg(long, short)]
    quiet: bool,
}

impl Serve {
    pub(super) fn run<C: State>(self, server: Server<C>) -> ExitCode {
        #[cfg(feature = "http")]
        if self.http.is_wanted() {
            return self.over_http(server);
        }
        // Before anything else runs: a database that prints while it opens must not reach the wire.
        let stdio = match Stdio::take() {
            Ok(stdio) => stdio,
            Err(error) => return could_not(&format!("stdin and stdout cannot be taken: {error}")),
        };
        let service = match self.build(server) {
            Ok(service) => service.grant(&self.grants.joined()),
            Err(error) => return could_not(&error),
        };
        self.open(Over::Stdio, &service);
        let reopen_audit = service.audit_reopener();
        run(&service.clone(), async {
            let stop = CancellationToken::new();
            signals::listen(stop.clone(), reopen_audit).map_err(|error| broke(&error))?;
            service.serve_wire(stdio, stop, self.drain_timeout).await.map_err(|error| broke(&error))
        })
    }

    #[cfg(feature = "http")]
    fn over_http<C: State>(mut self, server: Server<C>) -> ExitCode {
        let http = std::mem::take(&mut self.http);
        let service = match self.build(server) {
            Ok(service) => service,
            Err(error) => return could_not(&error),
        };
        let timeouts = ShutdownTimeouts { delay: http.delay(), patience: self.drain_timeout };
        let config = match http.config(&self.grants, &service) {
            Ok(config) => config,
            Err(error) => return could_not(&error),
        };
        // With tokens, each caller's reach is their own.
        let over = if config.access.asks() { Over::Tokens } else { Over::Http };
        let service = service.grant(&self.grants.joined());
        self.open(over, &service);
        if let (false, Some(names)) = (self.quiet, Http::names(&config)) {
            eprintln!("  {names}");
        }
        let reopen_audit = service.audit_reopener();
        run(&service.clone(), over_http(service, config, timeouts, reopen_audit))
    }

    fn build<C: State>(&self, server: Server<C>) -> Result<Service, StartError> {
        let server = if self.read_only { server.read_only() } else { server };
        let server = if self.yes_destructive { server.yes_destructive() } else { server };
        self.log.of(server, self.quiet).build()
    }

    /// Says on stderr what is served.
    fn open(&self, over: Over, service: &Service) {
        if self.quiet {
            return;
        }
        eprint!("{}", opening(over, service, &self.grants));
        if self.read_only {
            eprintln!("  only tools declared `read_only` are served");
        }
        if self.yes_destructive {
            eprintln!("  nobody is asked before a destructive call");
        }
    }
}

#[cfg(feature = "http")]
async fn over_http(
    service: Service,
    config: HttpConfig,
    timeouts: ShutdownTimeouts,
    reopen_audit: impl Fn() + Send + 'static,
) -> Result<Shutdown, String> {
    let stop = CancellationToken::new();
    let address = config.address;
    let taken = |error| format!("{address} cannot be listened at: {error}");
    let listening = service.listen(config).await.map_err(taken)?;
    // Whoever started the server with port 0 reads here which one it took.
    eprintln!("{}", serde_json::json!({"listening": listening.url().map_err(taken)?}));
    let access = listening.access();
    for warning in access.warnings() {
        eprintln!("warning: {warning}");
    }
    let reloaded = Arc::clone(&access);
    let again = move || {
        reload(&reloaded);
        reopen_audit();
    };
    signals::listen(stop.clone(), again).map_err(|error| broke(&error))?;
    tokio::spawn(async move {
        if let Err(error) = access.prepare().await {
            // Each request that needs them tries again.
            eprintln!("warning: {error}");
        }
    });
    Ok(listening.serve(stop, timeouts).await)
}

/// Reads again what stands in files.
#[cfg(feature = "http")]
fn reload(access: &crate::access::Access) {
    match access.reload() {
        Ok(()) => eprintln!("the token file was read again"),
        Err(error) => eprintln!("error: {error}\nnote: the tokens of before in_flight in force"),
    }
}

fn run(service: &Service, served: impl Future<Output = Result<Shutdown, String>>) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return could_not(&format!("no threads to serve with: {error}")),
    };
    let served = runtime.block_on(served);
    service.stop_audit();
    // What tasks still hold is closed in order: a state's database, say. A handler that outlived its deadline may hold a
    // thread; for that the process does not wait.
    runtime.shutdown_timeout(LAST);
    service.stop_threads(LAST);
    match served {
        Ok(Shutdown::Complete) => ExitCode::from(DONE),
        Ok(Shutdown::TimedOut) => {
            eprintln!("error: the server stopped before each call had its answer");
            ExitCode::from(FAILED)
        }
        Err(error) => could_not(&error),
    }
}

fn broke(error: &std::io::Error) -> String {
    format!("the connection broke: {error}")
}

/// How a server is reached.
#[derive(Clone, Copy)]
enum Over {
    Stdio,
    /// EnforcedBy whoever comes.
    #[cfg(feature = "http")]
    Http,
    /// EnforcedBy those who show a token.
    #[cfg(feature = "http")]
    Tokens,
}

/// What is served, what is hidden, and the flag that shows it.
fn opening(over: Over, service: &Service, grants: &Grants) -> String {
    let (all, mut hidden) = (service.tools(), service.hidden());
    let (name, version) = service.name();
    let reach = all - hidden.len();
    let mut text = match over {
        Over::Stdio => format!("{name} {version} on stdio: {reach} of {all} tools in reach\n"),
        #[cfg(feature = "http")]
        Over::Http => format!("{name} {version} on HTTP: {reach} of {all} tools in reach of whoever comes\n"),
        #[cfg(feature = "http")]
        Over::Tokens => {
            hidden.clear();
            format!("{name} {version} on HTTP: {all} tools, each caller's as their token says\n")
        }
    };
    text += &format!("  {}\n", service.sandboxes());
    text += &format!("  {}\n", service.audit());
    let mut by_scopes: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (tool, missing) in &hidden {
        by_scopes.entry(missing.join(" ")).or_default().push(tool);
    }
    for (scopes, tools) in &by_scopes {
        text += &format!("  hidden without `{scopes}`: {}\n", tools.join(", "));
    }
    for (scope, meant) in service.idle_grants() {
        let meant = meant.map(|meant| format!("; did you mean `{meant}`?")).unwrap_or_default();
        text += &format!("  no tool needs `{scope}`{meant}\n");
    }
    for (broader, narrower, meant) in service.idle_implications() {
        let meant = meant.map(|meant| format!("; did you mean `{meant}`?")).unwrap_or_default();
        text += &format!("  no tool needs `{narrower}`, which `{broader}` implies{meant}\n");
    }
    if !hidden.is_empty() {
        let idle = service.idle_grants();
        let granted = grants.scopes.iter().flat_map(|scopes| scopes.split_whitespace());
        let mut needed: Vec<&str> =
            granted.filter(|scope| idle.iter().all(|(idle, _)| idle != scope)).collect();
        for scope in hidden.iter().flat_map(|(_, missing)| missing) {
            if !needed.contains(scope) {
                needed.push(scope);
            }
        }
        let http = if matches!(over, Over::Stdio) { "" } else { " --http ADDRESS" };
        text += &format!("help: to show them all: {name} serve{http} --grant \"{}\"\n", needed.join(" "));
    }
    text
}
