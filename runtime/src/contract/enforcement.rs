//! Lists what enforces each declared key of a tool on this machine. The list of a key that is only recorded is empty.

use crate::{
    sandbox::{Profile, Support},
    tool::descriptor::{Audit, Descriptor, IdempotencyKey},
};

/// A mechanism that makes a declared key true.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum EnforcedBy {
    /// The declaration does not compile if it takes a handle of the state that would break it.
    Compiler,
    /// A stage of the pipeline checks every call.
    Runtime,
    /// The kernel of this machine refuses the operations that would break it.
    Kernel,
}

impl EnforcedBy {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Compiler => "compiler",
            Self::Runtime => "runtime",
            Self::Kernel => "kernel",
        }
    }
}

/// Lists the keys that `tool` declares, each with the mechanisms that enforce it. `recorded` says whether the server
/// writes an audit log, and `keeps_keys` whether it keeps idempotency keys.
pub(crate) fn enforcement(
    tool: &Descriptor,
    support: &Support,
    recorded: bool,
    keeps_keys: bool,
) -> Vec<(&'static str, &'static [EnforcedBy])> {
    let sandboxed = |supported: bool| -> &'static [EnforcedBy] {
        if supported && Profile::of(tool).is_some() {
            &[EnforcedBy::Compiler, EnforcedBy::Kernel]
        } else {
            &[EnforcedBy::Compiler]
        }
    };
    let mut keys: Vec<(&'static str, &'static [EnforcedBy])> = vec![
        ("arguments", &[EnforcedBy::Runtime]),
        ("output", &[EnforcedBy::Runtime]),
        ("timeout", &[EnforcedBy::Runtime]),
        (tool.effect.word(), if tool.is_read_only() { sandboxed(support.writes.is_ok()) } else { &[] }),
    ];
    let mut add = |declared: bool, key, by| {
        if declared {
            keys.push((key, by));
        }
    };
    add(tool.closed_world, "closed_world", sandboxed(support.network.is_ok()));
    add(!tool.scopes.is_empty(), "scope", &[EnforcedBy::Runtime]);
    add(tool.idempotent, "idempotent", &[]);
    add(tool.confirm.asks(), "confirm", &[EnforcedBy::Runtime]);
    let by: &[EnforcedBy] = if keeps_keys { &[EnforcedBy::Runtime] } else { &[] };
    add(tool.idempotency_key != IdempotencyKey::None, "idempotency_key", by);
    add(tool.rate.is_some(), "rate", &[EnforcedBy::Runtime]);
    add(tool.max_in_flight.is_some(), "max_in_flight", &[EnforcedBy::Runtime]);
    add(!tool.rules.is_empty(), "rules", &[EnforcedBy::Runtime]);
    add(tool.retry > 0, "retry", &[EnforcedBy::Runtime]);
    let by: &[EnforcedBy] = if recorded { &[EnforcedBy::Runtime] } else { &[] };
    add(tool.task.is_some(), "task", &[EnforcedBy::Runtime]);
    add(tool.audit != Audit::Off, "audit", by);
    keys.sort_unstable_by_key(|(key, _)| *key);
    keys
}
