//! `config`: prints the configuration of an MCP host that starts this server, or reaches it over HTTP.

use std::{ffi::OsString, path::PathBuf, process::ExitCode};

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::{Grants, fail, print_stdout};
use crate::{message::Message, server::arguments::variable, stderr};

#[derive(Args)]
#[group(skip)]
pub(super) struct HostConfigArgs {
    /// The host
    host: Host,
    #[command(flatten)]
    grants: Grants,
    /// The address of a server that runs already, for example `https://prices.example.com/mcp`
    #[arg(long, conflicts_with = "scopes")]
    url: Option<String>,
    /// Send a token to that server, which the host reads from a variable or asks for
    #[arg(long, requires = "url")]
    token: bool,
}

/// A program that uses MCP servers.
#[derive(Clone, Copy, ValueEnum)]
enum Host {
    /// Claude Desktop
    ClaudeDesktop,
    /// Claude Code
    ClaudeCode,
    /// Visual Studio Code
    Vscode,
    /// Cursor
    Cursor,
}

impl Host {
    /// The places that the snippet goes to.
    fn places(self) -> &'static str {
        match self {
            Self::ClaudeDesktop => {
                "~/Library/Application Support/Claude/claude_desktop_config.json (macOS), or %APPDATA%\\Claude\\claude_desktop_config.json (Windows)"
            }
            Self::ClaudeCode => ".mcp.json in the project's folder",
            Self::Vscode => ".vscode/mcp.json in the project's folder",
            Self::Cursor => ".cursor/mcp.json in the project's folder, or ~/.cursor/mcp.json",
        }
    }

    /// The key that servers stand under.
    fn key(self) -> &'static str {
        if matches!(self, Self::Vscode) { "servers" } else { "mcpServers" }
    }

    /// A server that the host starts, with these arguments.
    fn program(self, command: &str, arguments: &[String]) -> Value {
        match self {
            Self::ClaudeDesktop | Self::Cursor => json!({"command": command, "args": arguments}),
            Self::ClaudeCode | Self::Vscode => {
                json!({"type": "stdio", "command": command, "args": arguments})
            }
        }
    }

    /// A server at an address, with the token that a variable of the host holds.
    fn address(self, url: &str, token: Option<&str>) -> Value {
        let mut server = if matches!(self, Self::Cursor) {
            json!({"url": url})
        } else {
            json!({"type": "http", "url": url})
        };
        if let Some(token) = token {
            let value = match self {
                Self::Vscode => format!("Bearer ${{input:{token}}}"),
                Self::Cursor => format!("Bearer ${{env:{token}}}"),
                Self::ClaudeCode | Self::ClaudeDesktop => format!("Bearer ${{{token}}}"),
            };
            server["headers"] = json!({"Authorization": value});
        }
        server
    }
}

impl HostConfigArgs {
    /// Prints the snippet on stdout, and its place on stderr. `own` are the program's own options.
    pub(super) fn run(self, name: &str, own: Vec<OsString>) -> ExitCode {
        let snippet = match &self.url {
            Some(url) => self.remote(name, url),
            None => self.local(name, own),
        };
        let snippet = match snippet {
            Ok(snippet) => snippet,
            Err(error) => return fail(&error),
        };
        let code = print_stdout(&format!("{snippet:#}\n"));
        stderr::line(format_args!("add it to {}", self.host.places()));
        if self.token && !matches!(self.host, Host::Vscode) {
            stderr::line(format_args!("set {} to the token where the host starts", variable(name, "token")));
        }
        code
    }

    fn local(&self, name: &str, own: Vec<OsString>) -> Result<Value, Message> {
        let program = std::env::current_exe();
        let program =
            program.map_err(|error| Message::failure("the path of this program is not known", &error))?;
        let text = |text: OsString| {
            text.into_string().map_err(|text| {
                Message::new(format!("`{}` is not text, and the configuration is JSON", text.display()))
            })
        };
        let mut arguments = vec!["serve".to_owned()];
        for scopes in &self.grants.scopes {
            arguments.extend(["--grant".to_owned(), scopes.clone()]);
        }
        for option in own {
            arguments.push(text(option)?);
        }
        let command = text(PathBuf::into_os_string(program))?;
        Ok(json!({self.host.key(): {name: self.host.program(&command, &arguments)}}))
    }

    fn remote(&self, name: &str, url: &str) -> Result<Value, Message> {
        if matches!(self.host, Host::ClaudeDesktop) {
            return Err(Message::new("Claude Desktop takes no address in its configuration file")
                .help(format!("add {url} in Settings, Connectors, Add custom connector")));
        }
        let is_vscode = matches!(self.host, Host::Vscode);
        let token =
            self.token.then(|| if is_vscode { format!("{name}-token") } else { variable(name, "token") });
        let server = self.host.address(url, token.as_deref());
        let mut config = json!({self.host.key(): {name: server}});
        if let Some(token) = token.filter(|_| is_vscode) {
            let description = format!("Token for {name}");
            config["inputs"] =
                json!([{"type": "promptString", "id": token, "description": description, "password": true}]);
        }
        Ok(config)
    }
}
