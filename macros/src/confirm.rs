//! Reads `confirm = …`: a setting, or the condition under which the user is asked.

use darling::ast::NestedMeta;
use quote::ToTokens as _;
use syn::{Expr, Ident};

use crate::{
    error::Mistake,
    key::{one_of, strip, value, value_or_item},
    param::{Value, literal},
};

/// When the user must confirm a call.
pub(crate) enum Confirm {
    Always,
    Never,
    /// The parameter has this value.
    When {
        param: Ident,
        is: Value,
    },
}

const SETTINGS: [(&str, bool); 2] = [("always", true), ("never", false)];
const WHEN: &str = "for example `confirm = when(dry_run = false)`";

pub(crate) fn read(key: &Ident, item: &NestedMeta) -> Result<Confirm, Mistake> {
    if let Some(Expr::Call(call)) = value(item).map(strip) {
        let is_when = matches!(strip(&call.func), Expr::Path(path) if path.path.is_ident("when"));
        let arguments: Vec<&Expr> = call.args.iter().map(strip).collect();
        return match arguments.as_slice() {
            [Expr::Assign(assign)] if is_when => condition(key, &assign.left, &assign.right),
            _ => Err(malformed(item)),
        };
    }
    let (always, _) = one_of(item, &SETTINGS)?;
    Ok(if always { Confirm::Always } else { Confirm::Never })
}

/// Reads `dry_run = false`.
fn condition(key: &Ident, param: &Expr, is: &Expr) -> Result<Confirm, Mistake> {
    let param = match strip(param) {
        Expr::Path(path) => path.path.get_ident().cloned(),
        _ => None,
    };
    match (param, literal(is)) {
        (Some(param), Some(literal)) => {
            let is = Value { literal, key: key.clone(), tokens: is.to_token_stream() };
            Ok(Confirm::When { param, is })
        }
        (None, _) => Err(Mistake::at(is, "`when` compares a parameter with a value").help(WHEN)),
        (Some(_), None) => Err(Mistake::at(is, "`when` compares a parameter with a literal").help(WHEN)),
    }
}

fn malformed(item: &NestedMeta) -> Mistake {
    Mistake::at(value_or_item(item), "`confirm` takes a setting or one condition")
        .note("`when` holds a parameter and a value, as in `rules`")
        .help(WHEN)
}
