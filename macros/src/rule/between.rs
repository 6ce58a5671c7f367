//! Rules between parameters, against the parameters that the function has.

use syn::{Ident, ext::IdentExt};

use super::parameter::has_the_type;
use crate::{
    attr::Attr,
    between::Demand,
    error::{Mistake, Mistakes},
    sig::{Argument, Sig},
};

/// Rules speak of what a caller may leave out, and of values that a parameter can have.
pub(super) fn rules_fit_the_parameters(attr: &Attr, sig: &Sig, mistakes: &mut Mistakes) {
    for rule in &attr.rules {
        let left_out: Vec<&Ident> = match &rule.demand {
            Demand::OneOf(names) | Demand::AnyOf(names) | Demand::Needs(names) => names.iter().collect(),
            Demand::When { param, is, then, otherwise } => {
                if let Some(argument) = named(param, sig, mistakes) {
                    has_the_type(&param.unraw().to_string(), argument, is, mistakes);
                }
                then.iter().chain(otherwise).collect()
            }
        };
        for name in left_out {
            let Some(argument) = named(name, sig, mistakes) else { continue };
            if !argument.optional() {
                mistakes.push(
                    Mistake::at(name, format!("`{}` speaks of `{name}`, which is always sent", rule.key))
                        .note("a rule says which of the parameters that may be left out are sent")
                        .help(format!("make `{name}` an `Option`, or take it out of the rule")),
                );
            }
        }
    }
}

/// The argument of this name; a mistake where the function has none.
fn named<'a>(name: &Ident, sig: &'a Sig, mistakes: &mut Mistakes) -> Option<&'a Argument> {
    let found = sig.arguments().find(|(param, _)| param.ident.unraw() == name.unraw());
    if found.is_none() {
        let known: Vec<String> =
            sig.arguments().map(|(param, _)| format!("`{}`", param.ident.unraw())).collect();
        let help = match known.as_slice() {
            [] => "it takes none".to_owned(),
            known => format!("its parameters are {}", known.join(", ")),
        };
        mistakes
            .push(Mistake::at(name, format!("`{name}` is no parameter of tool `{}`", sig.name())).help(help));
    }
    found.map(|(_, argument)| argument)
}
