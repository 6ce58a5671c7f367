//! Rules about deprecation: callers learn when the tool is removed, and the build fails in that version.

use syn::LitStr;

use crate::{
    attr::{Attr, Deprecated},
    error::{Mistake, Mistakes},
    key::spelled,
    sig::Sig,
};

type Version<'a> = &'a (semver::Version, LitStr);

pub(super) fn deprecation_has_an_end(attr: &Attr, sig: &Sig, mistakes: &mut Mistakes) {
    let Some(deprecated) = &attr.deprecated else { return };
    for (key, example) in [("since", "1.5.0"), ("remove_in", "1.7.0")] {
        if !deprecated.has_key(key) {
            mistakes.push(
                Mistake::at(
                    &deprecated.key,
                    format!("the deprecation of tool `{}` has no `{key}`", sig.name()),
                )
                .help(format!("add the version, for example `{key} = \"{example}\"`")),
            );
        }
    }
    let Some(remove_in) = &deprecated.remove_in else { return };
    mistakes.push(match &deprecated.since {
        Some(since) if since.0 >= remove_in.0 => Some(removed_too_early(since, remove_in, sig)),
        _ => overdue(deprecated, remove_in, sig),
    });
}

fn removed_too_early(since: Version<'_>, remove_in: Version<'_>, sig: &Sig) -> Mistake {
    let ((since, _), (remove_in, literal)) = (since, remove_in);
    let fact = format!("tool `{}` is deprecated in {since} and removed in {remove_in}", sig.name());
    Mistake::at(literal, fact)
        .note("callers need at least one release between the two")
        .help("choose a later `remove_in`")
}

fn overdue(deprecated: &Deprecated, (remove_in, literal): Version<'_>, sig: &Sig) -> Option<Mistake> {
    let package = std::env::var("CARGO_PKG_VERSION").ok()?.parse::<semver::Version>().ok()?;
    if package < *remove_in {
        return None;
    }
    let name = sig.name();
    let fact =
        format!("tool `{name}` was announced to be removed in {remove_in}, and this is version {package}");
    let mistake = Mistake::at(literal, fact);
    let mistake = match &deprecated.use_instead {
        Some(other) => mistake.note(format!("its description tells callers to use `{}`", spelled(other))),
        None => mistake,
    };
    let help = format!("delete `fn {name}`, or choose a later `remove_in` and explain it in the changelog");
    Some(mistake.help(help))
}
