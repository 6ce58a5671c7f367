//! Prints `chatgpt-app-submission.json`: every hint of every tool with a justification from the declaration.

use serde_json::{Map, Value, json};

use super::{
    super::{outline::Outline, page::arguments},
    Manifest, length, no_privacy_policy, object,
};
use crate::{
    message::Message,
    ordered::CollectOrdered as _,
    publication::Publication,
    registry::Definition,
    sandbox::Sandbox,
    tool::descriptor::{Audit, Confirm, Descriptor, Effect, IdempotencyKey},
};

const SUBMISSION_SCHEMA: &str =
    "https://developers.openai.com/apps-sdk/schemas/chatgpt-app-submission.v1.json";
const MAX_DESCRIPTION_CHARS: usize = 200;
const MAX_SUBTITLE_CHARS: usize = 30;
const MAX_TEST_CASES: usize = 5;
const CATEGORIES: [&str; 13] = [
    "BUSINESS",
    "COLLABORATION",
    "DESIGN",
    "DEVELOPER_TOOLS",
    "EDUCATION",
    "ENTERTAINMENT",
    "FINANCE",
    "FOOD",
    "LIFESTYLE",
    "NEWS",
    "PRODUCTIVITY",
    "SHOPPING",
    "TRAVEL",
];

pub(super) fn print(outline: &Outline, publication: &Publication) -> Manifest {
    let about = &outline.about;
    let title = about.title.as_ref().unwrap_or(&about.name);
    let is_short = |text: &&String| text.chars().count() <= MAX_SUBTITLE_CHARS;
    let info = object([
        ("display_name", Some(title.clone().into())),
        ("subtitle", Some(&publication.summary).filter(is_short).cloned().map(Value::from)),
        ("description", Some(about.instructions.as_ref().unwrap_or(&publication.summary).clone().into())),
        ("category", publication.category.clone().map(Value::from)),
    ]);
    let tools: Map<String, Value> = outline
        .registry
        .tools()
        .iter()
        .map(|definition| (definition.name().to_owned(), tool(definition.descriptor, outline)))
        .collect_ordered();
    // Tools with an example value have a prompt that a reviewer can type.
    let cases: Vec<Value> =
        outline.registry.tools().iter().filter_map(test_case).take(MAX_TEST_CASES).collect();
    let submission = json!({
        "$schema": SUBMISSION_SCHEMA,
        "schema_version": 1,
        "app_info": info,
        "tools": tools,
        "test_cases": cases,
    });
    Manifest::json(&submission, findings(outline, publication))
}

/// The hints as they are published, each with the reason for it in the store's meaning.
fn tool(tool: &Descriptor, outline: &Outline) -> Value {
    json!({
        "annotations": {
            "readOnlyHint": tool.is_read_only(),
            "openWorldHint": !tool.closed_world,
            "destructiveHint": tool.effect == Effect::Destructive,
        },
        "justifications": {
            "read_only_justification": read_only(tool, outline),
            "open_world_justification": open_world(tool, outline),
            "destructive_justification": destructive(tool, outline),
        },
    })
}

fn read_only(tool: &Descriptor, outline: &Outline) -> String {
    let mut text = match tool.effect {
        Effect::ReadOnly => {
            let scratch = !outline.sandbox.scratch.is_empty();
            let except = if scratch { ", except in the server's scratch folder" } else { "" };
            let kernel = kernel(tool, outline, &format!("file writes on its threads (Landlock){except}"));
            format!("Only reads: the build refuses this tool all state that is marked as writing{kernel}")
        }
        Effect::Additive => "Adds something, so it is not read-only".to_owned(),
        Effect::Destructive => "Can change or remove what exists, so it is not read-only".to_owned(),
    };
    if tool.is_read_only() && tool.audit != Audit::Off {
        text.push_str("; the audit record is written by the server, not by the tool");
    }
    text.push('.');
    text
}

fn open_world(tool: &Descriptor, outline: &Outline) -> String {
    if let Some(effect) = tool.public_effect {
        return format!("Changes state that the public can see: {}.", effect.trim_end_matches('.'));
    }
    match (tool.closed_world, tool.is_read_only()) {
        (true, _) => {
            let ports = !outline.sandbox.ports.is_empty();
            let except = if ports { ", except to the ports of the server's own services" } else { "" };
            let kernel = kernel(tool, outline, &format!("network connections on its threads (seccomp){except}"));
            format!(
                "Works on the server's own data alone: the build refuses this tool all state that is marked as reaching \
                 the network{kernel}."
            )
        }
        (false, true) => {
            "Reads from systems outside this server, and changes nothing there, so no publicly visible state changes."
                .to_owned()
        }
        (false, false) => "May change state in systems outside this server.".to_owned(),
    }
}

/// Says what the kernel refuses, if the sandbox is configured. Which machine serves is not known here.
fn kernel(tool: &Descriptor, outline: &Outline, refused: &str) -> String {
    match outline.sandbox.sandbox {
        _ if tool.unsandboxed.is_some() => String::new(),
        Sandbox::Off => String::new(),
        Sandbox::Required => format!(", and the kernel refuses {refused}"),
        Sandbox::WhereAvailable => format!(", and on Linux the kernel refuses {refused}"),
    }
}

fn destructive(tool: &Descriptor, outline: &Outline) -> String {
    match tool.effect {
        Effect::ReadOnly => "Deletes and overwrites nothing, because it only reads.".to_owned(),
        Effect::Additive => "Deletes and overwrites nothing: a call only adds.".to_owned(),
        Effect::Destructive => {
            let mut text = "Can change or remove what exists".to_owned();
            match tool.confirm {
                Confirm::Never => {}
                Confirm::Always => text.push_str("; the server asks the user before every call"),
                Confirm::When { param, is } => {
                    text.push_str(&format!(
                        "; the server asks the user before a call with {param} = {}",
                        is.to_json()
                    ));
                }
            }
            if outline.keys.is_some() && tool.idempotency_key == IdempotencyKey::Required {
                text.push_str("; a call that is sent again with its key does not run twice");
            }
            text.push('.');
            text
        }
    }
}

fn test_case(definition: &Definition) -> Option<Value> {
    let tool = definition.descriptor;
    if !tool.params.iter().any(|param| param.example.is_some()) {
        return None;
    }
    let arguments = arguments(definition);
    let given = tool.params.iter().filter_map(|param| Some((param.name, arguments.get(param.name)?)));
    let values: Vec<String> = given.map(|(name, value)| format!("{name} {}", spoken(value))).collect();
    let output = definition.output.schema(false);
    let returned = output.as_ref().and_then(|output| output.get("description")).and_then(Value::as_str);
    Some(json!({
        "description": first_sentence(tool.description),
        "user_prompt": format!("{}: {}.", tool.title, values.join(", ")),
        "file_attachment_urls": null,
        "tools_triggered": tool.name,
        "expected_output": returned.map_or("The result of the tool.", first_sentence),
        "expected_output_url": null,
    }))
}

/// Writes a value as a person types it.
fn spoken(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(spoken).collect::<Vec<_>>().join(" and "),
        other => other.to_string(),
    }
}

fn first_sentence(text: &str) -> &str {
    let line = text.lines().next().unwrap_or_default();
    line.find(". ").map_or(line, |end| &line[..=end])
}

fn findings(outline: &Outline, publication: &Publication) -> Vec<Message> {
    let category = publication.category.as_deref();
    let wrong_category = (!category.is_some_and(|category| CATEGORIES.contains(&category))).then(|| {
        Message::new("the publication has no category of the store")
            .note(format!("the store has {}", CATEGORIES.join(", ")))
            .help("add `.category(\"…\")` to the `Publication`")
    });
    let mut findings: Vec<Message> = [
        wrong_category,
        publication.privacy_policy.is_none().then(no_privacy_policy),
        length("the summary, as the store's subtitle,", &publication.summary, MAX_SUBTITLE_CHARS),
    ]
    .into_iter()
    .flatten()
    .collect();
    findings.extend(outline.registry.tools().iter().flat_map(of_tool));
    findings
}

fn of_tool(definition: &Definition) -> Vec<Message> {
    let (tool, name) = (definition.descriptor, definition.name());
    let chars = tool.description.chars().count();
    let secrets: Vec<&str> =
        tool.params.iter().filter(|param| param.secret).map(|param| param.name).collect();
    let report = |holds: bool, message: &dyn Fn() -> Message| holds.then(message);
    [
        report(chars > MAX_DESCRIPTION_CHARS, &|| {
            Message::new(format!(
                "the description of tool `{name}` has {chars} characters, and the store takes {MAX_DESCRIPTION_CHARS}"
            ))
            .help("say in one or two sentences what the tool does and when to use it")
        }),
        report(tool.is_read_only() && tool.task.is_some(), &|| {
            Message::new(format!("tool `{name}` is `read_only`, and answers with a task"))
                .note("the store counts a call that enqueues work as one that is not read-only")
                .help("leave out `task`, or explain in the submission that a task changes nothing")
        }),
        report(tool.is_read_only() && !tool.closed_world, &|| {
            Message::new(format!("tool `{name}` publishes `openWorldHint: true`, and changes no public state"))
                .note("in MCP the hint means that a tool reaches other systems, in the store that it changes them")
                .help("declare `closed_world` if it is true, or expect a question about the hint")
        }),
        report(!secrets.is_empty(), &|| {
            Message::new(format!("tool `{name}` asks for a secret: `{}`", secrets.join("`, `")))
                .note("the store refuses tools that ask for credentials in the conversation")
                .help("let the user sign in (`serve --oauth-issuer`), and read the secret on the server")
        }),
        report(definition.output.schema(false).is_none(), &|| {
            Message::new(format!("tool `{name}` has no output schema"))
                .help("return a type that derives `Serialize` and `JsonSchema`")
        }),
    ]
    .into_iter()
    .flatten()
    .collect()
}
