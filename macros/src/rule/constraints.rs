//! Rules about the constraints between parameters.

use syn::{Ident, ext::IdentExt};

use super::parameter::has_the_type;
use crate::{
    attr::Attr,
    confirm::Confirm,
    constraints::Relation,
    error::{Mistake, Mistakes},
    sig::{Argument, Sig},
};

/// Constraints name parameters that a caller can omit, and values that a parameter can have.
pub(super) fn constraints_fit_the_parameters(attr: &Attr, sig: &Sig, mistakes: &mut Mistakes) {
    for constraint in &attr.constraints {
        let names: Vec<&Ident> = match &constraint.relation {
            Relation::OneOf(names)
            | Relation::AnyOf(names)
            | Relation::AtMostOne(names)
            | Relation::Needs(names) => names.iter().collect(),
            Relation::When { param, is, then, otherwise } => {
                if let Some(argument) = named(param, sig, mistakes) {
                    has_the_type(&param.unraw().to_string(), argument, is, mistakes);
                }
                then.iter().chain(otherwise).collect()
            }
        };
        for name in names {
            let Some(argument) = named(name, sig, mistakes) else { continue };
            if !argument.is_optional() {
                mistakes.push(
                    Mistake::at(name, format!("`{}` names `{name}`, which is always sent", constraint.key))
                        .note("rules are about parameters that a caller can omit")
                        .help(format!("make `{name}` an `Option`, or remove it from the rule")),
                );
            }
        }
    }
}

/// A condition of `confirm` names a parameter, and a value that it can have.
pub(super) fn confirmation_fits_the_parameters(attr: &Attr, sig: &Sig, mistakes: &mut Mistakes) {
    if let Some((Confirm::When { param, is }, _)) = &attr.confirm
        && let Some(argument) = named(param, sig, mistakes)
    {
        has_the_type(&param.unraw().to_string(), argument, is, mistakes);
    }
}

/// Returns the argument of this name, or records that the function does not have it.
fn named<'a>(name: &Ident, sig: &'a Sig, mistakes: &mut Mistakes) -> Option<&'a Argument> {
    let argument = sig.arguments().find(|(param, _)| param.ident.unraw() == name.unraw());
    if argument.is_none() {
        let parameters: Vec<String> =
            sig.arguments().map(|(param, _)| format!("`{}`", param.ident.unraw())).collect();
        let help = match parameters.as_slice() {
            [] => "delete it: a caller sends no parameters to this tool".to_owned(),
            parameters => format!("its parameters are {}", parameters.join(", ")),
        };
        let fact = format!("`{name}` is not a parameter of tool `{}`", sig.name());
        mistakes.push(Mistake::at(name, fact).help(help));
    }
    argument.map(|(_, argument)| argument)
}
