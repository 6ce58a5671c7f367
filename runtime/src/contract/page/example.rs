//! Writes a call of a tool for each kind of client.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::super::{
    outline::Outline,
    reference::{call_line, is_in_example},
};
use crate::{
    ordered::CollectOrdered as _,
    registry::Definition,
    revision::Revision,
    text::is_hidden,
    tool::descriptor::{Descriptor, IdempotencyKey, Literal},
    wire_names,
};

/// The key in examples of tools that require one. Each effect that is intended needs a new one.
const EXAMPLE_KEY: &str = "7c9e6679-7425-40de-944b-e07fc1f90ae7";

/// The same call by a command line, as a message, and by the clients of two languages.
pub(super) struct Example {
    pub(super) cli: String,
    pub(super) rpc: String,
    pub(super) python: String,
    pub(super) typescript: String,
}

impl Example {
    pub(super) fn new(definition: &Definition, outline: &Outline) -> Self {
        let (tool, program) = (definition.descriptor, outline.about.name.as_str());
        let arguments = Value::Object(arguments(definition));
        let needs_key = outline.keys.is_some() && tool.idempotency_key == IdempotencyKey::Required;
        Self {
            cli: format!("{program} {}", call_line(tool)),
            rpc: rpc(tool, &arguments, needs_key, outline),
            python: python(tool, &arguments, needs_key, program),
            typescript: typescript(tool, &arguments, needs_key, program),
        }
    }
}

/// The arguments of an example: those that have an example, and those that a call must have.
pub(in crate::contract) fn arguments(definition: &Definition) -> Map<String, Value> {
    let tool = definition.descriptor;
    let properties = definition.input.schema.get("properties");
    let sent = tool.params.iter().filter(|param| is_in_example(tool, param));
    sent.map(|param| {
        let written = param.example.or(param.default).map(Literal::to_json);
        let schema = properties.and_then(|properties| properties.get(param.name));
        (param.name.to_owned(), written.unwrap_or_else(|| sample(schema.unwrap_or(&Value::Null))))
    })
    .collect_ordered()
}

/// Returns a value that a schema takes, or nearly so.
fn sample(schema: &Value) -> Value {
    let list = |key: &str| schema.get(key).and_then(Value::as_array).and_then(|values| values.first());
    if let Some(value) = schema.get("const").or(schema.get("default")).or(list("enum")).or(list("examples")) {
        return value.clone();
    }
    if let Some(branch) = list("anyOf").or(list("oneOf")) {
        return sample(branch);
    }
    let ty = schema.get("type").and_then(|ty| ty.as_str().or_else(|| ty.as_array()?.first()?.as_str()));
    match ty {
        Some("boolean") => true.into(),
        Some("integer" | "number") => schema.get("minimum").cloned().unwrap_or_else(|| 1.into()),
        Some("array") => schema.get("items").map(sample).into_iter().collect(),
        Some("object") => {
            let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
            let property = |name: &str| Some((name.to_owned(), sample(schema.get("properties")?.get(name)?)));
            Value::Object(required.filter_map(|name| property(name.as_str()?)).collect_ordered())
        }
        _ => match schema.get("format").and_then(Value::as_str) {
            Some("date") => "2026-01-31".into(),
            Some("date-time") => "2026-01-31T12:00:00Z".into(),
            Some("uuid") => EXAMPLE_KEY.into(),
            Some("uri") => "https://example.com".into(),
            _ => "…".into(),
        },
    }
}

fn rpc(tool: &Descriptor, arguments: &Value, needs_key: bool, outline: &Outline) -> String {
    let mut meta = Vec::new();
    if needs_key {
        meta.push(format!("\"{}\": \"{EXAMPLE_KEY}\"", wire_names::IDEMPOTENCY_KEY));
    }
    // From 2026-07-28 on, each request carries what a handshake told before.
    if outline.revisions.contains(&Revision::V2026_07_28) {
        let revision = Revision::V2026_07_28.as_str();
        meta.push(format!("\"io.modelcontextprotocol/protocolVersion\": \"{revision}\""));
        meta.push(
            "\"io.modelcontextprotocol/clientInfo\": {\"name\": \"example\", \"version\": \"1.0.0\"}"
                .to_owned(),
        );
        meta.push("\"io.modelcontextprotocol/clientCapabilities\": {}".to_owned());
    }
    let mut text = format!(
        "{{\n  \"jsonrpc\": \"2.0\",\n  \"id\": 1,\n  \"method\": \"tools/call\",\n  \"params\": {{\n    \"name\": \"{}\",\n    \
         \"arguments\": {}",
        tool.name,
        literal(arguments, Language::Json),
    );
    if !meta.is_empty() {
        let _ = write!(text, ",\n    \"_meta\": {{\n      {}\n    }}", meta.join(",\n      "));
    }
    text.push_str("\n  }\n}");
    text
}

fn python(tool: &Descriptor, arguments: &Value, needs_key: bool, program: &str) -> String {
    let key = if needs_key {
        format!(", meta={{\"{}\": \"{EXAMPLE_KEY}\"}}", wire_names::IDEMPOTENCY_KEY)
    } else {
        String::new()
    };
    format!(
        "import asyncio\nfrom mcp import Client, StdioServerParameters\n\nserver = StdioServerParameters(command={}, \
         args={})\n\nasync def main():\n    async with Client(server) as client:\n        print(await \
         client.call_tool(\"{}\", {}{key}))\n\nasyncio.run(main())",
        literal(&program.into(), Language::Python),
        literal(&serve(tool), Language::Python),
        tool.name,
        literal(arguments, Language::Python),
    )
}

fn typescript(tool: &Descriptor, arguments: &Value, needs_key: bool, program: &str) -> String {
    let key = if needs_key {
        format!(", _meta: {{\"{}\": \"{EXAMPLE_KEY}\"}}", wire_names::IDEMPOTENCY_KEY)
    } else {
        String::new()
    };
    format!(
        "import {{ Client }} from \"@modelcontextprotocol/client\";\nimport {{ StdioClientTransport }} from \
         \"@modelcontextprotocol/client/stdio\";\n\nconst client = new Client({{ name: \"example\", version: \"1.0.0\" \
         }});\nawait client.connect(new StdioClientTransport({{ command: {}, args: {} }}));\nconsole.log(await \
         client.callTool({{ name: \"{}\", arguments: {}{key} }}));\nawait client.close();",
        literal(&program.into(), Language::Json),
        literal(&serve(tool), Language::Json),
        tool.name,
        literal(arguments, Language::Json),
    )
}

/// The arguments of a server over stdio that grants the tool's scopes.
fn serve(tool: &Descriptor) -> Value {
    let mut arguments: Vec<Value> = vec!["serve".into()];
    if !tool.scopes.is_empty() {
        arguments.extend(["--grant".into(), tool.scopes.join(" ").into()]);
    }
    arguments.into()
}

#[derive(Clone, Copy, PartialEq)]
enum Language {
    Json,
    Python,
}

/// Writes a value on one line. Invisible characters become escapes.
fn literal(value: &Value, language: Language) -> String {
    let joined = |values: Vec<String>| values.join(", ");
    match value {
        Value::Bool(value) if language == Language::Python => {
            if *value { "True" } else { "False" }.to_owned()
        }
        Value::Null if language == Language::Python => "None".to_owned(),
        Value::Array(values) => {
            format!("[{}]", joined(values.iter().map(|value| literal(value, language)).collect()))
        }
        Value::Object(object) => {
            let member = |(key, value): (&String, &Value)| {
                format!("{}: {}", literal(&key.as_str().into(), language), literal(value, language))
            };
            format!("{{{}}}", joined(object.iter().map(member).collect()))
        }
        Value::String(_) => {
            let mut text = String::new();
            for character in value.to_string().chars() {
                let _ = match language {
                    _ if !is_hidden(character) => write!(text, "{character}"),
                    Language::Python => write!(text, "\\U{:08x}", u32::from(character)),
                    Language::Json => {
                        let mut units = [0; 2];
                        let units = character.encode_utf16(&mut units).iter();
                        write!(text, "{}", units.map(|unit| format!("\\u{unit:04x}")).collect::<String>())
                    }
                };
            }
            text
        }
        other => other.to_string(),
    }
}
