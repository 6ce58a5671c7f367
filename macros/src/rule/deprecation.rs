//! A promise to callers: since when, until when, and what to use in its place.

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
    for (key, promise, example) in
        [("since", "since when", "1.5.0"), ("remove_in", "when it will be gone", "1.7.0")]
    {
        if !deprecated.says(key) {
            mistakes.push(
                Mistake::at(
                    &deprecated.key,
                    format!("tool `{}` is deprecated and does not say {promise}", sig.name()),
                )
                .help(format!("name the release, for example `{key} = \"{example}\"`")),
            );
        }
    }
    let Some(remove_in) = &deprecated.remove_in else { return };
    mistakes.push(match &deprecated.since {
        Some(since) if since.0 >= remove_in.0 => Some(no_time_between(since, remove_in, sig)),
        _ => overdue(deprecated, remove_in, sig),
    });
}

fn no_time_between(since: Version<'_>, remove_in: Version<'_>, sig: &Sig) -> Mistake {
    let ((since, _), (remove_in, said)) = (since, remove_in);
    let fact = format!("tool `{}` is deprecated since {since} and to be gone in {remove_in}", sig.name());
    Mistake::at(said, fact)
        .note("callers need at least one release between the two")
        .help("promise a later `remove_in`")
}

fn overdue(deprecated: &Deprecated, (remove_in, said): Version<'_>, sig: &Sig) -> Option<Mistake> {
    let package = std::env::var("CARGO_PKG_VERSION").ok()?.parse::<semver::Version>().ok()?;
    if package < *remove_in {
        return None;
    }
    let name = sig.name();
    let mistake =
        Mistake::at(said, format!("tool `{name}` was to be gone by {remove_in}, and this is {package}"));
    let mistake = match &deprecated.use_instead {
        Some(other) => mistake.note(format!("callers have been told to use `{}`", spelled(other))),
        None => mistake,
    };
    Some(
        mistake
            .help(format!("delete `fn {name}`, or promise a later `remove_in` and say why in the changelog")),
    )
}
