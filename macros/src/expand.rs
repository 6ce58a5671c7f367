//! The checked declaration → the untouched function, a marker of the same name, and what the marker implements.

mod descriptor;
mod run;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{Attribute, Path, Visibility, parse_quote, spanned::Spanned};

use self::{descriptor::descriptor, run::run};
use crate::{attr::Effect, sig::Sig, tool::Tool};

/// The expansion of a declaration without mistakes.
pub(crate) fn tool(tool: &Tool) -> TokenStream {
    let private = private();
    let function = &tool.sig.function;
    let ident = tool.sig.ident();
    let marker = marker(ident, &function.visibility, &cfgs(&tool.sig));
    let descriptor = descriptor(tool, &private);
    let run = run(tool, &private);
    let name = &tool.name;
    let (c, provides, bounds) = state(tool, &private);
    // Rust's own `#[deprecated]` speaks to Rust callers, and the expansion is none of them.
    let old = function.attributes.iter().any(|attribute| attribute.path().is_ident("deprecated"));
    let old = old.then(|| quote!(#[allow(deprecated)]));
    let impls = quote! {
        impl #private::Named for #ident {
            const NAME: &'static #private::str = #name;
            const DESCRIPTOR: &'static #private::Descriptor = &#descriptor;
        }
        #old
        impl<#c: #provides> #private::Tool<#c> for #ident #bounds {
            const RUN: #private::Run<#c> = #run;
        }
    };
    let impls = scope(&tool.krate, &cfgs(&tool.sig), &impls);
    quote!(#function #marker #impls)
}

/// The function and a marker that fits every `tools![…]`, so that one mistake is one error.
pub(crate) fn quiet(krate: &Path, sig: &Sig) -> TokenStream {
    let mut function = sig.function.clone();
    // Unstable Rust: the compiler's own objection would be a second one.
    function.signature.variadic = None;
    if function.signature.receiver().is_some() {
        // A method stands in an `impl`, where no marker can.
        return quote!(#[allow(unused)] #function);
    }
    let marker = quiet_marker(krate, sig.ident(), &function.visibility, &cfgs(sig));
    quote!(#[allow(unused)] #function #marker)
}

/// A marker for a function that is not yet one: rustc says what it misses.
pub(crate) fn half_typed(krate: &Path, ident: &Ident) -> TokenStream {
    quiet_marker(krate, ident, &parse_quote!(pub(crate)), &[])
}

fn quiet_marker(krate: &Path, ident: &Ident, visibility: &Visibility, cfgs: &[&Attribute]) -> TokenStream {
    let private = private();
    let marker = marker(ident, visibility, cfgs);
    let name = ident.to_string();
    let impls = quote! {
        impl #private::Named for #ident {
            const NAME: &'static #private::str = #name;
            const DESCRIPTOR: &'static #private::Descriptor = &#private::Descriptor::QUIET;
        }
        impl<__C> #private::Tool<__C> for #ident {
            const RUN: #private::Run<__C> = #private::Run::QUIET;
        }
    };
    let impls = scope(krate, cfgs, &impls);
    quote!(#marker #impls)
}

/// A scope of their own for `impls`, in which [`private`] is a name, and `Returned` has a method for each kind of
/// return value.
fn scope(krate: &Path, cfgs: &[&Attribute], impls: &TokenStream) -> TokenStream {
    let private = private();
    quote! {
        #(#cfgs)*
        const _: () = {
            #[allow(unused_imports)]
            use #krate::__private::{self as #private, FailsWithBox as _, FailsWithText as _, Succeeds as _};
            #impls
        };
    }
}

fn private() -> Ident {
    format_ident!("__candor")
}

/// The place of `tokens`: what rustc says of a token that stands here, it says there.
fn here(tokens: &impl ToTokens) -> Span {
    tokens.span().resolved_at(Span::call_site())
}

/// What expansions name, at the place of `tokens`.
fn aimed(private: &Ident, tokens: &impl ToTokens) -> Ident {
    Ident::new(&private.to_string(), here(tokens))
}

/// Conditions below `#[mcp_tool]`: they hold for everything that it adds.
fn cfgs(sig: &Sig) -> Vec<&Attribute> {
    sig.function.attributes.iter().filter(|attribute| attribute.path().is_ident("cfg")).collect()
}

/// Types and values are separate namespaces: one `use` brings the function and its marker.
fn marker(ident: &Ident, visibility: &Visibility, cfgs: &[&Attribute]) -> TokenStream {
    quote! {
        #(#cfgs)*
        #[doc(hidden)]
        #[allow(non_camel_case_types, unreachable_pub)]
        #visibility enum #ident {}
    }
}

/// The state's type parameter, the handles it provides, and what an honest `read_only` or `closed_world` tool may
/// ask of them.
fn state(tool: &Tool, private: &Ident) -> (Ident, TokenStream, TokenStream) {
    let c = hidden("__C");
    let ident = tool.sig.ident();
    let handles = tool.state();
    let provides = handles.iter().map(|ty| {
        let private = aimed(private, ty);
        quote_spanned!(here(ty)=> #private::Provide<#ty>)
    });
    let provides = quote!(#(#provides +)* #private::State);
    let read_only = tool.effect == Effect::ReadOnly;
    if handles.is_empty() || !(read_only || tool.closed_world) {
        return (c, provides, TokenStream::new());
    }
    let bounds = handles.iter().map(|ty| {
        let private = aimed(private, ty);
        let read_only = read_only.then(|| quote_spanned!(here(ty)=> #private::InReadOnly<#ident, #ty>));
        let closed_world =
            tool.closed_world.then(|| quote_spanned!(here(ty)=> #private::InClosedWorld<#ident, #ty>));
        let both = [read_only, closed_world].into_iter().flatten();
        quote_spanned!(here(ty)=> <#c as #private::Provide<#ty>>::Access: #(#both)+*)
    });
    let bounds = quote!(where #(#bounds,)*);
    (c, provides, bounds)
}

/// A name that no user's name meets.
fn hidden(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}

impl ToTokens for crate::sig::Function {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self { attributes, visibility, signature, body } = self;
        tokens.extend(quote!(#(#attributes)* #visibility #signature #body));
    }
}
