//! Rules about the effect of a tool, and about the keys that depend on the effect.

use crate::{
    attr::{Attr, Audit, Effect},
    confirm::Confirm,
    error::{Mistake, Mistakes},
    sig::Sig,
};

pub(super) fn exactly_one_effect(attr: &Attr, sig: &Sig, mistakes: &mut Mistakes) {
    let is_declared = ["read_only", "additive", "destructive"].iter().any(|word| attr.has_key(word));
    match attr.effects.as_slice() {
        [] if !is_declared => mistakes.push(
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

pub(super) fn idempotent_only_for_writes(attr: &Attr, mistakes: &mut Mistakes) {
    if let (Some(idempotent), true) = (&attr.idempotent, is_read_only(attr)) {
        mistakes.push(
            Mistake::at(idempotent, "`idempotent` does not apply to a `read_only` tool")
                .note("a read can always be repeated; MCP defines `idempotentHint` for writes only")
                .help("delete `idempotent`"),
        );
    }
}

pub(super) fn retry_only_repeatable_tools(attr: &Attr, sig: &Sig, mistakes: &mut Mistakes) {
    if let (Some((_, retry)), true, false) = (&attr.retry, writes(attr), attr.has_key("idempotent")) {
        mistakes.push(
            Mistake::at(retry, format!("`retry` repeats tool `{}`, which is not `idempotent`", sig.name()))
                .note("only `read_only` and `idempotent` tools can run twice without harm")
                .help("add `idempotent` if that is true, or delete `retry`"),
        );
    }
}

pub(super) fn confirm_only_writes(attr: &Attr, mistakes: &mut Mistakes) {
    if let (Some((_, confirm)), true) = (&attr.confirm, is_read_only(attr)) {
        mistakes.push(
            Mistake::at(confirm, "`confirm` does not apply to a `read_only` tool")
                .help("delete `confirm`, or declare the effect that the user must confirm"),
        );
    }
}

pub(super) fn preview_only_before_a_confirmation(attr: &Attr, sig: &Sig, mistakes: &mut Mistakes) {
    let Some((_, preview)) = &attr.preview else { return };
    let asks = match &attr.confirm {
        Some((confirm, _)) => !matches!(confirm, Confirm::Never),
        // A `confirm` with a bad value is a mistake already.
        None => attr.has_key("confirm") || attr.effect().is_none_or(|effect| effect == Effect::Destructive),
    };
    if !asks {
        let fact = format!("tool `{}` has a preview, and the user is never asked", sig.name());
        mistakes.push(Mistake::at(preview, fact).help("add `confirm = \"always\"`, or delete `preview`"));
    }
}

pub(super) fn idempotency_key_only_for_writes(attr: &Attr, mistakes: &mut Mistakes) {
    if let (Some((_, key)), true) = (&attr.idempotency_key, is_read_only(attr)) {
        mistakes.push(
            Mistake::at(key, "`idempotency_key` does not apply to a `read_only` tool")
                .note("a key makes a write happen only once, and a read changes nothing")
                .help("delete `idempotency_key`"),
        );
    }
}

pub(super) fn audit_off_only_for_reads(attr: &Attr, sig: &Sig, mistakes: &mut Mistakes) {
    if let (Some((Audit::Off, off)), true) = (&attr.audit, writes(attr)) {
        mistakes.push(
            Mistake::at(off, format!("tool `{}` writes, but its audit is off", sig.name()))
                .note("only a `read_only` tool may run without an audit record")
                .help("write `audit = \"required\"` or delete the key"),
        );
    }
}

pub(super) fn public_effect_only_for_writes_outside(attr: &Attr, mistakes: &mut Mistakes) {
    let Some((_, key)) = &attr.public_effect else { return };
    if is_read_only(attr) {
        mistakes.push(
            Mistake::at(key, "`public_effect` does not apply to a `read_only` tool")
                .note("a read changes nothing that the public can see")
                .help("delete `public_effect`, or declare `additive` or `destructive`"),
        );
    } else if attr.has_key("closed_world") {
        mistakes.push(
            Mistake::at(key, "`public_effect` contradicts `closed_world`")
                .note("a `closed_world` tool uses only the server's own data, which the public does not see")
                .help("delete one of them"),
        );
    }
}

fn is_read_only(attr: &Attr) -> bool {
    attr.effect() == Some(Effect::ReadOnly)
}

fn writes(attr: &Attr) -> bool {
    matches!(attr.effect(), Some(Effect::Additive | Effect::Destructive))
}
