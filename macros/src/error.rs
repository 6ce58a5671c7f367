//! Mistakes → `compile_error!` tokens, all of them, each once, in the order of the source.

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;

/// One thing that is wrong, in the house shape: a fact, then `note:` and `help:` lines.
pub(crate) struct Mistake {
    span: Span,
    error: syn::Error,
}

impl Mistake {
    /// Underlines `tokens` and states `fact` about them.
    pub(crate) fn at(tokens: &impl ToTokens, fact: impl std::fmt::Display) -> Self {
        let error = syn::Error::new_spanned(tokens, fact);
        Self { span: error.span(), error }
    }

    /// The reason, where the fact alone does not give it.
    pub(crate) fn note(self, note: impl std::fmt::Display) -> Self {
        self.line("note", note)
    }

    /// What to type.
    pub(crate) fn help(self, help: impl std::fmt::Display) -> Self {
        self.line("help", help)
    }

    fn line(self, kind: &str, text: impl std::fmt::Display) -> Self {
        // `compile_error!` is re-aimed at the same tokens: their first and last spans live in the old error.
        let message = format!("{}\n{kind}: {text}", self.error);
        let mut tokens = self.error.to_compile_error().into_iter().map(|token| token.span());
        let first = tokens.next().unwrap_or(self.span);
        let last = tokens.last().unwrap_or(first);
        let ends = Ends { first, last };
        Self { span: self.span, error: syn::Error::new_spanned(ends, message) }
    }
}

impl From<syn::Error> for Mistake {
    fn from(error: syn::Error) -> Self {
        Self { span: error.span(), error }
    }
}

/// Two ends of a stretch of source, for aiming an error anew.
struct Ends {
    first: Span,
    last: Span,
}

impl ToTokens for Ends {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        for span in [self.first, self.last] {
            tokens.extend([proc_macro2::TokenTree::from(proc_macro2::Ident::new("_x", span))]);
        }
    }
}

/// Every mistake of one declaration.
#[derive(Default)]
pub(crate) struct Mistakes(Vec<Mistake>);

impl Mistakes {
    pub(crate) fn push(&mut self, mistake: Mistake) {
        self.0.push(mistake);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Keeps the value, or the mistake that stands in its place.
    pub(crate) fn keep<T>(&mut self, result: Result<T, Mistake>) -> Option<T> {
        result.map_err(|mistake| self.push(mistake)).ok()
    }

    /// The `compile_error!`s, as a reader of the source meets them.
    pub(crate) fn into_tokens(mut self) -> TokenStream {
        if proc_macro::is_available() {
            self.0.sort_by_key(|mistake| {
                let start = mistake.span.unwrap().start();
                (start.line(), start.column())
            });
        }
        self.0.iter().map(|mistake| mistake.error.to_compile_error()).collect()
    }
}
