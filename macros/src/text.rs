//! Doc attributes → the description a model reads.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Attribute, Expr, ExprLit, Lit, Meta};

/// What the doc comments above an item say.
pub(crate) enum Description {
    /// No doc comment at all.
    Missing,
    /// Text known here and now.
    Text(String),
    /// An expression such as `concat!(…)` or `include_str!(…)`: the compiler knows it, the macro does not.
    Expr(TokenStream),
}

impl ToTokens for Description {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        match self {
            Self::Missing => "".to_tokens(tokens),
            Self::Text(text) => text.to_tokens(tokens),
            Self::Expr(expr) => expr.to_tokens(tokens),
        }
    }
}

/// Reads the `#[doc = …]` attributes among `attributes`.
pub(crate) fn description(attributes: &[Attribute]) -> Description {
    let docs: Vec<&Expr> = attributes.iter().filter_map(doc_value).collect();
    if docs.is_empty() {
        return Description::Missing;
    }
    let literals: Option<Vec<String>> = docs.iter().map(|doc| literal(doc)).collect();
    match literals {
        Some(blocks) => Description::Text(unindent(&blocks)),
        None => {
            let lines = docs.iter().enumerate().map(|(at, doc)| {
                let newline = (at > 0).then_some("\n").into_iter();
                quote!(#(#newline,)* #doc)
            });
            Description::Expr(quote!(::core::concat!(#(#lines),*)))
        }
    }
}

fn doc_value(attribute: &Attribute) -> Option<&Expr> {
    match &attribute.meta {
        Meta::NameValue(doc) if doc.path.is_ident("doc") => Some(&doc.value),
        _ => None,
    }
}

/// The string behind `expr`, through the invisible groups that `macro_rules!` leaves.
fn literal(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
        Expr::Group(group) => literal(&group.expr),
        _ => None,
    }
}

/// Joins doc blocks, takes off the indentation that all lines share, and trims.
fn unindent(blocks: &[String]) -> String {
    let text = blocks.join("\n");
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    let indent = |line: &&str| line.len() - line.trim_start_matches(' ').len();
    let shared = lines.iter().filter(|line| !line.is_empty()).map(indent).min().unwrap_or(0);
    let lines: Vec<&str> = lines.iter().map(|line| line.get(shared..).unwrap_or_default()).collect();
    lines.join("\n").trim().to_owned()
}
