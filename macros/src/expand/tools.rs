//! Expands `tools![…]`: the entries of the tools, and constants that reject two tools of one name.

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
    let names = tools.iter().map(|tool| quote_spanned!(tool.span()=> <#tool as #private::Named>::NAME));
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
    quote! {{
        const __DUPLICATE: ::core::primitive::usize = #private::duplicate(&[#(#names),*]);
        #(#checks)*
        #private::Tools::from([#(#entries),*])
    }}
}
