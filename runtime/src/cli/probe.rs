//! `doctor --probe`: calls each `read_only` tool with its examples, and reports the threads that it leaves behind.

use std::{collections::BTreeSet, fmt::Write as _};

use serde_json::{Map, Value};
use tokio::runtime::Builder;

use super::doctor;
use crate::{
    client::{Answer, CallError, LineClient},
    message::Message,
    record::Recording,
    revision::Revision,
    server::AnyServer,
    start_runtime::start_runtime,
    tool::descriptor::{Descriptor, Literal, Param},
};

/// The report of `doctor`, and what the probe found. Starts the server in this process, with its `read_only` tools alone and without a log, and calls them one after another.
pub(super) fn report(mut server: AnyServer) -> Result<String, Message> {
    let outline = server.outline().map_err(|error| Message::new(error.to_string()))?;
    let tools = outline.registry.tools().iter().map(|tool| tool.descriptor);
    let tools: Vec<&Descriptor> = tools.filter(|tool| tool.is_read_only()).collect();
    let runtime = start_runtime(&mut Builder::new_multi_thread());
    let runtime = runtime.map_err(|error| Message::failure("the threads cannot be started", &error))?;
    server.config.read_only = true;
    server.config.recording = Recording::Disabled;
    runtime.block_on(async {
        let mut service = server.build().map_err(|error| Message::new(error.to_string()))?;
        for scope in tools.iter().flat_map(|tool| tool.scopes) {
            service = service.grant(scope);
        }
        let watch = service.thread_watch();
        // Later revisions have tasks, and tools that answer with nothing else.
        let revision = *outline.revisions.last().unwrap_or(&Revision::V2026_07_28);
        let client = LineClient::to(service, revision).await;
        let mut client = client.map_err(|error| Message::new(error.to_string()))?;
        let mut text = doctor::report(&outline) + "\nthe `read_only` tools, called with their examples:\n";
        let mut reported = BTreeSet::new();
        for tool in tools {
            let outcome = match arguments(tool) {
                Ok(arguments) => outcome(client.call(tool.name, arguments, None).await),
                Err(param) => format!("not called: parameter `{}` has no example", param.name),
            };
            let _ = writeln!(text, "  {:<16} {outcome}", tool.name);
            for thread in watch.certain() {
                let message = thread.message().to_string();
                if reported.insert(message.clone()) {
                    let _ = writeln!(text, "  {:<16} {}", "", message.replace('\n', "\n    "));
                }
            }
        }
        client.close().await;
        Ok(text)
    })
}

/// Returns the arguments of a call that is made of examples, or the parameter that has none.
fn arguments(tool: &'static Descriptor) -> Result<Map<String, Value>, &'static Param> {
    let mut arguments = Map::new();
    for param in tool.params {
        match param.example.map(Literal::to_json) {
            Some(example) => _ = arguments.insert(param.name.to_owned(), example),
            None if param.optional || param.default.is_some() => {}
            None => return Err(param),
        }
    }
    Ok(arguments)
}

fn outcome(answer: Result<Answer, CallError>) -> String {
    let first_line = |text: &str| text.lines().next().unwrap_or_default().to_owned();
    match answer {
        Ok(answer) if answer.is_error => format!("failed: {}", first_line(&answer.text())),
        Ok(_) => "answered".to_owned(),
        Err(refused) => format!("refused: {}", first_line(&refused.message)),
    }
}
