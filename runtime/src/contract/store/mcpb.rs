//! Prints `manifest.json` of an MCP bundle (version 0.4), with which a host installs a program.

use serde_json::{Value, json};

use super::{
    super::outline::Outline, Manifest, length, no_privacy_policy, object, reading_scopes, scopes, url,
};
use crate::{message::Message, publication::Publication};

const MAX_SUMMARY_CHARS: usize = 100;

pub(super) fn print(outline: &Outline, publication: &Publication) -> Manifest {
    let findings = findings(publication);
    if !findings.is_empty() {
        return Manifest { text: None, findings };
    }
    let about = &outline.about;
    let tools = outline.registry.tools().iter().map(|tool| tool.descriptor);
    let tools: Vec<Value> =
        tools.map(|tool| json!({"name": tool.name, "description": tool.description})).collect();
    let has_scopes = !scopes(outline).is_empty();
    let members = object([
        ("manifest_version", Some("0.4".into())),
        ("name", Some(about.name.clone().into())),
        ("display_name", about.title.clone().map(Value::from)),
        ("version", Some(about.version.clone().into())),
        ("description", Some(publication.summary.clone().into())),
        ("long_description", about.instructions.clone().map(Value::from)),
        ("author", publication.author.as_ref().map(|name| json!({"name": name}))),
        ("repository", publication.repository.as_ref().map(|url| json!({"type": "git", "url": url}))),
        ("homepage", publication.website.clone().map(Value::from)),
        ("privacy_policies", publication.privacy_policy.as_ref().map(|url| json!([url]))),
        ("server", Some(server(&about.name, has_scopes))),
        ("tools", Some(tools.into())),
        ("user_config", has_scopes.then(|| user_config(outline))),
    ]);
    Manifest::json(&Value::Object(members), Vec::new())
}

/// The program in the bundle, which stands in the folder `server`.
fn server(name: &str, has_scopes: bool) -> Value {
    let arguments: &[&str] =
        if has_scopes { &["serve", "--grant", "${user_config.scopes}"] } else { &["serve"] };
    json!({
        "type": "binary",
        "entry_point": format!("server/{name}"),
        "mcp_config": {
            "command": format!("${{__dirname}}/server/{name}"),
            "args": arguments,
            "platform_overrides": {"win32": {"command": format!("${{__dirname}}/server/{name}.exe")}},
        },
    })
}

fn user_config(outline: &Outline) -> Value {
    let description = format!(
        "The scopes to grant, separated by spaces: {}. Tools of other scopes are hidden.",
        scopes(outline).join(", ")
    );
    json!({"scopes": {
        "type": "string",
        "title": "Scopes",
        "description": description,
        "default": reading_scopes(outline),
        "required": false,
    }})
}

fn findings(publication: &Publication) -> Vec<Message> {
    let no_author = publication.author.is_none().then(|| {
        Message::new("the publication has no author")
            .note("a bundle names the person or the company that made it")
            .help("add `.author(\"…\")` to the `Publication`")
    });
    [
        publication.privacy_policy.is_none().then(no_privacy_policy),
        url("the privacy policy", publication.privacy_policy.as_deref()),
        no_author,
        length("the summary", &publication.summary, MAX_SUMMARY_CHARS),
        url("the repository", publication.repository.as_deref()),
        url("the website", publication.website.as_deref()),
    ]
    .into_iter()
    .flatten()
    .collect()
}
