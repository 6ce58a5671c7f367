//! Tokens in, tokens out: the attribute, the state derive and the `tools!` list of Candor.
//!
//! Use them through the `candor` crate, whose re-exports carry the reference. The file list is the pipeline:
//! `attr` (what was said) and `sig` (what the function says) are read apart and always both, `rule` holds every
//! rule, `tool` is what passed them, `expand` holds every quote.

mod attr;
mod between;
mod error;
mod expand;
#[cfg(test)]
mod golden;
mod key;
mod param;
mod rule;
mod sig;
mod state;
mod text;
mod tool;
mod tools;
mod ty;

use proc_macro::TokenStream;

// The documentation of the three macros stands on their re-exports in `candor`, where its examples can run.
#[allow(missing_docs)]
#[proc_macro_attribute]
pub fn mcp_tool(attribute: TokenStream, function: TokenStream) -> TokenStream {
    tool::declare(attribute.into(), function.into()).into()
}

#[allow(missing_docs)]
#[proc_macro_derive(State, attributes(state))]
pub fn state(input: TokenStream) -> TokenStream {
    state::derive(input.into()).into()
}

#[allow(missing_docs)]
#[proc_macro]
pub fn tools(input: TokenStream) -> TokenStream {
    tools::list(input.into()).into()
}
