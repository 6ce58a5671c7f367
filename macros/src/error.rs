//! Turns mistakes into `compile_error!` tokens: all of them, each once, in the order of the source.

use std::fmt::Display;

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote_spanned};

/// One mistake in the house shape: a fact, then `note:` and `help:` lines.
pub(crate) struct Mistake {
    message: String,
    /// The first and the last token to underline: stable Rust cannot join spans.
    first: Span,
    last: Span,
}

impl Mistake {
    /// Underlines `tokens` and states `fact` about them.
    pub(crate) fn at(tokens: impl ToTokens, fact: impl Display) -> Self {
        let mut spans = tokens.into_token_stream().into_iter().map(|token| token.span());
        let first = spans.next().unwrap_or_else(Span::call_site);
        Self { message: fact.to_string(), first, last: spans.last().unwrap_or(first) }
    }

    /// Underlines the tokens that syn could not parse, and states `fact` about them.
    pub(crate) fn unparsed(error: &syn::Error, fact: impl Display) -> Self {
        Self { message: format!("{fact}: {error}"), first: error.span(), last: error.span() }
    }

    /// Adds the reason, if the fact alone does not give it.
    pub(crate) fn note(self, note: impl Display) -> Self {
        self.line("note", note)
    }

    /// Adds the text that the user must type.
    pub(crate) fn help(self, help: impl Display) -> Self {
        self.line("help", help)
    }

    fn line(self, kind: &str, text: impl Display) -> Self {
        Self { message: format!("{}\n{kind}: {text}", self.message), ..self }
    }
}

impl ToTokens for Mistake {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let message = &self.message;
        let path = quote_spanned!(self.first=> ::core::compile_error);
        let call = quote_spanned!(self.last=> !{ #message });
        tokens.extend([path, call]);
    }
}

/// Every mistake of one declaration.
#[derive(Default)]
pub(crate) struct Mistakes(Vec<Mistake>);

impl Mistakes {
    pub(crate) fn push(&mut self, mistake: impl Into<Option<Mistake>>) {
        self.0.extend(mistake.into());
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns the value, or records the mistake.
    pub(crate) fn handle<T>(&mut self, result: Result<T, Mistake>) -> Option<T> {
        result.map_err(|mistake| self.push(mistake)).ok()
    }

    /// Returns the `compile_error!`s in the order of the source.
    pub(crate) fn into_tokens(mut self) -> TokenStream {
        // Spans have positions only inside the compiler, not in this crate's tests.
        if proc_macro::is_available() {
            self.0.sort_by_key(|mistake| {
                let start = mistake.first.unwrap().start();
                (start.line(), start.column())
            });
        }
        self.0.iter().map(ToTokens::to_token_stream).collect()
    }
}
