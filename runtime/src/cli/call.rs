//! `call`: starts this program as a server in a child process, and calls a tool as any client would.

use std::{
    ffi::OsString,
    io::IsTerminal as _,
    process::{ExitCode, Stdio},
    sync::Arc,
    time::Duration,
};

use clap::Args;
use serde_json::{Map, Value};
use tokio::{
    process::{Child, Command},
    runtime::Builder,
};

use super::{DONE, FAILED, Grants, audit::Log, fail, form, print_stdout, progress::ProgressBar, render};
use crate::{
    client::{Answer, CallError, ElicitAction, FilledForm, LineClient, Reactions},
    contract::Outline,
    message::Message,
    revision::Revision,
    server::AnyServer,
    start_runtime::start_runtime,
    stderr, text,
    tool::descriptor::{Descriptor, Task},
};

/// The time that the child has to end after its input is closed: a little more than its own drain timeout.
const EXIT_TIMEOUT: Duration = Duration::from_secs(35);

#[derive(Args)]
#[group(skip)]
pub(super) struct CallArgs {
    /// The tool
    tool: String,
    /// The tool's arguments as `name=value`; a list as `name=a,b` or `name=["a","b"]`
    #[arg(value_name = "NAME=VALUE")]
    arguments: Vec<String>,
    /// The tool's arguments as one JSON object
    #[arg(long, value_name = "OBJECT", conflicts_with = "arguments")]
    json: Option<String>,
    /// Do not ask before a destructive call
    #[arg(long)]
    yes_destructive: bool,
    /// Do not ask before a call of this tool; repeatable
    #[arg(long, value_name = "TOOL", value_delimiter = ',')]
    yes: Vec<String>,
    /// Send the call under this key: the same call with the same key does not run twice
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// Print the result as the JSON that the server sent
    #[arg(long)]
    raw: bool,
    #[command(flatten)]
    log: Log,
    #[command(flatten)]
    grants: Grants,
}

impl CallArgs {
    /// Runs the command. `own` are options for the child, which reads none of `variables`.
    pub(super) fn run(self, server: &AnyServer, own: Vec<OsString>, variables: Vec<String>) -> ExitCode {
        let outline = match server.outline() {
            Ok(outline) => outline,
            Err(error) => return fail(&error),
        };
        let arguments = match self.arguments(&outline) {
            Ok(arguments) => arguments,
            Err(error) => return fail(&error),
        };
        let child = match self.child(&server.config.about.name, own, variables) {
            Ok(command) => command,
            Err(error) => return fail(&cannot_start(&error)),
        };
        let runtime = match start_runtime(&mut Builder::new_current_thread()) {
            Ok(runtime) => runtime,
            Err(error) => return fail(&Message::failure("the command cannot wait", &error)),
        };
        match runtime.block_on(self.ask(&outline, arguments, child)) {
            Ok(code) => code,
            Err(error) => fail(&error),
        }
    }

    /// Starts the child, connects, lists the tools, calls one, and waits for the child to end.
    async fn ask(
        &self,
        outline: &Outline,
        arguments: Map<String, Value>,
        mut child: Command,
    ) -> Result<ExitCode, Message> {
        let mut child = child.spawn().map_err(|error| cannot_start(&error))?;
        let (Some(stdout), Some(stdin)) = (child.stdout.take(), child.stdin.take()) else {
            return Err(Message::new("the server has no stdin and stdout"));
        };
        // Without a task, the answer comes sooner and progress is shown.
        let tool = outline.registry.find(&self.tool);
        let needs_task = tool.is_some_and(|tool| tool.descriptor.task == Some(Task::Required));
        let bar = Arc::new(ProgressBar::new());
        // Later revisions have tasks, and tools that answer with nothing else.
        let revision = *outline.revisions.last().unwrap_or(&Revision::V2026_07_28);
        let connected = LineClient::connect(stdout, stdin, revision, reactions(&bar), needs_task).await;
        let listed = match connected {
            Ok(mut client) => client.tools().await.map(|listed| (client, listed)),
            Err(error) => Err(error),
        };
        let (mut client, listed) = match listed {
            Ok(listed) => listed,
            // The child's own error is on stderr already.
            Err(error) => {
                let status = wait_for_exit(&mut child).await;
                return Err(Message::new(format!("the server did not answer: {}{status}", error.message)));
            }
        };
        let answer = client.call(&self.tool, arguments, self.idempotency_key.as_deref()).await;
        bar.erase();
        client.close().await;
        let status = wait_for_exit(&mut child).await;
        Ok(match answer {
            Ok(answer) => self.print(&answer),
            // A code of 0 means that the server did not answer.
            Err(unanswered) if unanswered.code == 0 => fail(&self.outcome_unknown(&unanswered, &status)),
            Err(refused) => {
                fail(&self.explain(outline, &listed, &refused));
                ExitCode::from(FAILED)
            }
        })
    }

    /// Prints an answer: a result on stdout, an error on stderr, and both on stdout if the output is raw.
    fn print(&self, answer: &Answer) -> ExitCode {
        if self.raw {
            let printed = print_stdout(&render::raw(&answer.raw));
            return if answer.is_error { ExitCode::from(FAILED) } else { printed };
        }
        if answer.reason() == Some("confirmation_unavailable") {
            fail(&no_terminal(&self.tool));
            return ExitCode::from(FAILED);
        }
        if answer.reason() == Some("idempotency_key_required") {
            fail(&no_key(&self.tool));
            return ExitCode::from(FAILED);
        }
        if answer.reason() == Some("idempotency_unavailable") {
            fail(&no_key_store());
            return ExitCode::from(FAILED);
        }
        let text = render::answer(answer);
        if answer.is_error {
            fail(&text.trim_end());
            return ExitCode::from(FAILED);
        }
        print_stdout(&text)
    }

    /// The server as a child process. The variables of `serve` do not reach it, or it might serve over HTTP.
    fn child(&self, server: &str, own: Vec<OsString>, variables: Vec<String>) -> std::io::Result<Command> {
        let mut command = Command::new(std::env::current_exe()?);
        for variable in variables {
            command.env_remove(variable);
        }
        if let Some((variable, value)) = self.log.variable(server) {
            command.env(variable, value);
        }
        command.args(["serve", "--quiet"]).args(own);
        if self.yes_destructive {
            command.arg("--yes-destructive");
        }
        for tool in &self.yes {
            command.args(["--yes", tool]);
        }
        command.args(self.log.arguments());
        for scopes in &self.grants.scopes {
            command.args(["--grant", scopes]);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        Ok(command)
    }

    /// Says that the server ended, or did not speak the protocol, while the call may have run.
    fn outcome_unknown(&self, unanswered: &CallError, status: &str) -> Message {
        let message = Message::new(format!("the server did not answer: {}{status}", unanswered.message))
            .note(format!("tool `{}` may have run", self.tool));
        message.help(if self.idempotency_key.is_some() {
            "repeat this command with the same key: the call does not run a second time"
        } else {
            "look for its effect before you repeat this command; `audit show` prints what was recorded"
        })
    }

    /// The server's refusal, with advice that fits this command.
    fn explain(&self, outline: &Outline, listed: &[Value], refused: &CallError) -> Message {
        let missing =
            refused.data.as_ref().and_then(|data| data.get("missingScopes")).and_then(Value::as_array);
        if let Some(missing) = missing {
            let missing: Vec<&str> = missing.iter().filter_map(Value::as_str).collect();
            let fact = refused.message.lines().next().unwrap_or_default().to_owned();
            return Message::new(fact)
                .help(format!("add `--grant \"{}\"` to this command", missing.join(" ")));
        }
        let message = Message::new(refused.message.clone());
        if outline.registry.find(&self.tool).is_some() {
            return message;
        }
        let names = listed.iter().filter_map(|tool| tool.get("name")).filter_map(Value::as_str);
        let names = names.collect::<Vec<_>>().join(", ");
        let names = if names.is_empty() { "none with these grants".to_owned() } else { names };
        message.note(format!("available tools: {names}"))
    }

    fn arguments(&self, outline: &Outline) -> Result<Map<String, Value>, Message> {
        if let Some(json) = &self.json {
            return object(json);
        }
        let tool = outline.registry.find(&self.tool);
        let mut arguments = Map::new();
        for argument in &self.arguments {
            let Some((name, value)) = argument.split_once('=') else {
                let usage = tool.map(|tool| usage(tool.descriptor)).unwrap_or_default();
                let fact = format!("`{}` is not an argument of the form `name=value`", text::shown(argument));
                return Err(Message::new(fact).help(format!("write `name=value`{usage}")));
            };
            let schema = tool.and_then(|tool| tool.input.schema.get("properties")?.get(name));
            if arguments.insert(name.to_owned(), typed(value, schema)).is_some() {
                let message = Message::new(format!("`{name}` is given twice"));
                return Err(message.help(format!("write a list as `{name}=a,b`")));
            }
        }
        Ok(arguments)
    }
}

fn cannot_start(error: &std::io::Error) -> Message {
    Message::failure("this program cannot be started as a server", error)
}

/// Reads the value of `--json`.
fn object(json: &str) -> Result<Map<String, Value>, Message> {
    match serde_json::from_str(json) {
        Ok(Value::Object(arguments)) => Ok(arguments),
        Ok(_) => {
            Err(Message::new("`--json` takes an object").help("for example --json '{\"symbol\": \"AAPL\"}'"))
        }
        Err(error) => Err(Message::new(format!("the value of `--json` is not valid JSON: {error}"))
            .help("quote it for the shell: --json '{…}'")),
    }
}

/// Shows progress on a terminal, and puts the server's questions to its user.
fn reactions(bar: &Arc<ProgressBar>) -> Reactions {
    let mut reactions = Reactions::default();
    if !std::io::stderr().is_terminal() {
        return reactions;
    }
    let [shown, above_question, above_form, above_status] = [(); 4].map(|()| Arc::clone(bar));
    reactions.progress = Some(Box::new(move |done, total, message| shown.show(done, total, message)));
    if !std::io::stdin().is_terminal() {
        return reactions;
    }
    reactions.confirm = Some(Box::new(move |question| {
        above_question.erase();
        ask(question)
    }));
    reactions.form = Some(Box::new(move |question, schema| {
        above_form.erase();
        fill_in(question, schema)
    }));
    reactions.status = Some(Box::new(move |status| {
        above_status.erase();
        stderr::line(status);
    }));
    reactions
}

/// Puts a question to the user at the terminal. Any answer but yes means no.
fn ask(question: &str) -> ElicitAction {
    stderr::write(format!("{question}\n[y/N] "));
    let mut line = String::new();
    match std::io::stdin().read_line(&mut line) {
        Ok(0) | Err(_) => ElicitAction::Cancel,
        Ok(_) if matches!(line.trim().to_ascii_lowercase().as_str(), "y" | "yes") => ElicitAction::Accept,
        Ok(_) => ElicitAction::Decline,
    }
}

/// Puts a tool's form to the user at the terminal.
fn fill_in(question: &str, schema: &Value) -> FilledForm {
    form::fill_in(question, schema, std::io::stdin().lock(), |text| stderr::write(text))
}

/// Replaces the server's refusal, whose advice is for MCP clients and for the operator of the server.
fn no_terminal(tool: &str) -> Message {
    Message::new(format!(
        "tool `{tool}` needs the user's confirmation, and this command has no terminal to ask on"
    ))
    .help(format!("call it on a terminal, or add `--yes {tool}` to this command"))
}

/// Replaces the server's refusal, whose advice is for MCP clients.
fn no_key(tool: &str) -> Message {
    Message::new(format!("tool `{tool}` needs an idempotency key"))
        .note("a call that is sent again under its key does not run a second time")
        .help("add `--idempotency-key \"$(uuidgen)\"`, and repeat that key if you send the call again")
}

/// Replaces the server's refusal: the server of this command says nothing at its start.
fn no_key_store() -> Message {
    Message::new("the key store cannot be used; nothing was done")
        .note("another process of this server may have it, or it is damaged: `serve` says which")
        .help("end the other process, or keep keys in another folder: `--keys DIR`")
}

fn usage(tool: &Descriptor) -> String {
    format!(", for example `{}`", crate::contract::call_line(tool))
}

/// Converts an argument to the type that the schema asks for. If it does not fit, it remains text, and the server says
/// what is wrong with it.
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

/// Waits for the child to end. Returns its exit status in parentheses unless it succeeded.
async fn wait_for_exit(child: &mut Child) -> String {
    match tokio::time::timeout(EXIT_TIMEOUT, child.wait()).await {
        Ok(Ok(status)) if status.code() == Some(i32::from(DONE)) => String::new(),
        Ok(Ok(status)) => format!(" ({status})"),
        Ok(Err(error)) => format!(" ({error})"),
        Err(_) => {
            // The child ignores the end of its input. `kill_on_drop` would end it too, but later.
            let _ = child.kill().await;
            " (it did not end in time and was killed)".to_owned()
        }
    }
}
