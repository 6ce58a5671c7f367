//! Writes the lines that `serve` prints at its start: which tools are available, which are hidden, and the flag that
//! shows them.

use std::collections::BTreeMap;

use super::Grants;
use crate::{message::Message, serve::Service};

/// How callers reach the server.
#[derive(Clone, Copy)]
pub(super) enum Reach {
    Stdio,
    /// Over HTTP without a token.
    #[cfg(feature = "http")]
    Http,
    /// Over HTTP, where each caller's token decides which tools they may call.
    #[cfg(feature = "http")]
    HttpWithTokens,
}

pub(super) fn opening(reach: Reach, service: &Service, grants: &Grants) -> String {
    let (name, version) = service.name();
    let all = service.tools();
    #[cfg(feature = "http")]
    let hidden = if matches!(reach, Reach::HttpWithTokens) { Vec::new() } else { service.hidden() };
    #[cfg(not(feature = "http"))]
    let hidden = service.hidden();
    let available = all - hidden.len();
    let mut text = match reach {
        Reach::Stdio => format!("{name} {version} on stdio: {available} of {all} tools available\n"),
        #[cfg(feature = "http")]
        Reach::Http => {
            format!("{name} {version} on HTTP: {available} of {all} tools available to every caller\n")
        }
        #[cfg(feature = "http")]
        Reach::HttpWithTokens => {
            format!("{name} {version} on HTTP: {all} tools, available according to each caller's token\n")
        }
    };
    if let Some(replica) = service.replica() {
        text += &format!("  replica {replica}\n");
    }
    text += &format!("  {}\n  {}\n", service.sandboxes(), service.audit());
    if let Some(keys) = service.keys() {
        text += &format!("  {keys}\n");
    }
    let mut by_scopes: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (tool, missing) in &hidden {
        by_scopes.entry(missing.join(" ")).or_default().push(tool);
    }
    if !hidden.is_empty() {
        let facts: Vec<String> = by_scopes
            .iter()
            .map(|(scopes, tools)| format!("hidden without `{scopes}`: {}", tools.join(", ")))
            .collect();
        let scopes = grants_for_all(service, grants, &hidden).join(" ");
        text += &format!("  {}\n", help(Message::new(facts.join("\n  ")), reach, name, &scopes));
    }
    text += &unused_scopes(service);
    for warning in service.warnings() {
        text += &format!("warning: {warning}\n");
    }
    text
}

/// Adds the commands that show hidden tools.
fn help(hidden: Message, reach: Reach, name: &str, scopes: &str) -> Message {
    match reach {
        Reach::Stdio => hidden.help(format!("to show them all: {name} serve --grant \"{scopes}\"")),
        // Of the two ways, the first gives each caller no more than it needs.
        #[cfg(feature = "http")]
        _ => hidden
            .help(format!(
                "to give each caller a key: {name} token new --subject NAME --scope \"{scopes}\" --file FILE, then {name} serve --http ADDRESS --tokens FILE"
            ))
            .help(format!(
                "to show them all to every program of this machine: {name} serve --http ADDRESS --grant \"{scopes}\""
            )),
    }
}

/// The scopes that were granted or implied although no tool requires them.
fn unused_scopes(service: &Service) -> String {
    let mut text = String::new();
    for (scope, nearest) in service.idle_grants() {
        let suggestion = nearest.map(|nearest| format!("; did you mean `{nearest}`?")).unwrap_or_default();
        text += &format!("  no tool needs `{scope}`{suggestion}\n");
    }
    for (broader, narrower, nearest) in service.idle_implications() {
        let suggestion = nearest.map(|nearest| format!("; did you mean `{nearest}`?")).unwrap_or_default();
        text += &format!("  no tool needs `{narrower}`, which `{broader}` implies{suggestion}\n");
    }
    text
}

/// The useful ones of the current grants, and the scopes that are missing.
fn grants_for_all<'a>(
    service: &Service,
    grants: &'a Grants,
    hidden: &[(&'static str, Vec<&'static str>)],
) -> Vec<&'a str> {
    let unused = service.idle_grants();
    let granted = grants.scopes.iter().flat_map(|scopes| scopes.split_whitespace());
    let mut scopes: Vec<&str> =
        granted.filter(|scope| unused.iter().all(|(unused, _)| unused != scope)).collect();
    for scope in hidden.iter().flat_map(|(_, missing)| missing) {
        if !scopes.contains(scope) {
            scopes.push(scope);
        }
    }
    scopes
}
