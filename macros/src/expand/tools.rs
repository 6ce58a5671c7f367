//! Expands `tools![…]`: the entries of the tools, and constants that reject a name of two tools.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;

use crate::{key::spelled, tools::ToolList};

/// Expands a list of tools.
pub(crate) fn tools(ToolList { krate, tools }: &ToolList) -> TokenStream {
    let private = quote!(#krate::__private);
    if tools.is_empty() {
        return quote!(#private::Tools::from([]));
    }
    let name = |tool| quote_spanned!(Spanned::span(tool)=> <#tool as #private::Named>::NAME);
    let (names, names_again) = (tools.iter().map(name), tools.iter().map(name));
    // Of two errors about one handle at one place, rustc reports the first.
    let entries = tools.iter().map(|tool| {
        quote_spanned!(tool.span()=>
            #private::entry(
                <&<#tool as #private::Named>::Holder as #private::Takes<_, _>>::STATE,
                <#tool as #private::Tool<_>>::ENTRY,
            )
        )
    });
    // The names are compared once; the constant of the second tool of a pair carries the error.
    let checks = tools.iter().enumerate().map(|(at, tool)| {
        let message = format!(
            "`{}` has the same wire name as another tool of this `tools!`\nhelp: give one of them `name = \"…\"` in its `#[mcp_tool(…)]`",
            spelled(tool),
        );
        let ident = tool.segments.last().map(|last| &last.ident);
        let panic = quote_spanned!(ident.span()=> ::core::panic!(#message));
        quote!(const _: () = if __DUPLICATE == #at { #panic };)
    });
    let aliases =
        tools.iter().map(|tool| quote_spanned!(tool.span()=> <#tool as #private::Named>::DESCRIPTOR.aliases));
    let alias_checks = tools.iter().enumerate().map(|(at, tool)| {
        let message = format!(
            "`{}` has an alias that is a name or an alias of another tool of this `tools!`\nhelp: delete the alias: a name leads to one tool",
            spelled(tool),
        );
        let ident = tool.segments.last().map(|last| &last.ident);
        let panic = quote_spanned!(ident.span()=> ::core::panic!(#message));
        quote!(const _: () = if __TAKEN_ALIAS == #at { #panic };)
    });
    quote! {{
        const __DUPLICATE: ::core::primitive::usize = #private::duplicate(&[#(#names),*]);
        #(#checks)*
        const __TAKEN_ALIAS: ::core::primitive::usize =
            #private::taken_alias(&[#(#names_again),*], &[#(#aliases),*]);
        #(#alias_checks)*
        #private::Tools::from([#(#entries),*])
    }}
}
