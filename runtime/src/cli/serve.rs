//! `serve`: the descriptors first, then the state, then the protocol.

use std::{collections::BTreeMap, process::ExitCode};

use clap::Args;

use super::{DONE, Grants, audit::Log, could_not};
use crate::{
    serve::{Built, Stdio},
    server::Server,
    state::State,
};

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
    #[command(flatten)]
    log: Log,
    /// Say nothing on stderr at the start
    #[arg(long, short)]
    quiet: bool,
}

impl Serve {
    pub(super) fn run<C: State>(self, server: Server<C>) -> ExitCode {
        // Before anything else runs: a database that prints while it opens must not reach the wire.
        let stdio = match Stdio::take() {
            Ok(stdio) => stdio,
            Err(error) => return could_not(&format!("stdin and stdout cannot be taken: {error}")),
        };
        let (name, version) = (server.about.name.clone(), server.about.version.clone());
        let server = if self.read_only { server.read_only() } else { server };
        let server = if self.yes_destructive { server.yes_destructive() } else { server };
        let server = self.log.of(server, self.quiet);
        let built = match server.build() {
            Ok(built) => built.grant(&self.grants.joined()),
            Err(error) => return could_not(&error),
        };
        if !self.quiet {
            eprint!("{}", opening(&name, &version, &built, &self.grants));
            if self.read_only {
                eprintln!("  only tools declared `read_only` are served");
            }
            if self.yes_destructive {
                eprintln!("  nobody is asked before a destructive call");
            }
        }
        let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return could_not(&format!("no threads to serve with: {error}")),
        };
        let served = runtime.block_on(async {
            let (read, write) = stdio.open()?;
            built.clone().serve(read, write).await
        });
        built.stop_audit();
        // A handler that outlived its deadline may still hold a thread; the process does not wait for it.
        runtime.shutdown_background();
        match served {
            Ok(()) => ExitCode::from(DONE),
            Err(error) => could_not(&format!("the connection broke: {error}")),
        }
    }
}

/// What is served, what is hidden, and the flag that shows it.
fn opening(name: &str, version: &str, built: &Built, grants: &Grants) -> String {
    let (all, hidden) = (built.tools(), built.hidden());
    let mut text = format!("{name} {version} on stdio: {} of {all} tools in reach\n", all - hidden.len());
    text += &format!("  {}\n", built.seals());
    text += &format!("  {}\n", built.audit());
    let mut by_scopes: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (tool, missing) in &hidden {
        by_scopes.entry(missing.join(" ")).or_default().push(tool);
    }
    for (scopes, tools) in &by_scopes {
        text += &format!("  hidden without `{scopes}`: {}\n", tools.join(", "));
    }
    for (scope, meant) in built.idle_grants() {
        let meant = meant.map(|meant| format!("; did you mean `{meant}`?")).unwrap_or_default();
        text += &format!("  no tool needs `{scope}`{meant}\n");
    }
    for (broader, narrower, meant) in built.idle_implications() {
        let meant = meant.map(|meant| format!("; did you mean `{meant}`?")).unwrap_or_default();
        text += &format!("  no tool needs `{narrower}`, which `{broader}` implies{meant}\n");
    }
    if !hidden.is_empty() {
        let idle = built.idle_grants();
        let granted = grants.scopes.iter().flat_map(|scopes| scopes.split_whitespace());
        let mut needed: Vec<&str> =
            granted.filter(|scope| idle.iter().all(|(idle, _)| idle != scope)).collect();
        for scope in hidden.iter().flat_map(|(_, missing)| missing) {
            if !needed.contains(scope) {
                needed.push(scope);
            }
        }
        text += &format!("help: to show them all: {name} serve --grant \"{}\"\n", needed.join(" "));
    }
    text
}
