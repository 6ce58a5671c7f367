//! Reads the list of `tools![a, path::b]`.

use proc_macro2::TokenStream;
use syn::{
    Path, Token,
    parse::{Parse, ParseStream},
    parse_quote,
    punctuated::Punctuated,
};

use crate::{error::Mistake, key::spelled};

/// An optional `crate = ::path;`, then the paths of tools.
pub(crate) struct ToolList {
    pub(crate) krate: Path,
    pub(crate) tools: Punctuated<Path, Token![,]>,
}

impl ToolList {
    pub(crate) fn read(tokens: TokenStream) -> Result<Self, Mistake> {
        let list: Self = syn::parse2(tokens).map_err(|error| {
            Mistake::unparsed(&error, "the list of `tools!` cannot be parsed here")
                .help("it takes paths of tools: `tools![get_price, alerts::clear]`")
        })?;
        match list.tools.iter().find_map(of_a_type) {
            Some(mistake) => Err(mistake),
            None => Ok(list),
        }
    }
}

/// A mistake if this path is a function of a type. The names of modules begin with a lower-case letter.
fn of_a_type(tool: &Path) -> Option<Mistake> {
    let parent = tool.segments.iter().nth_back(1)?;
    parent.ident.to_string().starts_with(char::is_uppercase).then(|| {
        let name = tool.segments.last().map(|name| name.ident.to_string()).unwrap_or_default();
        Mistake::at(tool, format!("`{}` is a function of a type, and not a tool", spelled(tool)))
            .note("a tool is a free function; the server passes its state as `&T`")
            .help(format!("move the function out of the `impl`, and list it as `{name}`"))
    })
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
