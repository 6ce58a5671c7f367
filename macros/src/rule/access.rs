//! Who may call.

use crate::{
    attr::Attr,
    error::{Mistake, Mistakes},
    sig::Sig,
};

pub(super) fn scope_or_public(attr: &Attr, sig: &Sig, mistakes: &mut Mistakes) {
    if let (Some(public), true) = (&attr.public, attr.says("scope")) {
        mistakes.push(Mistake::at(public, "`public` contradicts `scope`").help(format!(
            "keep one of them: tool `{}` is either for everybody or for those who hold its scopes",
            sig.name()
        )));
    }
    if !attr.says("scope") && !attr.says("public") {
        mistakes.push(
            Mistake::at(sig.ident(), format!("tool `{}` does not say who may call it", sig.name()))
                .note("a scope is what a caller must have been granted; `public` needs none")
                .help("add `scope = \"read:prices\"`, in your own words, or `public`"),
        );
    }
}
