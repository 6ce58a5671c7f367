//! Prints the reference of a server as one HTML page that needs no server.

mod card;
mod example;
mod markup;

use std::{collections::BTreeMap, fmt::Write as _};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha2::{Digest as _, Sha256};

use super::{
    cost::{self, thousands},
    enforcement::{EnforcedBy, enforcement},
    explanation::explanation,
    outline::Outline,
};
use crate::tool::descriptor::{Descriptor, Effect};
pub(super) use example::arguments;
pub(crate) use markup::escaped;
use markup::prose;

const PAGE_TEMPLATE: &str = include_str!("page/page.html");
const PAGE_STYLE: &str = include_str!("page/page.css");
const PAGE_SCRIPT: &str = include_str!("page/page.js");

/// Prints the reference of a server.
pub(crate) fn page(outline: &Outline) -> String {
    let about = &outline.about;
    fill(PAGE_TEMPLATE, |name| match name {
        "policy" => policy(),
        "style" => PAGE_STYLE.to_owned(),
        "script" => PAGE_SCRIPT.to_owned(),
        "candor" => env!("CARGO_PKG_VERSION").to_owned(),
        "title" => escaped(about.title.as_ref().unwrap_or(&about.name)),
        "name" => escaped(&about.name),
        "version" => escaped(&about.version),
        "instructions" => about.instructions.as_deref().map(prose).unwrap_or_default(),
        "facts" => facts(outline),
        "start" => start(outline),
        "count" => count(outline.registry.tools().len(), "tool"),
        "effects" => effects(outline),
        "index" => index(outline),
        "scopes" => scopes(outline),
        "cards" => outline.registry.tools().iter().zip(&outline.listed).fold(
            String::new(),
            |mut cards, (definition, listed)| {
                card::write(&mut cards, definition, listed, outline);
                cards
            },
        ),
        "words" => words(outline),
        _ => unreachable!("the template has no such place"),
    })
}

/// Replaces each `{{name}}` of a template. A value is never read as a template itself.
pub(crate) fn fill(template: &str, value: impl Fn(&str) -> String) -> String {
    let mut parts = template.split("{{");
    let mut page = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once("}}").expect("the template closes each place");
        page.push_str(&value(name));
        page.push_str(rest);
    }
    page
}

/// The content security policy of the page: its own style and script run, nothing else does, and nothing is fetched.
fn policy() -> String {
    let digest = |text: &str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)));
    format!(
        "default-src 'none'; style-src {}; script-src {}; img-src data:; base-uri 'none'; form-action 'none'; \
         require-trusted-types-for 'script'; trusted-types 'none'",
        digest(PAGE_STYLE),
        digest(PAGE_SCRIPT),
    )
}

fn facts(outline: &Outline) -> String {
    let about = &outline.about;
    let revisions: Vec<_> = outline.revisions.iter().map(|revision| revision.as_str()).collect();
    let tokens = outline.listed.iter().map(cost::tokens).sum();
    format!(
        "<bdi>{}</bdi> {} · {} · MCP {} · the list costs a model about {} tokens",
        escaped(&about.name),
        escaped(&about.version),
        count(outline.registry.tools().len(), "tool"),
        revisions.join(", "),
        thousands(tokens),
    )
}

/// `prices serve --grant "read:prices write:alerts"`
fn start(outline: &Outline) -> String {
    let scopes: Vec<&str> = tools_by_scope(outline).into_keys().collect();
    let grant = if scopes.is_empty() { String::new() } else { format!(" --grant \"{}\"", scopes.join(" ")) };
    format!("{} serve{}", escaped(&outline.about.name), escaped(&grant))
}

fn effects(outline: &Outline) -> String {
    let mut html = String::new();
    for effect in [Effect::ReadOnly, Effect::Additive, Effect::Destructive] {
        let tools = descriptors(outline).filter(|tool| tool.effect == effect).count();
        if tools > 0 {
            let word = effect.word();
            let _ = write!(
                html,
                "<button type=\"button\" data-effect=\"{word}\" aria-pressed=\"false\"><span class=\"shape {word}\"></span>{} \
                 {tools}</button>",
                shown(word),
            );
        }
    }
    html
}

fn index(outline: &Outline) -> String {
    let mut html = String::new();
    for tool in descriptors(outline) {
        let name = tool.name;
        let old = if tool.deprecated.is_some() { " class=\"old\"" } else { "" };
        let _ = writeln!(
            html,
            "<li><a href=\"#tool-{name}\"><span class=\"shape {}\"></span><span{old}>{name}</span></a></li>",
            tool.effect.word(),
        );
    }
    html
}

fn scopes(outline: &Outline) -> String {
    let scopes = tools_by_scope(outline);
    if scopes.is_empty() {
        return String::new();
    }
    let mut html = "<h2 class=\"minor\">Scopes</h2>\n<ul class=\"scopes\">".to_owned();
    for (scope, tools) in scopes {
        let scope = escaped(scope);
        let tools = count(tools, "tool");
        let _ = write!(
            html,
            "<li><button type=\"button\" data-scope=\"{scope}\"><code>{scope}</code> <span>{tools}</span></button></li>"
        );
    }
    html.push_str("</ul>\n");
    html
}

/// Lists the words that the tools declare, each with what enforces it, what it means, and how many tools declare it.
fn words(outline: &Outline) -> String {
    let mut words: BTreeMap<&str, BTreeMap<&[EnforcedBy], usize>> = BTreeMap::new();
    for tool in descriptors(outline) {
        for (word, by) in enforcement(tool, &outline.support, outline.recorded, outline.keys.is_some()) {
            *words.entry(word).or_default().entry(by).or_default() += 1;
        }
    }
    let mut html = String::new();
    for (word, enforced) in words {
        let _ = write!(html, "<dt id=\"word-{word}\"><code>{word}</code>");
        let is_one = enforced.len() == 1;
        for (by, tools) in enforced {
            html.push(' ');
            html.push_str(&mechanisms(by));
            if !is_one || tools < outline.listed.len() {
                let _ = write!(html, " <span>{}</span>", count(tools, "tool"));
            }
        }
        let _ = writeln!(html, "</dt><dd>{}</dd>", markup::line(explanation(word)));
    }
    html
}

/// Marks the mechanisms that enforce a word.
fn mechanisms(by: &[EnforcedBy]) -> String {
    if by.is_empty() {
        return "<b class=\"by declared\">declared</b>".to_owned();
    }
    let mark = |by: &EnforcedBy| format!("<b class=\"by {0}\">{0}</b>", by.word());
    by.iter().map(mark).collect::<Vec<_>>().join(" ")
}

fn tools_by_scope(outline: &Outline) -> BTreeMap<&'static str, usize> {
    let mut scopes = BTreeMap::new();
    for scope in descriptors(outline).flat_map(|tool| tool.scopes) {
        *scopes.entry(*scope).or_default() += 1;
    }
    scopes
}

fn descriptors(outline: &Outline) -> impl Iterator<Item = &'static Descriptor> {
    outline.registry.tools().iter().map(|definition| definition.descriptor)
}

/// A word of the attribute as a person reads it.
fn shown(word: &str) -> String {
    word.replace('_', " ")
}

fn count(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", thousands(number as u64))
}
