//! Rules about the callers that a tool accepts.

use crate::{
    attr::Attr,
    error::{Mistake, Mistakes},
    sig::Sig,
};

pub(super) fn scope_or_public(attr: &Attr, sig: &Sig, mistakes: &mut Mistakes) {
    if let (Some(public), true) = (&attr.public, attr.has_key("scope")) {
        mistakes.push(Mistake::at(public, "`public` contradicts `scope`").help(format!(
            "keep one of them: tool `{}` is open to every caller, or only to callers with its scopes",
            sig.name()
        )));
    }
    if !attr.has_key("scope") && !attr.has_key("public") {
        mistakes.push(
            Mistake::at(sig.ident(), format!("tool `{}` does not say who may call it", sig.name()))
                .note("a caller needs every scope that the tool lists; a `public` tool needs no scope")
                .help("add `public` or a scope of your choice, for example `scope = \"read:prices\"`"),
        );
    }
}
