//! Reads doc attributes as the description that a model reads.

use syn::{Attribute, Expr, ExprLit, Lit, Meta};

/// The doc comments above an item.
pub(crate) enum Description {
    /// The item has no doc comment.
    Missing,
    /// Text that the macro can read.
    Text(String),
    /// Lines with an expression among them, such as `concat!(…)` or `include_str!(…)`, which only the compiler can
    /// evaluate.
    Lines(Vec<Expr>),
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
        None => Description::Lines(docs.into_iter().cloned().collect()),
    }
}

fn doc_value(attribute: &Attribute) -> Option<&Expr> {
    match &attribute.meta {
        Meta::NameValue(doc) if doc.path.is_ident("doc") => Some(&doc.value),
        _ => None,
    }
}

/// Returns the string in `expr`, also inside the invisible groups that `macro_rules!` puts around it.
fn literal(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
        Expr::Group(group) => literal(&group.expr),
        _ => None,
    }
}

/// Joins doc blocks, removes the indentation that all lines share, and trims.
fn unindent(blocks: &[String]) -> String {
    let text = blocks.join("\n");
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    let indent = |line: &&str| line.len() - line.trim_start_matches(' ').len();
    let shared = lines.iter().filter(|line| !line.is_empty()).map(indent).min().unwrap_or(0);
    let lines: Vec<&str> = lines.iter().map(|line| line.get(shared..).unwrap_or_default()).collect();
    lines.join("\n").trim().to_owned()
}
