//! Reports whether a server meets the rules of the Claude directory that can be read from its declarations.

use std::fmt::Write as _;

use serde_json::Value;

use super::{super::outline::Outline, Manifest, no_privacy_policy};
use crate::{message::Message, registry::Definition};

const MAX_TOOL_NAME_CHARS: usize = 64;
/// Names of parameters that make one tool of many.
const CATCH_ALLS: [&str; 4] = ["action", "operation", "method", "command"];
/// The words of choices that read, and of those that write.
const READING_WORDS: [&str; 10] =
    ["get", "head", "options", "list", "read", "search", "find", "fetch", "show", "query"];
const WRITING_WORDS: [&str; 14] = [
    "post", "put", "patch", "delete", "create", "update", "remove", "add", "set", "write", "insert", "send",
    "clear", "drop",
];
/// Phrases that tell a model how to behave, where a description says what a tool does and when to use it.
const INSTRUCTIONS: [&str; 10] = [
    "you must",
    "you should",
    "always call",
    "always use",
    "never use",
    "do not use other",
    "before any other tool",
    "instead of other",
    "ignore previous",
    "do not tell",
];

/// A rule: what it asks for, and the findings against it.
type DirectoryRule = (&'static str, fn(&Outline) -> Vec<Message>);

const RULES: [DirectoryRule; 6] = [
    ("every tool has a title in its annotations", titles),
    ("every hint of every tool is explicit", hints),
    ("names of tools have at most 64 characters", names),
    ("descriptions say what a tool does and when to use it, and nothing else", descriptions),
    ("each tool does one thing: no parameter chooses between actions", catch_alls),
    ("the server has a privacy policy", privacy_policy),
];

pub(super) fn print(outline: &Outline) -> Manifest {
    let about = &outline.about;
    let tools = outline.registry.tools().len();
    let mut text = format!("Claude directory: {} {}, {tools} tools\n\n", about.name, about.version);
    let mut findings = Vec::new();
    for (rule, check) in RULES {
        let found = check(outline);
        let _ = writeln!(text, "{:<8} {rule}", if found.is_empty() { "ok" } else { "finding" });
        for finding in &found {
            let _ = writeln!(text, "         {}", finding.to_string().replace('\n', "\n         "));
        }
        findings.extend(found);
    }
    text.push_str(
        "\nNot checked, because the declarations do not say it: documentation with examples, a contact for support, an \
         account for the reviewer.\n",
    );
    Manifest { text: Some(text), findings }
}

/// Checks the list as it is sent, not the declarations it was made from.
fn titles(outline: &Outline) -> Vec<Message> {
    let untitled =
        outline.listed.iter().filter(|tool| tool["annotations"]["title"].as_str().is_none_or(str::is_empty));
    untitled
        .map(|tool| Message::new(format!("tool {} has no title", tool["name"])).help("set `title = \"…\"`"))
        .collect()
}

fn hints(outline: &Outline) -> Vec<Message> {
    let mut findings = Vec::new();
    for tool in &outline.listed {
        for hint in ["readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"] {
            if !tool["annotations"][hint].is_boolean() {
                let fact = format!("tool {} does not publish `{hint}`", tool["name"]);
                findings.push(Message::new(fact).help("report this as a defect of Candor"));
            }
        }
    }
    findings
}

fn names(outline: &Outline) -> Vec<Message> {
    let long = outline.registry.tools().iter().filter(|tool| tool.name().len() > MAX_TOOL_NAME_CHARS);
    long.map(|tool| {
        Message::new(format!("the name of tool `{}` has {} characters", tool.name(), tool.name().len()))
            .help("shorten it with `name = \"…\"`")
    })
    .collect()
}

fn descriptions(outline: &Outline) -> Vec<Message> {
    let mut findings = Vec::new();
    for tool in outline.registry.tools() {
        let text = tool.descriptor.description.to_lowercase();
        for phrase in INSTRUCTIONS.iter().filter(|phrase| text.contains(**phrase)) {
            findings.push(
                Message::new(format!(
                    "the description of tool `{}` tells the model how to behave",
                    tool.name()
                ))
                .note(format!("it says \"{phrase}\""))
                .help("say what the tool does and when it is useful; put rules for its use in the schema"),
            );
        }
    }
    findings
}

fn catch_alls(outline: &Outline) -> Vec<Message> {
    outline.registry.tools().iter().flat_map(catch_alls_of).collect()
}

fn catch_alls_of(tool: &Definition) -> Vec<Message> {
    let properties = tool.input.schema.get("properties");
    let of = |name| properties.and_then(|properties| properties.get(name));
    let params = tool.descriptor.params.iter().filter(|param| CATCH_ALLS.contains(&param.name));
    params
        .filter_map(|param| {
            let note = match choices(of(param.name)?) {
                None => "it is free text, so the tool may do anything",
                Some(choices) if mixes_effects(&choices) => "some of its values read, and others write",
                Some(_) => return None,
            };
            let fact =
                format!("parameter `{}` of tool `{}` chooses what the tool does", param.name, tool.name());
            Some(
                Message::new(fact)
                    .note(note)
                    .help("declare a tool for each action, with an effect of its own"),
            )
        })
        .collect()
}

/// The values that a parameter can have; `None` if it takes any text.
fn choices(schema: &Value) -> Option<Vec<String>> {
    let text = |value: &Value| value.as_str().map(str::to_lowercase);
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        return Some(values.iter().filter_map(text).collect());
    }
    if let Some(value) = schema.get("const") {
        return Some(text(value).into_iter().collect());
    }
    if let Some(branches) = schema.get("anyOf").or(schema.get("oneOf")).and_then(Value::as_array) {
        return branches.iter().map(choices).collect::<Option<Vec<_>>>().map(|all| all.concat());
    }
    let ty = schema.get("type").and_then(Value::as_str);
    if ty.is_some_and(|ty| ty != "string") { Some(Vec::new()) } else { None }
}

fn mixes_effects(choices: &[String]) -> bool {
    let any = |verbs: &[&str]| {
        choices.iter().any(|choice| choice.split(['_', '-', ' ']).any(|word| verbs.contains(&word)))
    };
    any(&READING_WORDS) && any(&WRITING_WORDS)
}

fn privacy_policy(outline: &Outline) -> Vec<Message> {
    let policy = outline.publication.as_ref().and_then(|publication| publication.privacy_policy.as_ref());
    policy.is_none().then(no_privacy_policy).into_iter().collect()
}
