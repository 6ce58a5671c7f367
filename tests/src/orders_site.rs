//! Runs the server `orders` as a process, with its effects, its log and its keys in one folder.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use candor::Revision;
use serde_json::{Value, json};

use crate::{
    messages::request,
    orders::{META_KEY, META_REASON, META_REPLAYED, read_effects},
    stdio_server::StdioServer,
};

/// The folder of a server.
pub struct OrdersSite {
    program: &'static str,
    folder: PathBuf,
}

impl OrdersSite {
    /// Makes a site in an empty folder.
    pub fn new(program: &'static str, folder: &Path) -> Self {
        Self { program, folder: folder.to_owned() }
    }

    /// Returns the path of a file in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Returns all effects so far.
    pub fn effects(&self) -> Vec<String> {
        read_effects(&self.path("effects"))
    }

    /// Returns the file of the keys.
    pub fn keys(&self) -> PathBuf {
        self.path("log.keys/keys.redb")
    }

    /// Returns the journals that are beside the file of the keys.
    pub fn journals(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.path("log.keys")).expect("the folder is there");
        let mut paths: Vec<_> = entries.map(|entry| entry.expect("it can be read").path()).collect();
        paths.retain(|path| *path != self.keys());
        paths.sort();
        paths
    }

    /// Returns the command that serves over stdio.
    pub fn serve(&self) -> Command {
        let mut command = Command::new(self.program);
        command.env("ORDERS", self.path("effects")).arg("serve").arg("--audit").arg(self.path("log"));
        command
    }

    /// Starts the server over stdio.
    pub async fn start(&self) -> StdioServer {
        self.start_version("1.0.0").await
    }

    /// Starts a version of the server over stdio.
    pub async fn start_version(&self, version: &str) -> StdioServer {
        let mut command = self.serve();
        command.env("ORDERS_VERSION", version);
        let mut server = StdioServer::start(command);
        server.client.initialize(Revision::V2025_11_25).await;
        server
    }

    /// Orders this many things under keys of their own, and kills the server after the last answer.
    pub async fn order_and_kill(&self, calls: usize) {
        let mut server = self.start().await;
        for call in 0..calls {
            let answer = order_under(&mut server, &numbered_key(call)).await;
            assert!(!is_replayed(&answer), "{answer}");
        }
        server.process.signal("KILL");
        server.close().await;
    }

    /// Runs `serve` with an empty stdin, so that it ends at once.
    pub fn run(&self) -> Output {
        self.serve().stdin(Stdio::null()).output().expect("it starts")
    }
}

/// Writes a call under a key.
#[expect(clippy::needless_pass_by_value, reason = "a `json!` literal reads better without a `&`")]
pub fn keyed_call(id: &Value, key: &str, tool: &str, arguments: Value) -> String {
    request(id, "tools/call", json!({"name": tool, "arguments": arguments, "_meta": {META_KEY: key}}))
}

/// Returns the key of a call that has a number.
pub fn numbered_key(call: usize) -> String {
    format!("call-{call:012}")
}

/// Orders a thing that has the name of the key.
pub async fn order_under(server: &mut StdioServer, key: &str) -> Value {
    server.client.exchange(keyed_call(&json!(1), key, "order", json!({"item": key}))).await
}

/// Returns the reason of a refusal.
pub fn reason(answer: &Value) -> Option<&str> {
    answer["result"]["_meta"][META_REASON].as_str()
}

/// Whether an answer is that of an earlier call.
pub fn is_replayed(answer: &Value) -> bool {
    answer["result"]["_meta"][META_REPLAYED] == true
}
