//! Prints `server.json`, by which the MCP registry lists a server (schema 2025-12-11).

use serde_json::{Value, json};

use super::{super::outline::Outline, Manifest, length, object, scopes, url};
use crate::{message::Message, publication::Publication};

const SERVER_JSON_SCHEMA: &str =
    "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json";
const MAX_TEXT_CHARS: usize = 100;
const MAX_VERSION_CHARS: usize = 255;

pub(super) fn print(outline: &Outline, publication: &Publication) -> Manifest {
    let findings = findings(outline, publication);
    if !findings.is_empty() {
        return Manifest { text: None, findings };
    }
    let about = &outline.about;
    let package = publication.package.as_ref().map(|package| {
        let package = json!({
            "registryType": "cargo",
            "registryBaseUrl": "https://crates.io",
            "identifier": package,
            "version": about.version,
            "transport": {"type": "stdio"},
            "packageArguments": arguments(outline),
        });
        json!([package])
    });
    let remote = |url| json!([{"type": "streamable-http", "url": url}]);
    let members = object([
        ("$schema", Some(SERVER_JSON_SCHEMA.into())),
        ("name", Some(publication.name.clone().into())),
        ("title", about.title.clone().map(Value::from)),
        ("description", Some(publication.summary.clone().into())),
        ("version", Some(about.version.clone().into())),
        ("repository", publication.repository.as_deref().and_then(repository)),
        ("websiteUrl", publication.website.clone().map(Value::from)),
        ("packages", package),
        ("remotes", publication.remote.as_ref().map(remote)),
    ]);
    Manifest::json(&Value::Object(members), Vec::new())
}

/// The arguments of the program. The user chooses the scopes: nothing is granted otherwise.
fn arguments(outline: &Outline) -> Value {
    let scopes = scopes(outline).join(" ");
    let mut arguments = vec![json!({"type": "positional", "value": "serve"})];
    if !scopes.is_empty() {
        arguments.push(json!({
            "type": "named",
            "name": "--grant",
            "description": "The scopes to grant, separated by spaces; tools of other scopes are hidden",
            "placeholder": scopes,
        }));
    }
    arguments.into()
}

/// The repository, if it is on a host that the registry knows.
fn repository(url: &str) -> Option<Value> {
    let source = ["github", "gitlab"].into_iter().find(|host| url.contains(&format!("//{host}.com/")))?;
    Some(json!({"url": url, "source": source}))
}

fn findings(outline: &Outline, publication: &Publication) -> Vec<Message> {
    let Publication { name, summary, repository, website, remote, .. } = publication;
    let is_whole = |part: &str, signs: &str| {
        !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || signs.contains(c))
    };
    let is_name =
        name.split_once('/').is_some_and(|(domain, name)| is_whole(domain, ".-") && is_whole(name, "._-"))
            && (3..=200).contains(&name.len());
    let wrong_name = (!is_name).then(|| {
        Message::new("the name of the publication is not a name of the registry")
            .note("the registry takes letters, digits, `.` and `-`, one `/`, and then also `_`; 3 to 200 in all")
            .help("write your domain in reverse and a name, for example `io.github.ada/prices`")
    });
    let version = &outline.about.version;
    let range =
        version.starts_with(['^', '~', '>', '<', '=']) || version.contains('*') || version == "latest";
    let wrong_version = range.then(|| {
        Message::new("the server's version is a range")
            .help("give `Server::new` one version, such as `1.0.2`")
    });
    let nowhere = (publication.package.is_none() && remote.is_none()).then(|| {
        Message::new("the publication does not say where the server is").help(
            "add `.package(\"crate-name\")`, or `.remote(\"https://…\")` for a server that runs already",
        )
    });
    let unknown_host = repository.as_deref().filter(|url| self::repository(url).is_none()).map(|_| {
        Message::new("the registry does not know the host of the repository")
            .help("give a URL on github.com or gitlab.com, or use `.website(…)` instead")
    });
    [
        wrong_name,
        length("the summary", summary, MAX_TEXT_CHARS),
        outline.about.title.as_ref().and_then(|title| length("the title", title, MAX_TEXT_CHARS)),
        length("the version", version, MAX_VERSION_CHARS),
        wrong_version,
        nowhere,
        unknown_host,
        url("the website", website.as_deref()),
        url("the remote", remote.as_deref()),
    ]
    .into_iter()
    .flatten()
    .collect()
}
