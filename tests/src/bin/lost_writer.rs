//! A server whose audit log loses its thread when a tool is called, for tests of what is then said. The log is in the folder
//! `LOST_WRITER`.

use std::{process::ExitCode, sync::LazyLock};

use candor::{AuditLog, Server, mcp_tool, testing::Disk, tools};

static DISK: LazyLock<Disk> = LazyLock::new(Disk::faulty);

/// Let the next use of the log's disk panic.
#[mcp_tool(read_only, closed_world, public, audit = "off")]
fn lose() {
    DISK.panic_next();
}

/// Write something.
#[mcp_tool(additive, closed_world, public)]
fn put() {}

/// Look something up.
#[mcp_tool(read_only, closed_world, public)]
fn look() -> u32 {
    7
}

fn main() -> ExitCode {
    let folder = std::env::var_os("LOST_WRITER").unwrap_or_default();
    let server = Server::new("lost", "1.0.0").without_idempotency();
    server.audit(AuditLog::at(folder).disk(DISK.clone())).tools(tools![lose, put, look]).main()
}
