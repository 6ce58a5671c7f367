//! A server whose tools cover arguments of every kind, panics, output on stdout, child processes and waiting.

#![expect(clippy::needless_pass_by_value, reason = "the arguments of a tool are owned")]

use std::{
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    process::Command,
};

use candor::{Call, Server, mcp_tool, tools};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Stands for a secret argument in tests: no answer, log or stream may repeat it.
pub const SECRET: &str = "s3cr3t-4711";

/// A kind of room.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Room {
    /// With a view.
    Sea,
    /// Without one.
    Yard,
}

/// A booking.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Booked {
    /// The number of nights.
    pub nights: u32,
    /// The number of guests.
    pub guests: usize,
}

/// Add two numbers.
#[mcp_tool(read_only, closed_world, public)]
pub fn add(
    /// The first.
    a: i64,
    /// The second.
    b: i64,
) -> i64 {
    a + b
}

/// Book a room.
#[mcp_tool(additive, closed_world, public)]
pub fn book(
    /// The place to stay at.
    #[param(min_len = 2, max_len = 40, pattern = "^[a-z -]+$")]
    place: &str,
    /// The number of nights.
    #[param(min = 1, max = 30)]
    nights: u32,
    /// The names of the guests.
    #[param(min_len = 1, max_len = 4)]
    guests: &[String],
    /// The room.
    room: Option<Room>,
    /// The code of the lock.
    #[param(secret, max_len = 8)]
    code: Option<String>,
    /// The highest price of a night.
    #[param(min = 0.0)]
    price: Option<f64>,
) -> Booked {
    let _ = (place, room, code, price);
    Booked { nights, guests: guests.len() }
}

/// Return the length of a text.
#[mcp_tool(read_only, closed_world, public)]
pub fn measure(
    /// Any text.
    text: &str,
) -> usize {
    text.len()
}

/// Return how deeply a value is nested.
#[mcp_tool(read_only, closed_world, public)]
pub fn depth(
    /// Any value.
    value: Value,
) -> usize {
    fn of(value: &Value) -> usize {
        match value {
            Value::Array(values) => 1 + values.iter().map(of).max().unwrap_or(0),
            Value::Object(object) => 1 + object.values().map(of).max().unwrap_or(0),
            _ => 0,
        }
    }
    of(&value)
}

/// Read a shelf of the vault, which needs a scope.
#[mcp_tool(read_only, closed_world, scope = "read:vault")]
pub fn vault(
    /// The number of the shelf.
    shelf: u8,
) -> String {
    format!("shelf {shelf}")
}

/// Panic.
#[mcp_tool(read_only, closed_world, public)]
pub fn fail() -> String {
    panic!("the handler gives up")
}

/// Print on stdout from a function that the attribute does not see.
#[mcp_tool(read_only, public)]
pub fn print(
    /// The text to print.
    words: &str,
) -> &'static str {
    print_to_stdout(words);
    "printed"
}

fn print_to_stdout(words: &str) {
    println!("{words}");
    std::io::stdout().flush().expect("descriptor 1 is open");
}

/// Start a child process that prints.
#[mcp_tool(read_only, public)]
pub fn child_prints(
    /// The text to print.
    words: &str,
) -> Result<String, std::io::Error> {
    let status = Command::new("sh").args(["-c", "echo \"$1\"; echo \"$1\" >&2", "sh", words]).status()?;
    Ok(status.to_string())
}

/// Start a child process that reads its stdin to the end.
#[mcp_tool(read_only, public)]
pub fn child_reads() -> Result<String, std::io::Error> {
    let status = Command::new("cat").status()?;
    Ok(status.to_string())
}

/// Wait at a Unix socket until its other end sends a byte.
#[mcp_tool(additive, public)]
pub fn wait(
    call: &Call,
    /// The path of the socket.
    socket: &str,
) -> Result<String, std::io::Error> {
    call.progress(1.0, None, "waiting");
    let mut byte = [0];
    UnixStream::connect(socket)?.read_exact(&mut byte)?;
    Ok(format!("received {}", byte[0]))
}

/// Forget something for good.
#[mcp_tool(destructive, idempotent, closed_world, public)]
pub fn forget(
    /// The name of the thing to forget.
    #[param(max_len = 80)]
    what: &str,
    /// The password that allows it.
    #[param(secret)]
    word: Option<String>,
) -> String {
    let _ = word;
    format!("forgot {what}")
}

/// Makes the server.
pub fn server() -> Server {
    Server::new("fixture", "1.0.0").unaudited().tools(tools![
        add,
        book,
        measure,
        depth,
        vault,
        fail,
        print,
        child_prints,
        child_reads,
        wait,
        forget
    ])
}
