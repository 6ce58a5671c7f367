//! Reads the list of `tools![a, path::b]`.

use proc_macro2::TokenStream;
use syn::{
    Path, Token,
    parse::{Parse, ParseStream},
    parse_quote,
    punctuated::Punctuated,
};

use crate::error::Mistake;

/// An optional `crate = ::path;`, then the paths of tools.
pub(crate) struct ToolList {
    pub(crate) krate: Path,
    pub(crate) tools: Punctuated<Path, Token![,]>,
}

impl ToolList {
    pub(crate) fn read(tokens: TokenStream) -> Result<Self, Mistake> {
        syn::parse2(tokens).map_err(|error| {
            Mistake::unparsed(&error, "the list of `tools!` cannot be parsed here")
                .help("it takes paths of tools: `tools![get_price, alerts::clear]`")
        })
    }
}

impl Parse for ToolList {
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
