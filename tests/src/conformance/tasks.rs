//! The suite's tools that run as tasks.

use std::time::Duration;

use candor::{Ask, Call, ToolError, Tools, mcp_tool, tools};
use serde_json::{Value, json};
use tokio::time::sleep;

/// Work for some seconds.
#[mcp_tool(read_only, closed_world, public, task = "optional", timeout = "2min")]
async fn slow_compute(
    call: &Call,
    /// The number of seconds.
    #[param(max = 60)]
    seconds: u32,
    /// The name of the work, for progress reports.
    label: Option<String>,
) -> String {
    let subject = label.as_deref().unwrap_or("It");
    for done in 0..seconds {
        call.progress(done.into(), Some(seconds.into()), subject);
        sleep(Duration::from_secs(1)).await;
    }
    format!("{subject} took {seconds} s.")
}

/// Work for a second, and fail.
#[mcp_tool(read_only, closed_world, public, task = "required")]
async fn failing_job() -> Result<(), ToolError> {
    sleep(Duration::from_secs(1)).await;
    Err(ToolError::new("the job failed, as it always does"))
}

/// Ask for roots, which no client of the suite declares: the task ends with a protocol error.
#[mcp_tool(read_only, public, task = "optional")]
fn protocol_error_job(call: &Call) -> Result<&'static str, Ask> {
    call.answer::<Value>("roots")
        .map(|_| "The client has roots.")
        .ok_or_else(|| Ask::default().roots("roots"))
}

/// Ask whether to delete a file. The file is not deleted either way.
#[mcp_tool(read_only, public, task = "optional")]
fn confirm_delete(
    call: &Call,
    /// The file's name.
    filename: &str,
) -> Result<String, Ask> {
    let answer: Value = call.answer("confirm").ok_or_else(|| {
        let schema = json!({"type": "object", "properties": {"confirm": {"type": "boolean"}}});
        Ask::default().form("confirm", format!("May {filename} go?"), schema)
    })?;
    Ok(format!("{filename}: {}", answer["action"].as_str().unwrap_or_default()))
}

/// Ask two things at once.
#[mcp_tool(read_only, public, task = "optional")]
fn multi_input(call: &Call) -> Result<String, Ask> {
    let schema = || json!({"type": "object", "properties": {"name": {"type": "string"}}});
    match (call.form("first").filled(), call.form("second").filled()) {
        (Some(first), Some(second)) => Ok(format!("{} and {}", first["name"], second["name"])),
        _ => Err(Ask::default().form("first", "A name?", schema()).form("second", "Another?", schema())),
    }
}

/// Greet the user after a confirmation.
#[mcp_tool(additive, closed_world, public, confirm = "always", task = "required")]
fn test_tool_with_task(call: &Call) -> String {
    // The suite's client fills in a name in every form, also in that of the confirmation.
    let name = call
        .form("io.github.candor-mcp/confirm")
        .filled()
        .and_then(|form| form.get("user_name").or_else(|| form.get("name")));
    format!("Hello, {}!", name.and_then(Value::as_str).unwrap_or("stranger"))
}

/// The tools.
pub(super) fn tools() -> Tools<()> {
    tools![slow_compute, failing_job, protocol_error_job, confirm_delete, multi_input, test_tool_with_task]
}
