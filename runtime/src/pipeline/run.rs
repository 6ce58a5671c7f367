//! Stage: the handler runs, until it answers, panics or runs out of time.

use std::{sync::Arc, time::Duration};

use tokio::{runtime::Handle, task::JoinError};

use crate::{
    args::Args,
    call::Call,
    descriptor::Descriptor,
    output::{Reply, ToolError},
    seal::{self, Place},
    tool::Handler,
};

pub(super) async fn run(place: Place<'_>, handler: &Handler, call: Call, args: Args) -> Reply {
    let tool = call.descriptor;
    let runtime = match place {
        Place::Open => Handle::current(),
        Place::Sealed(runtime) => runtime.clone(),
        Place::Broken => return unsealed(tool),
    };
    let sealed = matches!(place, Place::Sealed(_));
    let deadline = tokio::time::Instant::from_std(call.deadline);
    let cancelled = call.cancelled.clone();
    let call = Arc::new(call);
    // A task of its own: what panics, or never yields, takes nothing else with it.
    let mut work = match handler {
        Handler::Blocking(run) => {
            let run = Arc::clone(run);
            runtime.spawn_blocking(move || {
                if sealed && !seal::is_sealed() { unsealed(tool) } else { run(&call, args) }
            })
        }
        Handler::Async(run) if sealed => {
            let work = run(call, args);
            runtime.spawn(async move { if seal::is_sealed() { work.await } else { unsealed(tool) } })
        }
        Handler::Async(run) => runtime.spawn(run(call, args)),
    };
    // What may not be repeated is let run to its end, so that it is never left half done; it only loses its listener.
    let stop = |work: tokio::task::JoinHandle<Reply>| {
        if tool.may_repeat() {
            work.abort();
        }
    };
    tokio::select! {
        biased;
        done = &mut work => match done {
            Ok(reply) if sealed && reply.error.as_ref().is_some_and(ToolError::is_refused) => broken_word(tool, &reply),
            Ok(reply) => reply,
            Err(error) => broken(tool, &error),
        },
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

/// The system refused a sealed handler something, and the handler said so.
fn broken_word(tool: &Descriptor, reply: &Reply) -> Reply {
    let said = reply.error.as_ref().map(ToolError::message).unwrap_or_default();
    let words = match (tool.is_read_only(), tool.closed_world) {
        (true, true) => "`read_only` and `closed_world`",
        (true, false) => "`read_only`",
        _ => "`closed_world`",
    };
    ToolError::new(format!(
        "{said}\nnote: tool `{}` is declared {words}, and its threads may do no more than that\nhelp: tell whoever runs the server that the declaration, or the tool, is wrong",
        tool.name
    ))
    .reason("hint_violation")
    .into()
}

/// The threads that should have run the handler could not give up what they must: better no answer than a dishonest one.
fn unsealed(tool: &Descriptor) -> Reply {
    ToolError::not_applied(format!(
        "tool `{}` did not run: the system refused the seal that it is declared with",
        tool.name
    ))
    .reason("seal")
    .into()
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
