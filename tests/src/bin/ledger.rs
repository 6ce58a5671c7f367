//! Serves tools whose calls are recorded, for tests of the audit log that need a real process.

use std::{
    env,
    time::{Duration, SystemTime},
};

use candor::{
    AuditLog, Server, mcp_tool,
    testing::{Clock, Disk},
    tools,
};

/// Enter a number in the ledger.
#[mcp_tool(additive, closed_world, public)]
fn enter(
    /// The number.
    n: u64,
    /// The purpose of the number.
    text: Option<String>,
    /// A secret word.
    #[param(secret)]
    word: Option<String>,
) -> u64 {
    drop((text, word));
    n
}

/// Look a number up.
#[mcp_tool(read_only, closed_world, public)]
fn look(
    /// The number.
    n: u64,
) -> u64 {
    n
}

/// Open the drawer.
#[mcp_tool(additive, closed_world, scope = "write:drawer")]
fn open_drawer() {}

/// Shout in the shop, after asking.
#[mcp_tool(additive, closed_world, public, confirm = "always")]
fn shout(
    /// Any text.
    text: &str,
) -> usize {
    text.len()
}

/// Returns the number in an environment variable.
fn number<N: std::str::FromStr>(variable: &str) -> Option<N> {
    env::var(variable).ok()?.parse().ok()
}

/// A clock that is this many days ahead of the system's.
fn ahead(days: i64) -> Clock {
    let clock = Clock::manual();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("it is after 1970");
    let day = Duration::from_secs(86_400);
    let by = u32::try_from(days.unsigned_abs()).expect("a few days") * day;
    let time = if days < 0 { now.saturating_sub(by) } else { now + by };
    clock.advance(time.saturating_sub(clock.since_1970()));
    clock.set_back(clock.since_1970().saturating_sub(time));
    clock
}

/// Serves, with a clock that is `LEDGER_DAYS` ahead, in segments of `LEDGER_SEGMENT` bytes in the folder `LEDGER_LOG`, until
/// `LEDGER_KILL_AFTER` operations of the disk.
fn main() -> std::process::ExitCode {
    let mut server = Server::new("ledger", "1.0.0").tools(tools![enter, look, open_drawer, shout]);
    if let Some(days) = number("LEDGER_DAYS") {
        server = server.clock(ahead(days));
    }
    if let Some(folder) = env::var_os("LEDGER_LOG") {
        let disk = Disk::faulty();
        if let Some(operations) = number("LEDGER_KILL_AFTER") {
            disk.kill_after(operations);
        }
        disk.set_full(number::<u8>("LEDGER_FULL").is_some());
        disk.fail_syncs(number::<u8>("LEDGER_SYNCS_FAIL").is_some());
        let bytes = number("LEDGER_SEGMENT").unwrap_or(16 * 1024 * 1024);
        server = server.audit(AuditLog::at(folder).segment_bytes(bytes).disk(disk));
    }
    server.main()
}
