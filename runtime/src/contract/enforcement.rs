//! For each declared word, what makes it true here; an empty list where so far nothing does.

use crate::descriptor::{Audit, Descriptor, IdempotencyKey};

/// What enforces a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// The declaration does not compile where it is untrue of the state's handles.
    Compiler,
    /// A stage of every call.
    Runtime,
}

impl By {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Compiler => "compiler",
            Self::Runtime => "runtime",
        }
    }
}

/// The words that `tool` declares, each with what enforces it.
pub(crate) fn enforcement(tool: &Descriptor) -> Vec<(&'static str, &'static [By])> {
    let mut words: Vec<(&'static str, &'static [By])> = vec![
        ("arguments", &[By::Runtime]),
        ("output", &[By::Runtime]),
        ("timeout", &[By::Runtime]),
        (tool.effect.word(), if tool.is_read_only() { &[By::Compiler] } else { &[] }),
    ];
    let mut word = |said: bool, word, by| {
        if said {
            words.push((word, by));
        }
    };
    word(tool.closed_world, "closed_world", &[By::Compiler]);
    word(!tool.scopes.is_empty(), "scope", &[By::Runtime]);
    word(tool.idempotent, "idempotent", &[]);
    word(tool.confirm, "confirm", &[]);
    word(tool.idempotency_key != IdempotencyKey::None, "idempotency_key", &[]);
    word(tool.rate.is_some(), "rate", &[]);
    word(tool.max_in_flight.is_some(), "max_in_flight", &[]);
    word(tool.retry > 0, "retry", &[]);
    word(tool.audit != Audit::Off, "audit", &[]);
    words.sort_unstable_by_key(|(word, _)| *word);
    words
}
