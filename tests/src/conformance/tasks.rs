//! Tools of the suite whose work outlasts a request.

use std::time::Duration;

use candor::{Ask, Call, ToolError, Tools, mcp_tool, tools};
use serde_json::{Value, json};
use tokio::time::sleep;

/// Work for some seconds.
#[mcp_tool(read_only, closed_world, public, task = "optional", timeout = "2min")]
async fn slow_compute(
    call: &Call,
    /// How many.
    #[param(max = 60)]
    seconds: u32,
    /// What for.
    label: Option<String>,
) -> String {
    let what = label.as_deref().unwrap_or("It");
    for done in 0..seconds {
        call.progress(done.into(), Some(seconds.into()), what);
        sleep(Duration::from_secs(1)).await;
    }
    format!("{what} took {seconds} s.")
}

/// Work for a second, and fail.
#[mcp_tool(read_only, closed_world, public, task = "required")]
async fn failing_job() -> Result<(), ToolError> {
    sleep(Duration::from_secs(1)).await;
    Err(ToolError::new("the job failed, as it always does"))
}

/// Ask for roots, which no client of the suite declares: a task that ends with an error of the protocol.
#[mcp_tool(read_only, public, task = "optional")]
fn protocol_error_job(call: &Call) -> Result<&'static str, Ask> {
    call.answer::<Value>("roots")
        .map(|_| "The client has roots.")
        .ok_or_else(|| Ask::default().roots("roots"))
}

/// Ask whether a file may go. It stays either way.
#[mcp_tool(read_only, public, task = "optional")]
fn confirm_delete(
    call: &Call,
    /// The file's name.
    filename: &str,
) -> Result<String, Ask> {
    let said: Value = call.answer("confirm").ok_or_else(|| {
        let schema = json!({"type": "object", "properties": {"confirm": {"type": "boolean"}}});
        Ask::default().form("confirm", format!("May {filename} go?"), schema)
    })?;
    Ok(format!("{filename}: {}", said["action"].as_str().unwrap_or_default()))
}

/// Ask two things at once.
#[mcp_tool(read_only, public, task = "optional")]
fn multi_input(call: &Call) -> Result<String, Ask> {
    let schema = || json!({"type": "object", "properties": {"name": {"type": "string"}}});
    match (call.form("first"), call.form("second")) {
        (Some(first), Some(second)) => Ok(format!("{} and {}", first["name"], second["name"])),
        _ => Err(Ask::default().form("first", "A name?", schema()).form("second", "Another?", schema())),
    }
}

/// Greet whoever allows it, after their word.
#[mcp_tool(additive, closed_world, public, confirm = "always", task = "required")]
fn test_tool_with_task(call: &Call) -> String {
    // The suite's person writes a name into whatever form they are shown, that of the confirmation among them.
    let name =
        call.form("candor/confirm").and_then(|form| form.get("user_name").or_else(|| form.get("name")));
    format!("Hello, {}!", name.and_then(Value::as_str).unwrap_or("whoever you are"))
}

/// The tools with tasks.
pub(super) fn all() -> Tools<()> {
    tools![slow_compute, failing_job, protocol_error_job, confirm_delete, multi_input, test_tool_with_task]
}
