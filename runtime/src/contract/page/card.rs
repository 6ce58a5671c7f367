//! Writes the card of one tool.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::{
    super::{
        cost::{self, thousands},
        enforcement::enforcement,
        outline::Outline,
        reference::ty,
    },
    example::Example,
    markup::{code, escaped, line, prose, schema},
    mechanisms, shown,
};
use crate::{
    registry::Definition,
    tool::descriptor::{Confirm, Descriptor, IdempotencyKey, Param, Task},
};

pub(super) fn write(page: &mut String, definition: &Definition, listed: &Value, outline: &Outline) {
    let tool = definition.descriptor;
    let (name, effect) = (tool.name, tool.effect.word());
    let _ = write!(
        page,
        "<article class=\"tool\" id=\"tool-{name}\" data-effect=\"{effect}\">\n<div class=\"about\">\n<header>\n\
         <h2><a href=\"#tool-{name}\">{name}</a></h2>\n<p class=\"title\" dir=\"auto\">{}</p>\n",
        escaped(tool.title),
    );
    badges(page, tool, cost::tokens(listed));
    page.push_str("</header>\n");
    if let Some(deprecated) = tool.deprecated {
        let instead = deprecated.use_instead.map(|tool| format!(": use <a href=\"#tool-{tool}\">{tool}</a>"));
        let _ = writeln!(
            page,
            "<p class=\"warn\">Deprecated since {}, gone in {}{}.</p>",
            escaped(deprecated.since),
            escaped(deprecated.remove_in),
            instead.unwrap_or_default(),
        );
    }
    let _ = writeln!(page, "<div class=\"prose\">{}</div>", prose(tool.description));
    parameters(page, definition);
    notes(page, tool, outline);
    words(page, tool, outline);
    page.push_str("</div>\n<div class=\"code\">\n");
    examples(page, &Example::new(definition, outline));
    let _ = writeln!(
        page,
        "<details><summary>Input schema</summary><pre><code>{}</code></pre></details>",
        schema(&Value::Object(definition.input.schema.clone())),
    );
    if let Some(output) = definition.output.schema(false) {
        let _ = writeln!(
            page,
            "<details><summary>Output schema</summary><pre><code>{}</code></pre></details>",
            schema(&Value::Object(output)),
        );
    }
    page.push_str("</div>\n</article>\n");
}

fn badges(page: &mut String, tool: &Descriptor, tokens: u64) {
    let effect = tool.effect.word();
    let _ = write!(page, "<ul class=\"badges\"><li class=\"{effect}\">{}</li>", shown(effect));
    if tool.idempotent {
        page.push_str("<li>idempotent</li>");
    }
    page.push_str(if tool.closed_world { "<li>closed world</li>" } else { "<li>open world</li>" });
    if tool.scopes.is_empty() {
        page.push_str("<li>public</li>");
    }
    for scope in tool.scopes {
        let _ = write!(page, "<li class=\"scope\">{}</li>", escaped(scope));
    }
    let _ = writeln!(page, "<li class=\"cost\">{} tokens</li></ul>", thousands(tokens));
}

fn parameters(page: &mut String, definition: &Definition) {
    let tool = definition.descriptor;
    page.push_str("<h3>Parameters</h3>\n");
    if tool.params.is_empty() {
        page.push_str("<p class=\"note\">None.</p>\n");
        return;
    }
    page.push_str(
        "<table><thead><tr><th scope=\"col\">Name</th><th scope=\"col\">Meaning</th></tr></thead><tbody>\n",
    );
    let properties = definition.input.schema.get("properties").and_then(Value::as_object);
    for param in tool.params {
        let schema = properties.and_then(|properties| properties.get(param.name)).and_then(Value::as_object);
        row(page, param, schema);
    }
    page.push_str("</tbody></table>\n");
    for rule in tool.rules {
        let _ = writeln!(page, "<p class=\"note\">Takes {}.</p>", line(&rule.to_string()));
    }
}

fn row(page: &mut String, param: &Param, schema: Option<&Map<String, Value>>) {
    let need = if param.optional { "" } else { "<span class=\"must\">required</span>" };
    let _ = write!(
        page,
        "<tr><th scope=\"row\"><code>{}</code>{need}<span dir=\"auto\">{}</span></th><td dir=\"auto\">{}",
        param.name,
        line(&schema.map(ty).unwrap_or_default()),
        line(param.description),
    );
    let mut small = |text: String| _ = write!(page, "<small>{text}</small>");
    if let Some(default) = param.default {
        small(format!("Default <code>{}</code>", code(&default.to_json().to_string())));
    }
    if param.secret {
        small("Secret: its value never appears in logs and records.".to_owned());
    }
    if param.volatile {
        small("Ignored when two calls are compared.".to_owned());
    }
    page.push_str("</td></tr>\n");
}

/// Says in sentences what a caller must know beside the parameters.
fn notes(page: &mut String, tool: &Descriptor, outline: &Outline) {
    let mut note = |text: &str| _ = writeln!(page, "<p class=\"note\">{text}</p>");
    if !tool.aliases.is_empty() {
        let aliases: Vec<String> = tool.aliases.iter().map(|alias| format!("<code>{alias}</code>")).collect();
        note(&format!("Also answers to its earlier names: {}.", aliases.join(", ")));
    }
    match tool.confirm {
        Confirm::Never => {}
        Confirm::Always => note("The user confirms each call, so the client must support elicitation."),
        Confirm::When { param, is } => note(&format!(
            "The user confirms calls in which <code>{param}</code> is <code>{}</code>, so the client must support elicitation.",
            code(&is.to_json().to_string()),
        )),
    }
    match tool.task {
        None => {}
        Some(Task::Optional) => note("Answers with a task if the client supports tasks."),
        Some(Task::Required) => note("Answers with a task: only clients that support tasks can call it."),
    }
    if outline.keys.is_some() && tool.idempotency_key == IdempotencyKey::Required {
        note(
            "Needs an idempotency key. A call that is sent again within 24 h with its key does not run twice.",
        );
    }
    if let Some(reason) = tool.unsandboxed {
        note(&format!("Runs outside the sandbox: <bdi>{}</bdi>", line(reason)));
    }
    if let Some(effect) = tool.public_effect {
        note(&format!("The public sees its effect: <bdi>{}</bdi>", line(effect)));
    }
}

fn words(page: &mut String, tool: &Descriptor, outline: &Outline) {
    page.push_str("<h3>Enforcement</h3>\n<ul class=\"kept\">\n");
    for (word, by) in enforcement(tool, &outline.support, outline.recorded, outline.keys.is_some()) {
        let value = value(tool, word).map(|value| format!(" <i>{}</i>", escaped(&value))).unwrap_or_default();
        let by = mechanisms(by);
        let _ = writeln!(page, "<li><a href=\"#word-{word}\">{word}</a> {by}{value}</li>");
    }
    page.push_str("</ul>\n");
}

/// The value that a tool declares for a word.
fn value(tool: &Descriptor, word: &str) -> Option<String> {
    match word {
        "timeout" => Some(format!("{} s", tool.timeout.as_secs_f64())),
        "rate" => tool.rate.map(|rate| rate.to_string()),
        "max_in_flight" => tool.max_in_flight.map(|calls| calls.to_string()),
        "retry" => Some(tool.retry.to_string()),
        "audit" => Some(shown(tool.audit.word())),
        "confirm" => Some(tool.confirm.to_string()),
        "idempotency_key" => Some(tool.idempotency_key.word().to_owned()),
        "task" => tool.task.map(|task| task.word().to_owned()),
        "output" => tool
            .max_output
            .map(|bytes| usize::try_from(bytes).map_or_else(|_| bytes.to_string(), crate::text::size)),
        _ => None,
    }
}

fn examples(page: &mut String, example: &Example) {
    page.push_str("<div class=\"call\">");
    for (of, text) in [
        ("CLI", &example.cli),
        ("JSON-RPC", &example.rpc),
        ("Python", &example.python),
        ("TypeScript", &example.typescript),
    ] {
        let _ = write!(page, "<pre data-of=\"{of}\"><code>{}</code></pre>", code(text));
    }
    page.push_str("</div>\n");
}
