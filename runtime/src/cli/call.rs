//! `call`: this program again, as a child that serves, and a client that asks it as any client would.

use std::{
    io::IsTerminal as _,
    process::{ExitCode, Stdio},
    time::Duration,
};

use clap::Args;
use serde_json::{Map, Value};
use tokio::process::{Child, Command};

use super::{COULD_NOT, DONE, FAILED, Grants, audit::Log, could_not, render, say};
use crate::{
    client::{CallError, ClientBuilder, ElicitAction},
    contract::Outline,
    server::Server,
    text,
    tool::{
        descriptor::{Descriptor, Task},
        state::State,
    },
};

/// How long the child may take to end once its input is closed.
const LEAVE: Duration = Duration::from_secs(35);

#[derive(Args)]
pub(super) struct Call {
    /// The tool
    tool: String,
    /// Its arguments, as `name=value`; a list as `name=a,b` or `name=["a","b"]`
    #[arg(value_name = "NAME=VALUE")]
    arguments: Vec<String>,
    /// Its arguments, as one JSON object
    #[arg(long, value_name = "OBJECT", conflicts_with = "arguments")]
    json: Option<String>,
    /// Do not ask before a destructive call
    #[arg(long)]
    yes_destructive: bool,
    /// Print the result as JSON, as it came
    #[arg(long)]
    raw: bool,
    #[command(flatten)]
    log: Log,
    #[command(flatten)]
    grants: Grants,
}

impl Call {
    pub(super) fn run<C: State>(self, server: &Server<C>) -> ExitCode {
        let outline = match server.outline() {
            Ok(outline) => outline,
            Err(error) => return could_not(&error),
        };
        let arguments = match self.arguments(&outline) {
            Ok(arguments) => arguments,
            Err(error) => return could_not(&error),
        };
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return could_not(&error),
        };
        match runtime.block_on(self.ask(&outline, arguments)) {
            Ok(code) => code,
            Err(error) => could_not(&error),
        }
    }

    /// Starts the child, shakes hands, lists, calls, and lets it end in good order.
    async fn ask(&self, outline: &Outline, arguments: Map<String, Value>) -> Result<ExitCode, String> {
        let mut child =
            self.child().map_err(|error| format!("this program cannot be started as a server: {error}"))?;
        let (Some(stdout), Some(stdin)) = (child.stdout.take(), child.stdin.take()) else {
            return Err("the server has no stdin and stdout".to_owned());
        };
        // Where a plain answer will do, it comes sooner, and with progress.
        let tool = outline.registry.find(&self.tool);
        let required = tool.is_some_and(|(_, tool)| tool.descriptor.task == Some(Task::Required));
        let client = if required { client().with_tasks() } else { client() };
        let client = match client.connect(stdout, stdin, None).await {
            Ok(client) => client,
            // Its own last words are on stderr above.
            Err(error) => {
                let code = leave(&mut child).await;
                return Err(format!("the server did not answer: {error}{code}"));
            }
        };
        let listed = client.tools().await.map_err(|refused| refused.to_string())?;
        let answer = client.call(&self.tool, Value::Object(arguments)).await;
        client.close().await;
        leave(&mut child).await;
        Ok(match answer {
            Ok(answer) => {
                let text = if self.raw { render::raw(&answer.raw) } else { render::answer(&answer) };
                if answer.reason() == Some("confirmation_unavailable") && !self.raw {
                    eprintln!("error: {}", no_terminal(&self.tool));
                    return Ok(ExitCode::from(FAILED));
                }
                if answer.is_error && !self.raw {
                    eprintln!("error: {}", text.trim_end());
                    return Ok(ExitCode::from(FAILED));
                }
                let said = say(&text);
                if answer.is_error { ExitCode::from(FAILED) } else { said }
            }
            Err(refused) => {
                eprintln!("error: {}", self.explain(outline, &listed, &refused));
                ExitCode::from(if refused.code == 0 { COULD_NOT } else { FAILED })
            }
        })
    }

    fn child(&self) -> std::io::Result<Child> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["serve", "--quiet"]);
        if self.yes_destructive {
            command.arg("--yes-destructive");
        }
        command.args(self.log.arguments());
        for scopes in &self.grants.scopes {
            command.args(["--grant", scopes]);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn()
    }

    /// What the server said, with the command line that would do.
    fn explain(&self, outline: &Outline, listed: &[Value], refused: &CallError) -> String {
        let missing =
            refused.data.as_ref().and_then(|data| data.get("missingScopes")).and_then(Value::as_array);
        if let Some(missing) = missing {
            let missing: Vec<&str> = missing.iter().filter_map(Value::as_str).collect();
            let fact = refused.message.lines().next().unwrap_or_default();
            return format!("{fact}\nhelp: add `--grant \"{}\"` to this command", missing.join(" "));
        }
        let unknown = outline.registry.find(&self.tool).is_none();
        if unknown {
            let names = listed.iter().filter_map(|tool| tool.get("name")).filter_map(Value::as_str);
            let names = names.collect::<Vec<_>>().join(", ");
            let known = if names.is_empty() { "none with these grants".to_owned() } else { names };
            return format!("{}\nnote: tools in reach: {known}", refused.message);
        }
        refused.message.clone()
    }

    fn arguments(&self, outline: &Outline) -> Result<Map<String, Value>, String> {
        if let Some(json) = &self.json {
            return match serde_json::from_str(json) {
                Ok(Value::Object(arguments)) => Ok(arguments),
                Ok(_) => {
                    Err("`--json` takes an object\nhelp: for example --json '{\"symbol\": \"AAPL\"}'"
                        .to_owned())
                }
                Err(error) => {
                    Err(format!("`--json` is no JSON: {error}\nhelp: quote it for the shell: --json '{{…}}'"))
                }
            };
        }
        let tool = outline.registry.find(&self.tool).map(|(_, tool)| tool);
        let mut arguments = Map::new();
        for argument in &self.arguments {
            let Some((name, value)) = argument.split_once('=') else {
                return Err(format!(
                    "`{}` is no argument\nhelp: write `name=value`{}",
                    text::shown(argument),
                    tool.map(|tool| usage(tool.descriptor)).unwrap_or_default(),
                ));
            };
            let schema = tool.and_then(|tool| tool.input.schema.get("properties")?.get(name));
            if arguments.insert(name.to_owned(), typed(value, schema)).is_some() {
                return Err(format!("`{name}` is given twice\nhelp: write a list as `{name}=a,b`"));
            }
        }
        Ok(arguments)
    }
}

/// A client that asks on the terminal, where there is one, and shows progress there.
fn client() -> ClientBuilder {
    if !(std::io::stdin().is_terminal() && std::io::stderr().is_terminal()) {
        return ClientBuilder::new();
    }
    let client = ClientBuilder::new().on_confirm(ask).on_status(|status| eprintln!("{status}"));
    client.on_progress(|done, total, message| {
        let of = total.map(|total| format!(" of {total}")).unwrap_or_default();
        eprintln!("{done}{of} {message}");
    })
}

/// Puts a question to the person at the terminal. Anything but a yes is a no.
fn ask(question: &str) -> ElicitAction {
    eprint!("{question}\n[y/N] ");
    let mut line = String::new();
    match std::io::stdin().read_line(&mut line) {
        Ok(0) | Err(_) => ElicitAction::Cancel,
        Ok(_) if matches!(line.trim().to_ascii_lowercase().as_str(), "y" | "yes") => ElicitAction::Accept,
        Ok(_) => ElicitAction::Decline,
    }
}

/// The server's own words speak of clients and of how it was started; here both are this command.
fn no_terminal(tool: &str) -> String {
    format!(
        "tool `{tool}` needs a person's word, and there is no terminal to ask on\nhelp: call it on a terminal, or add `--yes-destructive` to this command"
    )
}

fn usage(tool: &Descriptor) -> String {
    format!(", as in `{}`", crate::contract::call_line(tool))
}

/// What was typed, in the type that the schema asks for; what does not fit stays text, and the server says why not.
fn typed(value: &str, schema: Option<&Value>) -> Value {
    let ty = schema.and_then(|schema| schema.get("type")).and_then(Value::as_str);
    let text = || Value::from(value);
    match ty {
        Some("string") => text(),
        Some("array") if !value.trim_start().starts_with('[') => {
            let items = schema.and_then(|schema| schema.get("items"));
            if value.is_empty() {
                Value::Array(Vec::new())
            } else {
                value.split(',').map(|item| typed(item.trim(), items)).collect()
            }
        }
        _ => serde_json::from_str(value).unwrap_or_else(|_| text()),
    }
}

/// Waits for the child to end by itself; how it ended, where that says something.
async fn leave(child: &mut Child) -> String {
    match tokio::time::timeout(LEAVE, child.wait()).await {
        Ok(Ok(status)) if status.code() == Some(i32::from(DONE)) => String::new(),
        Ok(Ok(status)) => format!(" ({status})"),
        Ok(Err(error)) => format!(" ({error})"),
        Err(_) => {
            // It ignores that its input has ended; `kill_on_drop` would do the same later.
            let _ = child.kill().await;
            " (it did not end by itself)".to_owned()
        }
    }
}
