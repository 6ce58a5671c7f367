//! `tools![a, path::b]` → the entries of these tools, and a constant in which no two share a name.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::{
    Path, Token,
    parse::{Parse, ParseStream},
    parse_quote,
    punctuated::Punctuated,
    spanned::Spanned,
};

use crate::{error::Mistake, key::spelled};

/// An optional `crate = ::path;`, then paths.
struct List {
    krate: Path,
    tools: Punctuated<Path, Token![,]>,
}

impl Parse for List {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let krate = if input.peek(Token![crate]) && input.peek2(Token![=]) {
            input.parse::<Token![crate]>()?;
            input.parse::<Token![=]>()?;
            let krate = Path::parse_mod_style(input)?;
            input.parse::<Token![;]>()?;
            krate
        } else {
            parse_quote!(::candor)
        };
        Ok(Self { krate, tools: Punctuated::parse_terminated(input)? })
    }
}

pub(crate) fn list(input: TokenStream) -> TokenStream {
    let List { krate, tools } = match syn::parse2(input) {
        Ok(list) => list,
        Err(error) => {
            return Mistake::unread(&error, "`tools!` stops being readable here")
                .help("it takes paths of tools: `tools![get_price, alerts::clear]`")
                .into_token_stream();
        }
    };
    let private = quote!(#krate::__private);
    if tools.is_empty() {
        return quote!(#private::Tools::from([]));
    }
    let names = tools.iter().map(|tool| quote_spanned!(tool.span()=> <#tool as #private::Named>::NAME));
    let entries = tools.iter().map(|tool| quote_spanned!(tool.span()=> <#tool as #private::Tool<_>>::ENTRY));
    // One look through the names, then a constant a path: the error stands at the second of the two.
    let checks = tools.iter().enumerate().map(|(at, tool)| {
        let message = format!(
            "`{}` has the name of another tool in this `tools!`\nhelp: give one of them `name = \"…\"` in its `#[mcp_tool(…)]`",
            spelled(tool),
        );
        let ident = tool.segments.last().map(|last| &last.ident);
        let refusal = quote_spanned!(ident.span()=> ::core::panic!(#message));
        quote!(const _: () = if __TWIN == #at { #refusal };)
    });
    quote! {{
        const __TWIN: ::core::primitive::usize = #private::twin(&[#(#names),*]);
        #(#checks)*
        #private::Tools::from([#(#entries),*])
    }}
}
