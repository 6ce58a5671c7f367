//! Says in one sentence what each declared word means, and what makes it true.

/// Explains a key of [`enforcement`](super::enforcement).
pub(crate) fn explanation(key: &str) -> &'static str {
    match key {
        "read_only" => {
            "A call changes nothing. State marked `write` cannot be taken by the tool, and on Linux the threads that run \
             it, and everything they start, cannot write files (Landlock)."
        }
        "additive" => "A call adds something, and changes or removes nothing.",
        "destructive" => "A call may change or remove what exists.",
        "idempotent" => "A second call with the same arguments changes nothing more.",
        "closed_world" => {
            "A call uses only the server's own data. State marked `network` cannot be taken by the tool, and on Linux the \
             threads that run it cannot open network sockets (seccomp)."
        }
        "scope" => "A caller needs every scope. Each call is checked before its arguments are read.",
        "confirm" => {
            "The user is asked through the client before the handler runs. A client that cannot ask is refused."
        }
        "idempotency_key" => {
            "A call that is sent again within 24 h with its key does not run twice: it gets the first result."
        }
        "rate" => "A caller's calls in a period are counted before their arguments are read.",
        "max_in_flight" => "Concurrent calls are counted before their arguments are read.",
        "arguments" => {
            "Arguments are checked against the input schema; all faults are reported in one answer."
        }
        "rules" => "Constraints between parameters are checked with the arguments.",
        "output" => "A result is checked against the output schema and its maximum size before it is sent.",
        "timeout" => "A call is answered at its deadline, also if its handler runs on.",
        "retry" => "Transient errors are retried within the deadline.",
        "task" => {
            "A call answers with a task to clients that support tasks; only the caller that created it can see it."
        }
        "audit" => {
            "Calls are recorded. A tool with `audit = \"required\"` runs only after its intent is on disk."
        }
        _ => "",
    }
}
