//! Implements the procedural macros of Candor: the attribute `mcp_tool`, the derive `State` and the list `tools!`.
//!
//! Use them through the `candor` crate: the reference is on its re-exports. The files follow the pipeline. `attr` and
//! `sig` read the attribute and the function independently, and always both; `rule` checks them; `tool` is a
//! declaration that passed every rule; `expand` writes the expansion; `declare` runs these steps in order.

mod attr;
mod confirm;
mod constraints;
mod declare;
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

// The three macros are documented on their re-exports in `candor`, where the examples can run.
#[allow(missing_docs)]
#[proc_macro_attribute]
pub fn mcp_tool(attribute: TokenStream, function: TokenStream) -> TokenStream {
    declare::tool(attribute.into(), function.into()).into()
}

#[allow(missing_docs)]
#[proc_macro_derive(State, attributes(state))]
pub fn state(input: TokenStream) -> TokenStream {
    declare::state(input.into()).into()
}

#[allow(missing_docs)]
#[proc_macro]
pub fn tools(input: TokenStream) -> TokenStream {
    declare::tools(input.into()).into()
}

/// Puts its input after the item. For expansions alone.
#[doc(hidden)]
#[proc_macro_attribute]
pub fn append(input: TokenStream, mut item: TokenStream) -> TokenStream {
    item.extend(input);
    item
}
