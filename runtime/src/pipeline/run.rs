//! Stage: the handler runs, until it answers, panics or runs out of time.

use std::{sync::Arc, time::Duration};

use tokio::task::JoinError;

use crate::{
    args::Args,
    call::Call,
    descriptor::Descriptor,
    output::{Reply, ToolError},
    tool::Handler,
};

pub(super) async fn run(handler: &Handler, call: Call, args: Args) -> Reply {
    let tool = call.descriptor;
    let deadline = tokio::time::Instant::from_std(call.deadline);
    let cancelled = call.cancelled.clone();
    let call = Arc::new(call);
    // A task of its own: what panics, or never yields, takes nothing else with it.
    let mut work = match handler {
        Handler::Blocking(run) => {
            let run = Arc::clone(run);
            tokio::task::spawn_blocking(move || run(&call, args))
        }
        Handler::Async(run) => tokio::spawn(run(call, args)),
    };
    // What may not be repeated is let run to its end, so that it is never left half done; it only loses its listener.
    let stop = |work: tokio::task::JoinHandle<Reply>| {
        if tool.may_repeat() {
            work.abort();
        }
    };
    tokio::select! {
        biased;
        done = &mut work => done.unwrap_or_else(|error| broken(tool, &error)),
        () = cancelled.cancelled() => {
            stop(work);
            ToolError::new(format!("the call of tool `{}` was taken back", tool.name)).reason("cancelled").into()
        }
        () = tokio::time::sleep_until(deadline) => {
            cancelled.cancel();
            stop(work);
            late(tool)
        }
    }
}

/// The handler panicked. What it said may hold anything, so the caller reads a fixed text.
fn broken(tool: &Descriptor, error: &JoinError) -> Reply {
    let what = if error.is_panic() { "failed inside" } else { "was stopped" };
    let error = ToolError::new(format!(
        "tool `{}` {what}; the server goes on\nhelp: the server's log says why",
        tool.name
    ));
    error.reason("internal").into()
}

fn late(tool: &Descriptor) -> Reply {
    let after = seconds(tool.timeout);
    let error = if tool.may_repeat() {
        ToolError::transient(format!(
            "tool `{}` did not answer within {after}\nhelp: ask for less, or call again later",
            tool.name
        ))
    } else {
        ToolError::new(format!(
            "tool `{}` did not answer within {after}\nnote: it was not stopped, and what it does may still happen\nhelp: look before you call again",
            tool.name
        ))
    };
    error.reason("deadline_exceeded").into()
}

fn seconds(time: Duration) -> String {
    if time.subsec_millis() == 0 {
        format!("{} s", time.as_secs())
    } else {
        format!("{} ms", time.as_millis())
    }
}
