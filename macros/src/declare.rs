//! Runs each macro from its tokens to its expansion: read, check, expand.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::ToTokens;

use crate::{attr::Attr, error::Mistakes, expand, rule, sig::Sig, state::State, tool::Tool, tools::ToolList};

/// Expands `#[mcp_tool(…)]`. A declaration with mistakes becomes the mistakes and a fallback, so that the compiler
/// reports nothing else because of them.
pub(crate) fn tool(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let mut mistakes = Mistakes::default();
    let attr = Attr::read(attribute, &mut mistakes);
    let sig = match Sig::read(item, &mut mistakes) {
        Ok(sig) => sig,
        Err(item) => {
            let marker = function_name(&item).map(|ident| expand::marker_alone(&attr.krate(), &ident));
            return [mistakes.into_tokens(), item].into_iter().chain(marker).collect();
        }
    };
    rule::check_tool(&attr, &sig, &mut mistakes);
    if mistakes.is_empty() {
        return expand::tool(&Tool::new(attr, sig));
    }
    let fallback = expand::fallback(&attr.krate(), &sig);
    [mistakes.into_tokens(), fallback].into_iter().collect()
}

/// Returns the name after `fn`.
fn function_name(item: &TokenStream) -> Option<Ident> {
    let mut tokens = item.clone().into_iter();
    tokens.find(|token| matches!(token, TokenTree::Ident(word) if word == "fn"))?;
    match tokens.next() {
        Some(TokenTree::Ident(name)) => Some(name),
        _ => None,
    }
}

/// Expands `#[derive(State)]`.
pub(crate) fn state(input: TokenStream) -> TokenStream {
    let input = match syn::parse2(input) {
        Ok(input) => input,
        Err(error) => return error.to_compile_error(),
    };
    let mut mistakes = Mistakes::default();
    let state = State::read(input, &mut mistakes);
    rule::check_state(&state, &mut mistakes);
    [mistakes.into_tokens(), expand::state(&state)].into_iter().collect()
}

/// Expands `tools![…]`.
pub(crate) fn tools(input: TokenStream) -> TokenStream {
    match ToolList::read(input) {
        Ok(list) => expand::tools(&list),
        Err(mistake) => mistake.into_token_stream(),
    }
}
