//! Makes the identifiers and spans of an expansion, so that it collides with no user's name and errors point at the user's code.

use proc_macro2::{Ident, Span};
use quote::{ToTokens, format_ident};
use syn::spanned::Spanned;

/// The name of `candor::__private` inside an expansion.
pub(super) fn private() -> Ident {
    format_ident!("__candor")
}

/// Returns `private` with the position of `tokens`: rustc reports an unmet bound at the path's first token.
pub(super) fn private_at(private: &Ident, tokens: &impl ToTokens) -> Ident {
    Ident::new(&private.to_string(), span_of(tokens))
}

/// The position of `tokens`, with names resolved as those of the expansion.
pub(super) fn span_of(tokens: &impl ToTokens) -> Span {
    tokens.span().resolved_at(Span::call_site())
}

/// A name that cannot collide with a name of the user.
pub(super) fn hygienic(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}
