//! The suite's tools that send notifications while they run.

use std::{sync::LazyLock, time::Duration};

use candor::{Call, Level, mcp_tool};
use tokio::{sync::watch, time::sleep};

/// The time that the suite expects between two notifications.
const PAUSE: Duration = Duration::from_millis(50);

/// The number of changes of the list of prompts.
pub(super) static PROMPTS: LazyLock<watch::Sender<u64>> = LazyLock::new(|| watch::Sender::new(0));

/// Announce a change of the list of prompts.
#[mcp_tool(additive, closed_world, public)]
pub(super) fn test_trigger_prompt_change() {
    PROMPTS.send_modify(|times| *times += 1);
}

/// Report progress three times.
#[mcp_tool(read_only, closed_world, public)]
pub(super) async fn test_tool_with_progress(call: &Call) -> &'static str {
    for done in [0.0, 50.0, 100.0] {
        call.progress(done, Some(100.0), format!("{done} of 100"));
        sleep(PAUSE).await;
    }
    "The tool reported its progress."
}

/// Send three messages for the client's log.
#[mcp_tool(read_only, closed_world, public)]
pub(super) async fn test_tool_with_logging(call: &Call) -> &'static str {
    for message in ["Tool execution started", "Tool processing data", "Tool execution completed"] {
        call.log(Level::Info, message);
        sleep(PAUSE).await;
    }
    "The tool sent its messages."
}

/// Send a message for the client's log, if the request asks for one.
#[mcp_tool(read_only, closed_world, public)]
pub(super) fn test_logging_tool(call: &Call) -> &'static str {
    call.log(Level::Info, "A message");
    "The tool is done."
}
