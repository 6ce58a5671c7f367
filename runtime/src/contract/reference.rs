//! Prints the reference of a server in Markdown: a table of the tools, then a section for each tool.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::{
    cost::{self, thousands},
    outline::Outline,
};
use crate::{
    registry::Definition,
    tool::descriptor::{Descriptor, Effect, IdempotencyKey, Param, Rule, Task},
};

/// Prints the reference of a server.
pub(crate) fn reference(outline: &Outline) -> String {
    let about = &outline.about;
    let mut page = format!("# {}\n\n", about.title.as_ref().unwrap_or(&about.name));
    if let Some(instructions) = &about.instructions {
        let _ = writeln!(page, "{instructions}\n");
    }
    let revisions: Vec<_> = outline.revisions.iter().map(|revision| revision.as_str()).collect();
    let _ = writeln!(page, "Version {}. MCP revisions {}.\n", about.version, revisions.join(", "));
    let tokens = outline.listed.iter().map(cost::tokens).sum();
    let _ = writeln!(page, "The list costs a model about {} tokens.\n", thousands(tokens));
    page.push_str("| tool | effect | needs | what it does |\n| --- | --- | --- | --- |\n");
    for tool in outline.registry.tools() {
        let tool = tool.descriptor;
        let _ = writeln!(
            page,
            "| [`{name}`](#{name}) | {effect} | {needs} | {first} |",
            name = tool.name,
            effect = effect(tool),
            needs = needs(tool),
            first = cell(first_line(tool.description)),
        );
    }
    for (tool, listed) in outline.registry.tools().iter().zip(&outline.listed) {
        section(&mut page, outline, tool, listed);
    }
    page
}

fn section(page: &mut String, outline: &Outline, definition: &Definition, listed: &Value) {
    let (tool, program) = (definition.descriptor, &outline.about.name);
    let _ = write!(page, "\n## {}\n\n", tool.name);
    if let Some(deprecated) = tool.deprecated {
        let instead =
            deprecated.use_instead.map(|tool| format!("; use [`{tool}`](#{tool})")).unwrap_or_default();
        let _ = write!(
            page,
            "> Deprecated since {}, gone in {}{instead}.\n\n",
            deprecated.since, deprecated.remove_in
        );
    }
    let _ = write!(page, "**{}.** {}\n\n", tool.title, tool.description);
    if !tool.aliases.is_empty() {
        let aliases: Vec<String> = tool.aliases.iter().map(|alias| format!("`{alias}`")).collect();
        let _ = writeln!(page, "- Also answers to its earlier names: {}.", aliases.join(", "));
    }
    let _ = writeln!(page, "- Effect: {}.", effect_in_words(tool));
    let reach =
        if tool.closed_world { "only what this server holds" } else { "systems outside this server as well" };
    let _ = writeln!(page, "- Reaches {reach}.");
    let _ = writeln!(page, "- Needs {}.", needs(tool));
    let _ = writeln!(page, "- Answers within {} s.", tool.timeout.as_secs_f64());
    let _ = writeln!(page, "- Costs about {} tokens in the list.", thousands(cost::tokens(listed)));
    match tool.task {
        None => {}
        Some(Task::Optional) => page.push_str("- Answers with a task if the client supports tasks.\n"),
        Some(Task::Required) => {
            page.push_str("- Answers with a task; only clients that support tasks can call it.\n");
        }
    }
    if outline.keys.is_some() {
        page.push_str(match tool.idempotency_key {
            IdempotencyKey::None => "",
            IdempotencyKey::Optional => {
                "- Takes an idempotency key: a call that is sent again within 24 h with its key does not run twice.\n"
            }
            IdempotencyKey::Required => {
                "- Needs an idempotency key: a call that is sent again within 24 h with its key does not run twice.\n"
            }
        });
    }
    if tool.params.is_empty() {
        page.push_str("\nTakes no parameters.\n");
    } else {
        page.push_str("\n| parameter | type | | meaning |\n| --- | --- | --- | --- |\n");
        let properties = definition.input.schema.get("properties").and_then(Value::as_object);
        for param in tool.params {
            let schema =
                properties.and_then(|properties| properties.get(param.name)).and_then(Value::as_object);
            row(page, param, schema);
        }
    }
    if !tool.rules.is_empty() {
        let rules: Vec<String> = tool.rules.iter().map(ToString::to_string).collect();
        let _ = write!(page, "\nTakes {}.\n", rules.join("; "));
    }
    let _ = write!(page, "\n```console\n$ {program} {}\n```\n", call_line(tool));
    if let Some(schema) = definition.output.schema(false) {
        let schema = serde_json::to_string_pretty(&schema).unwrap_or_default();
        let _ = write!(
            page,
            "\n<details><summary>What it returns</summary>\n\n```json\n{schema}\n```\n\n</details>\n"
        );
    }
}

fn row(page: &mut String, param: &Param, schema: Option<&Map<String, Value>>) {
    let need = match param.default {
        Some(default) => format!("default `{}`", default.to_json()),
        None if param.optional => "optional".to_owned(),
        None => "required".to_owned(),
    };
    let ty = schema.map(ty).unwrap_or_default();
    let secret = if param.secret { " Secret: its value never appears in logs and records." } else { "" };
    let _ = writeln!(page, "| `{}` | {ty} | {need} | {}{secret} |", param.name, cell(param.description));
}

/// `integer, 1 to 120`
pub(super) fn ty(schema: &Map<String, Value>) -> String {
    let mut ty = match schema.get("type").and_then(Value::as_str) {
        Some("array") => {
            let of = schema
                .get("items")
                .and_then(|items| items.get("type"))
                .and_then(Value::as_str)
                .unwrap_or("value");
            format!("list of {of}")
        }
        Some(ty) => ty.to_owned(),
        None => "value".to_owned(),
    };
    if let Some(format) = schema.get("format").and_then(Value::as_str) {
        let _ = write!(ty, ", {format}");
    }
    if let Some(options) = schema.get("enum").and_then(Value::as_array) {
        let options: Vec<String> = options.iter().map(|option| format!("`{option}`")).collect();
        let _ = write!(ty, ", one of {}", options.join(", "));
    }
    for (least, greatest, unit) in [
        ("minimum", "maximum", ""),
        ("minLength", "maxLength", " characters"),
        ("minItems", "maxItems", " items"),
    ] {
        match (schema.get(least), schema.get(greatest)) {
            (Some(least), Some(greatest)) => _ = write!(ty, ", {least} to {greatest}{unit}"),
            (Some(least), None) => _ = write!(ty, ", at least {least}{unit}"),
            (None, Some(greatest)) => _ = write!(ty, ", at most {greatest}{unit}"),
            (None, None) => {}
        }
    }
    if let Some(pattern) = schema.get("pattern").and_then(Value::as_str) {
        let _ = write!(ty, ", like `{}`", pattern.replace('|', "\\|"));
    }
    ty
}

/// Returns whether an example call sends a parameter: it is required or has an example, and stands before all others that
/// cannot be sent with it.
pub(super) fn is_in_example(tool: &Descriptor, param: &Param) -> bool {
    let is_shown = |param: &Param| !param.optional || param.example.is_some();
    let is_first = |names: &[&str]| {
        let shown = |name: &&&str| tool.params.iter().any(|other| other.name == **name && is_shown(other));
        !names.contains(&param.name) || names.iter().find(shown) == Some(&param.name)
    };
    let is_chosen = |rule: &Rule| match rule {
        Rule::OneOf(names) | Rule::AtMostOne(names) => is_first(names),
        Rule::AnyOf(_) | Rule::Needs(..) | Rule::When { .. } => true,
    };
    is_shown(param) && tool.rules.iter().all(is_chosen)
}

/// `call get_stock_price symbol=AAPL --grant read:prices`
pub(crate) fn call_line(tool: &Descriptor) -> String {
    let mut line = format!("call {}", tool.name);
    for param in tool.params.iter().filter(|param| is_in_example(tool, param)) {
        let value = match param.example.or(param.default).map(crate::tool::descriptor::Literal::to_json) {
            Some(Value::String(text)) => text,
            Some(Value::Array(values)) => values
                .iter()
                .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
                .collect::<Vec<_>>()
                .join(","),
            Some(value) => value.to_string(),
            None => "…".to_owned(),
        };
        let _ = if value.contains([' ', '\'', '"', '&', '|', '$']) {
            write!(line, " '{}={}'", param.name, value.replace('\'', "'\\''"))
        } else {
            write!(line, " {}={value}", param.name)
        };
    }
    if tool.idempotency_key == IdempotencyKey::Required {
        line.push_str(" --idempotency-key \"$(uuidgen)\"");
    }
    match tool.scopes {
        [] => {}
        [scope] => _ = write!(line, " --grant {scope}"),
        scopes => _ = write!(line, " --grant '{}'", scopes.join(" ")),
    }
    line
}

fn effect(tool: &Descriptor) -> String {
    let word = tool.effect.word().replace('_', "-");
    if tool.idempotent { format!("{word}, idempotent") } else { word }
}

pub(super) fn effect_in_words(tool: &Descriptor) -> &'static str {
    match (tool.effect, tool.idempotent) {
        (Effect::ReadOnly, _) => "reads and changes nothing",
        (Effect::Additive, false) => "adds and removes nothing; a second call adds again",
        (Effect::Additive, true) => {
            "adds and removes nothing; a second call with the same arguments changes nothing more"
        }
        (Effect::Destructive, false) => "may change or remove existing data",
        (Effect::Destructive, true) => {
            "may change or remove existing data; a second call with the same arguments changes nothing more"
        }
    }
}

pub(super) fn needs(tool: &Descriptor) -> String {
    match tool.scopes {
        [] => "no scope".to_owned(),
        scopes => scopes.iter().map(|scope| format!("`{scope}`")).collect::<Vec<_>>().join(" and "),
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// Escapes text so that it fits in one cell of a table.
fn cell(text: &str) -> String {
    text.lines().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}
