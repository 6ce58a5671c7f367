//! `doctor`: reports what the server declares, and what enforces each declaration on this machine.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use crate::{
    contract::{
        EnforcedBy, Outline,
        cost::{self, thousands},
        enforcement,
    },
    ordered::CollectOrdered as _,
    sandbox::{Support, WordSupport},
    tool::descriptor::{Descriptor, Effect, IdempotencyKey},
    warnings::warnings,
};

/// The transports that this program was built with.
const TRANSPORTS: &str = if cfg!(feature = "http") { "stdio, HTTP" } else { "stdio" };

/// The report.
pub(super) fn report(outline: &Outline) -> String {
    let about = &outline.about;
    let mut text = format!("{} {} (candor {})\n", about.name, about.version, env!("CARGO_PKG_VERSION"));
    let revisions: Vec<_> = outline.revisions.iter().map(|revision| revision.as_str()).collect();
    let _ = writeln!(text, "MCP revisions: {}", revisions.join(", "));
    let _ = writeln!(text, "transports: {TRANSPORTS}");
    let tools: Vec<&Descriptor> = outline.registry.tools().iter().map(|tool| tool.descriptor).collect();
    let _ = writeln!(text, "\ntools: {}", tools.len());
    for effect in [Effect::ReadOnly, Effect::Additive, Effect::Destructive] {
        let names: Vec<&str> =
            tools.iter().filter(|tool| tool.effect == effect).map(|tool| tool.name).collect();
        if !names.is_empty() {
            let _ = writeln!(text, "  {:<12} {}", effect.word(), names.join(", "));
        }
    }
    tokens(&mut text, outline);
    scopes(&mut text, &tools);
    enforced(&mut text, &tools, outline);
    sandbox(&mut text, &tools, &outline.support);
    log(&mut text, outline);
    keys(&mut text, outline);
    fields(&mut text, outline);
    for warning in warnings(outline.registry.tools()) {
        let _ = writeln!(text, "\nwarning: {warning}");
    }
    text
}

/// Reports the tokens that the list of tools costs a model, the most expensive tools first.
fn tokens(text: &mut String, outline: &Outline) {
    let mut tools: Vec<(u64, &str)> = outline
        .listed
        .iter()
        .zip(outline.registry.tools())
        .map(|(listed, tool)| (cost::tokens(listed), tool.name()))
        .collect();
    let total = thousands(tools.iter().map(|(tokens, _)| tokens).sum());
    let _ = writeln!(text, "\nthe list costs a model about {total} tokens (an estimate):");
    tools.sort_unstable_by_key(|(tokens, name)| (Reverse(*tokens), *name));
    for (tokens, name) in &tools {
        let _ = writeln!(text, "  {:>width$}  {name}", thousands(*tokens), width = total.len());
    }
}

fn scopes(text: &mut String, tools: &[&Descriptor]) {
    let mut scopes: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for tool in tools {
        for scope in tool.scopes {
            scopes.entry(scope).or_default().push(tool.name);
        }
    }
    let _ = writeln!(text, "\nscopes: {}", scopes.len());
    let width = scopes.keys().map(|scope| scope.len()).max().unwrap_or(0);
    for (scope, tools) in scopes {
        let _ = writeln!(text, "  {scope:width$}  {}", tools.join(", "));
    }
    let public: Vec<&str> =
        tools.iter().filter(|tool| tool.scopes.is_empty()).map(|tool| tool.name).collect();
    if !public.is_empty() {
        let _ = writeln!(text, "  without a scope: {}", public.join(", "));
    }
}

fn enforced(text: &mut String, tools: &[&Descriptor], outline: &Outline) {
    let mut words: BTreeMap<(&str, &[EnforcedBy]), Vec<&str>> = BTreeMap::new();
    for tool in tools {
        for word in enforcement(tool, &outline.support, outline.recorded, outline.keys.is_some()) {
            words.entry(word).or_default().push(tool.name);
        }
    }
    let (enforced, unenforced): (Vec<_>, Vec<_>) = words.into_iter().partition(|((_, by), _)| !by.is_empty());
    text.push_str("\nenforced here:\n");
    for ((word, by), tools) in enforced {
        let by: Vec<&str> = by.iter().map(|by| by.word()).collect();
        let _ = writeln!(text, "  {word:<16} by the {:<23} {}", by.join(" and the "), count(&tools));
    }
    if !unenforced.is_empty() {
        text.push_str("\ndeclared, but not enforced by this version:\n");
        for ((word, _), tools) in unenforced {
            let _ = writeln!(text, "  {word:<16} {}", tools.join(", "));
        }
    }
}

/// Reports what the kernel of this machine enforces, and what the sandbox does not cover.
fn sandbox(text: &mut String, tools: &[&Descriptor], support: &Support) {
    text.push_str("\nthe kernel of this machine:\n");
    for WordSupport { word, enforced, exceptions } in support.words() {
        let _ = match enforced {
            Ok(()) => writeln!(text, "  {word:<16} enforced{exceptions}"),
            Err(reason) => writeln!(text, "  {word:<16} not enforced: {reason}"),
        };
    }
    for tool in tools {
        if let Some(reason) = tool.unsandboxed {
            let _ = writeln!(text, "  `{}` is not sandboxed: {reason}", tool.name);
        }
    }
    text.push_str(
        "  The sandbox does not cover file descriptors opened earlier, state shared with unsandboxed tools, or local IPC.\n",
    );
}

/// Reports the folder of the audit log, and whether the log is signed.
fn log(text: &mut String, outline: &Outline) {
    text.push_str("\nthe audit log:\n");
    let _ = match &outline.log {
        Some(log) if log.usual_signing_key().exists() => {
            writeln!(text, "  {}, signed by {}", log.folder().display(), log.usual_signing_key().display())
        }
        Some(log) => writeln!(
            text,
            "  {}\n  not signed, so a rewritten or truncated log cannot be detected; `audit key new` creates a key",
            log.folder().display()
        ),
        None if outline.recorded => {
            writeln!(text, "  {}", crate::audit::NO_FOLDER)
        }
        None => writeln!(text, "  none: this server is declared `unaudited`"),
    };
}

/// Reports where idempotency keys are kept, if a tool takes one.
fn keys(text: &mut String, outline: &Outline) {
    let mut tools = outline.registry.tools().iter().map(|tool| tool.descriptor);
    if tools.all(|tool| tool.idempotency_key == IdempotencyKey::None) {
        return;
    }
    text.push_str("\nidempotency keys:\n");
    let _ = match &outline.keys {
        Some(place) => {
            writeln!(text, "  {place}; results are replayed for 24 h, and keys are known for 7 days more")
        }
        None => writeln!(text, "  not kept: a call that is sent again runs again"),
    };
}

/// Warns of fields of parameters that models know by their names only.
fn fields(text: &mut String, outline: &Outline) {
    let fields: BTreeSet<&str> = outline
        .registry
        .tools()
        .iter()
        .flat_map(|tool| tool.input.undescribed.iter().map(String::as_str))
        .collect_ordered();
    if !fields.is_empty() {
        let fields: Vec<&str> = fields.into_iter().collect();
        text.push_str(
            "\nwarning: fields of parameters without a description, which models guess from their names:\n",
        );
        let _ = writeln!(text, "  {}\n  Add a `///` comment above each.", fields.join(", "));
    }
}

fn count(tools: &[&str]) -> String {
    if tools.len() == 1 { "1 tool".to_owned() } else { format!("{} tools", tools.len()) }
}
