//! Prints a server in the formats of hosts, registries and stores, and reports what they will refuse.

mod chatgpt;
mod claude;
mod mcpb;
mod server_json;

use serde_json::{Map, Value, json};

use super::{manifest::manifest, outline::Outline};
use crate::{message::Message, ordered::CollectOrdered as _, publication::Publication};

/// A format of [`Server::manifest_as`](crate::Server::manifest_as).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[non_exhaustive]
pub enum ManifestFormat {
    /// Everything that is declared, as canonical JSON
    #[default]
    Candor,
    /// The answer to `tools/list` of a caller with every scope
    Mcp,
    /// `server.json` of the MCP registry, schema 2025-12-11
    ServerJson,
    /// `manifest.json` of an MCP bundle, version 0.4
    Mcpb,
    /// `chatgpt-app-submission.json`, with a justification of every hint
    #[cfg_attr(feature = "cli", value(name = "chatgpt"))]
    ChatGpt,
    /// A report on what the Claude directory asks for
    Claude,
}

/// A printed manifest.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Manifest {
    /// The text; `None` if a finding makes it useless.
    pub text: Option<String>,
    /// The reasons for which the reader of the format will refuse the server.
    pub findings: Vec<Message>,
}

impl Manifest {
    fn json(value: &Value, findings: Vec<Message>) -> Self {
        let text = serde_json::to_string_pretty(value).expect("JSON values have string keys");
        Self { text: Some(text + "\n"), findings }
    }
}

/// Prints a server in a format.
pub(crate) fn manifest_as(format: ManifestFormat, outline: &Outline) -> Manifest {
    let published = |print: fn(&Outline, &Publication) -> Manifest| match &outline.publication {
        Some(publication) => print(outline, publication),
        None => Manifest { text: None, findings: vec![unpublished(outline)] },
    };
    match format {
        ManifestFormat::Candor => Manifest { text: Some(manifest(outline)), findings: Vec::new() },
        ManifestFormat::Mcp => Manifest::json(&json!({"tools": outline.listed}), Vec::new()),
        ManifestFormat::ServerJson => published(server_json::print),
        ManifestFormat::Mcpb => published(mcpb::print),
        ManifestFormat::ChatGpt => published(chatgpt::print),
        ManifestFormat::Claude => claude::print(outline),
    }
}

fn unpublished(outline: &Outline) -> Message {
    Message::new(format!("server `{}` does not say how it is published", outline.about.name))
        .help("add `.publication(Publication::new(\"io.github.you/name\", \"A summary\"))` to the server")
}

/// Reports that nothing leads to the privacy policy.
fn no_privacy_policy() -> Message {
    Message::new("the server has no privacy policy")
        .note("stores take no server without the URL of one")
        .help("add `.privacy_policy(\"https://…\")` to the `Publication`")
}

/// Reports a text of a wrong length, in characters.
fn length(what: &str, text: &str, max: usize) -> Option<Message> {
    let length = text.chars().count();
    let fact = match length {
        0 => format!("{what} is empty"),
        length if length > max => format!("{what} has {length} characters, and at most {max} are accepted"),
        _ => return None,
    };
    Some(Message::new(fact).help("change the text in the `Publication` or the server"))
}

/// Reports a URL that is not one of the web.
fn url(what: &str, url: Option<&str>) -> Option<Message> {
    let url = url?;
    let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let is_url = host.is_some_and(|host| !host.is_empty() && !host.starts_with('/'));
    (!is_url || url.contains(char::is_whitespace)).then(|| {
        Message::new(format!("{what} is not a URL")).help("write it whole, with `https://` in front")
    })
}

/// The scopes that the tools need, in alphabetical order.
fn scopes(outline: &Outline) -> Vec<&'static str> {
    let mut scopes: Vec<_> =
        outline.registry.tools().iter().flat_map(|tool| tool.descriptor.scopes).copied().collect();
    scopes.sort_unstable();
    scopes.dedup();
    scopes
}

/// The scopes that give access to `read_only` tools alone, which are safe to grant at installation.
fn reading_scopes(outline: &Outline) -> String {
    let writers = || outline.registry.tools().iter().filter(|tool| !tool.descriptor.is_read_only());
    let is_reading = |scope: &&str| !writers().any(|tool| tool.descriptor.scopes.contains(scope));
    scopes(outline).into_iter().filter(is_reading).collect::<Vec<_>>().join(" ")
}

/// Makes an object of the members that have a value.
fn object<'a>(members: impl IntoIterator<Item = (&'a str, Option<Value>)>) -> Map<String, Value> {
    members.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect_ordered()
}
