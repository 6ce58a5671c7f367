//! For each declared word, what makes it true here; an empty list where so far nothing does.

use crate::{
    sandbox::{Profile, Support},
    tool::descriptor::{Audit, Descriptor, IdempotencyKey},
};

/// What enforces a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum EnforcedBy {
    /// The declaration does not compile where it is untrue of the state's handles.
    Compiler,
    /// A stage of every call.
    Runtime,
    /// The kernel of this machine refuses what would break it.
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

/// The words that `tool` declares, each with what enforces it; `recorded` where the server keeps an audit log.
pub(crate) fn enforcement(
    tool: &Descriptor,
    support: &Support,
    recorded: bool,
) -> Vec<(&'static str, &'static [EnforcedBy])> {
    let sandboxed = |kept: bool| -> &'static [EnforcedBy] {
        if kept && Profile::of(tool).is_some() {
            &[EnforcedBy::Compiler, EnforcedBy::Kernel]
        } else {
            &[EnforcedBy::Compiler]
        }
    };
    let mut words: Vec<(&'static str, &'static [EnforcedBy])> = vec![
        ("arguments", &[EnforcedBy::Runtime]),
        ("output", &[EnforcedBy::Runtime]),
        ("timeout", &[EnforcedBy::Runtime]),
        (tool.effect.word(), if tool.is_read_only() { sandboxed(support.writes.is_ok()) } else { &[] }),
    ];
    let mut word = |said: bool, word, by| {
        if said {
            words.push((word, by));
        }
    };
    word(tool.closed_world, "closed_world", sandboxed(support.network.is_ok()));
    word(!tool.scopes.is_empty(), "scope", &[EnforcedBy::Runtime]);
    word(tool.idempotent, "idempotent", &[]);
    word(tool.confirm, "confirm", &[EnforcedBy::Runtime]);
    word(tool.idempotency_key != IdempotencyKey::None, "idempotency_key", &[]);
    word(tool.rate.is_some(), "rate", &[EnforcedBy::Runtime]);
    word(tool.max_in_flight.is_some(), "max_in_flight", &[EnforcedBy::Runtime]);
    word(!tool.rules.is_empty(), "rules", &[EnforcedBy::Runtime]);
    word(tool.retry > 0, "retry", &[EnforcedBy::Runtime]);
    let by: &[EnforcedBy] = if recorded { &[EnforcedBy::Runtime] } else { &[] };
    word(tool.task.is_some(), "task", &[EnforcedBy::Runtime]);
    word(tool.audit != Audit::Off, "audit", by);
    words.sort_unstable_by_key(|(word, _)| *word);
    words
}
