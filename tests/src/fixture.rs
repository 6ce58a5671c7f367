//! A server whose tools exercise everything: arguments of every kind, panics, printing, waiting.

#![expect(clippy::needless_pass_by_value, reason = "what a caller sends, the call owns")]

use std::{
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    process::Command,
};

use candor::{Call, Server, mcp_tool, tools};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A kind of room.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Room {
    /// With a view.
    Sea,
    /// Without one.
    Yard,
}

/// What was booked.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Booked {
    /// How many nights.
    pub nights: u32,
    /// How many guests.
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
    /// Where to.
    #[param(min_len = 2, max_len = 40, pattern = "^[a-z -]+$")]
    place: &str,
    /// How many nights.
    #[param(min = 1, max = 30)]
    nights: u32,
    /// Who comes.
    #[param(min_len = 1, max_len = 4)]
    guests: &[String],
    /// The room.
    room: Option<Room>,
    /// The word at the door.
    #[param(secret, max_len = 8)]
    code: Option<String>,
    /// What it may cost a night.
    #[param(min = 0.0)]
    price: Option<f64>,
) -> Booked {
    let _ = (place, room, code, price);
    Booked { nights, guests: guests.len() }
}

/// Say how long a text is.
#[mcp_tool(read_only, closed_world, public)]
pub fn measure(
    /// Any text.
    text: &str,
) -> usize {
    text.len()
}

/// Say how deep a value is.
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

/// Say what only those may read who were let in.
#[mcp_tool(read_only, closed_world, scope = "read:vault")]
pub fn vault(
    /// Which shelf.
    shelf: u8,
) -> String {
    format!("shelf {shelf}")
}

/// Fail inside.
#[mcp_tool(read_only, closed_world, public)]
pub fn fail() -> String {
    panic!("the handler gives up")
}

/// Print on stdout from a function that the attribute does not see.
#[mcp_tool(read_only, public)]
pub fn print(
    /// What to print.
    words: &str,
) -> &'static str {
    shout(words);
    "printed"
}

fn shout(words: &str) {
    println!("{words}");
    std::io::stdout().flush().expect("descriptor 1 is open");
}

/// Start a child process that prints.
#[mcp_tool(read_only, public)]
pub fn child_prints(
    /// What it prints.
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

/// Wait at a Unix socket until its other end says a byte.
#[mcp_tool(additive, public)]
pub fn wait(
    call: &Call,
    /// The path of the socket.
    socket: &str,
) -> Result<String, std::io::Error> {
    call.progress(1.0, None, "waiting");
    let mut word = [0];
    UnixStream::connect(socket)?.read_exact(&mut word)?;
    Ok(format!("heard {}", word[0]))
}

/// Forget something for good.
#[mcp_tool(destructive, idempotent, closed_world, public)]
pub fn forget(
    /// What to forget.
    what: &str,
    /// The word that allows it.
    #[param(secret)]
    word: Option<String>,
) -> String {
    let _ = word;
    format!("forgot {what}")
}

/// The whole server.
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
