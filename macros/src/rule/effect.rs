//! What a tool does to the world, and what may be said beside it.

use super::effect;
use crate::{
    attr::{Attr, Audit, Effect},
    error::{Mistake, Mistakes},
    sig::Sig,
};

pub(super) fn exactly_one_effect(attr: &Attr, sig: &Sig, mistakes: &mut Mistakes) {
    let said = ["read_only", "additive", "destructive"].iter().any(|word| attr.says(word));
    match attr.effects.as_slice() {
        [] if !said => mistakes.push(
            Mistake::at(sig.ident(), format!("tool `{}` does not say what it does to the world", sig.name()))
                .note("MCP clients assume `destructive` when nothing is said")
                .help(
                    "add `read_only`, `additive` or `destructive`, for example `#[mcp_tool(read_only, …)]`",
                ),
        ),
        [] | [_] => {}
        [(first, _), rest @ ..] => {
            for (effect, word) in rest {
                mistakes.push(
                    Mistake::at(word, format!("`{}` contradicts `{}`", effect.word(), first.word()))
                        .help(format!("keep one of them: tool `{}` has exactly one effect", sig.name())),
                );
            }
        }
    }
}

pub(super) fn idempotent_says_something(attr: &Attr, mistakes: &mut Mistakes) {
    if let (Some(idempotent), true) = (&attr.idempotent, is_read_only(attr)) {
        mistakes.push(
            Mistake::at(idempotent, "`idempotent` says nothing beside `read_only`")
                .note("what changes nothing can be repeated; MCP gives `idempotentHint` a meaning for writes only")
                .help("delete `idempotent`"),
        );
    }
}

pub(super) fn retry_only_what_may_repeat(attr: &Attr, sig: &Sig, mistakes: &mut Mistakes) {
    if let (Some((_, retry)), true, false) = (&attr.retry, writes(attr), attr.says("idempotent")) {
        mistakes.push(
            Mistake::at(retry, format!("tool `{}` may not be repeated, and `retry` repeats it", sig.name()))
                .note("only `read_only` and `idempotent` tools do no harm when they run twice")
                .help("add `idempotent` if that is true, or delete `retry`"),
        );
    }
}

pub(super) fn confirm_only_writes(attr: &Attr, mistakes: &mut Mistakes) {
    if let (Some((_, confirm)), true) = (&attr.confirm, is_read_only(attr)) {
        mistakes.push(
            Mistake::at(confirm, "`confirm` has nothing to ask about on a `read_only` tool")
                .help("delete `confirm`, or declare the effect that needs a person's word"),
        );
    }
}

pub(super) fn idempotency_key_only_for_writes(attr: &Attr, mistakes: &mut Mistakes) {
    if let (Some((_, key)), true) = (&attr.idempotency_key, is_read_only(attr)) {
        mistakes.push(
            Mistake::at(key, "`idempotency_key` has nothing to protect on a `read_only` tool")
                .note("a key makes a write happen once; a read leaves nothing behind")
                .help("delete `idempotency_key`"),
        );
    }
}

pub(super) fn audit_off_only_for_reads(attr: &Attr, sig: &Sig, mistakes: &mut Mistakes) {
    if let (Some((Audit::Off, off)), true) = (&attr.audit, writes(attr)) {
        mistakes.push(
            Mistake::at(off, format!("tool `{}` writes, and its audit is off", sig.name()))
                .note("only a tool that reads may leave no record")
                .help("write `audit = \"required\"` or delete the key"),
        );
    }
}

fn is_read_only(attr: &Attr) -> bool {
    effect(attr) == Some(Effect::ReadOnly)
}

fn writes(attr: &Attr) -> bool {
    matches!(effect(attr), Some(Effect::Additive | Effect::Destructive))
}
