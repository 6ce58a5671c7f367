//! Writes the expansion: the unchanged function, a marker type of the same name, and the marker's impls.

mod descriptor;
mod names;
mod run;
mod state;
mod tools;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{Attribute, Path, Visibility, parse_quote};

use self::{
    descriptor::descriptor,
    names::{hygienic, private, private_at, span_of},
    run::run,
};
pub(crate) use self::{state::state, tools::tools};
use crate::{
    attr::Effect,
    sig::{Function, Owned, Sig},
    tool::Tool,
};

/// Expands a declaration without mistakes.
pub(crate) fn tool(tool: &Tool) -> TokenStream {
    let private = private();
    let function = &tool.sig.function;
    let ident = tool.sig.ident();
    let descriptor = descriptor(tool, &private);
    let run = run(tool, &private);
    let name = &tool.name;
    let (c, provides, bounds) = state_bounds(tool, &private);
    let handles = handles(tool);
    let holder = holder(ident);
    // Rust's own `#[deprecated]` warns Rust callers, and the expansion is not one of them.
    let is_deprecated = function.attributes.iter().any(|attribute| attribute.path().is_ident("deprecated"));
    let allow_deprecated = is_deprecated.then(|| quote!(#[allow(deprecated)]));
    let Preview { constant, check } = preview(tool, &private, &c);
    let impls = quote! {
        impl #private::Named for #ident {
            const NAME: &'static #private::str = #name;
            const DESCRIPTOR: &'static #private::Descriptor = &#descriptor;
            type Holder = #holder;
        }
        #allow_deprecated
        impl<#c: #provides> #private::Tool<#c> for #ident #bounds {
            const RUN: #private::Run<#c> = #run;
            #constant
        }
        // Not the marker, which would then count as used, and a tool in no list would cause no warning.
        #[allow(non_camel_case_types, unreachable_pub)]
        pub enum #holder {}
        // Without its conditions, so that rustc's error about a missing handle is short.
        #[diagnostic::do_not_recommend]
        impl<#c: #provides> #private::Takes<#c, #handles> for &#holder {}
        #check
    };
    let marker = marker(&tool.krate, ident, &function.visibility, &cfgs(&tool.sig), &impls);
    quote!(#function #marker)
}

/// The expansion of `preview = …`.
#[derive(Default)]
struct Preview {
    constant: TokenStream,
    check: TokenStream,
}

/// Expands to the constant that names the preview, and to the check that it only reads.
fn preview(tool: &Tool, private: &Ident, c: &Ident) -> Preview {
    let Some(path) = &tool.preview else { return Preview::default() };
    let span = span_of(path);
    let fact = format!(
        "the preview of `{}` is not `read_only`\nhelp: name a tool that only reads: it runs before the user has agreed",
        tool.name
    );
    Preview {
        constant: quote_spanned! {span=>
            const PREVIEW: #private::Option<(&'static #private::Descriptor, #private::Run<#c>)> = #private::Some((
                <#path as #private::Named>::DESCRIPTOR,
                <#path as #private::Tool<#c>>::RUN,
            ));
        },
        check: quote_spanned! {span=>
            const _: () = ::core::assert!(<#path as #private::Named>::DESCRIPTOR.is_read_only(), #fact);
        },
    }
}

/// Expands a declaration with mistakes to the function and a marker that every `tools![…]` accepts, so that one
/// mistake is one error.
pub(crate) fn fallback(krate: &Path, sig: &Sig) -> TokenStream {
    let mut function = sig.function.clone();
    // Variadic functions are unstable, and the compiler would report that as a second error.
    function.signature.variadic = None;
    if function.signature.receiver().is_some() || sig.self_type().is_some() {
        // A method is inside an `impl`, where a marker cannot be.
        return quote!(#[allow(unused)] #function);
    }
    let marker = fallback_marker(krate, sig.ident(), &function.visibility, &cfgs(sig));
    quote!(#[allow(unused)] #function #marker)
}

/// Expands a half-typed function to its marker; rustc reports the function.
pub(crate) fn marker_alone(krate: &Path, ident: &Ident) -> TokenStream {
    fallback_marker(krate, ident, &parse_quote!(pub(crate)), &[])
}

fn fallback_marker(krate: &Path, ident: &Ident, visibility: &Visibility, cfgs: &[&Attribute]) -> TokenStream {
    let private = private();
    let name = ident.to_string();
    let holder = holder(ident);
    let impls = quote! {
        impl #private::Named for #ident {
            const NAME: &'static #private::str = #name;
            const DESCRIPTOR: &'static #private::Descriptor = &#private::Descriptor::FALLBACK;
            type Holder = #holder;
        }
        #[allow(non_camel_case_types, unreachable_pub)]
        pub enum #holder {}
        impl<__C> #private::Tool<__C> for #ident {
            const RUN: #private::Run<__C> = #private::Run::FALLBACK;
        }
        impl<__C> #private::Takes<__C, ()> for &#holder {}
    };
    marker(krate, ident, visibility, cfgs, &impls)
}

/// Expands to the marker type with its impls. Types and values are separate namespaces, so one `use` imports the function
/// and its marker.
///
/// The impls are in an attribute of the marker, which puts them after it: inside an `impl`, where neither can be, rustc then
/// reports one error in place of four.
fn marker(
    krate: &Path,
    ident: &Ident,
    visibility: &Visibility,
    cfgs: &[&Attribute],
    impls: &TokenStream,
) -> TokenStream {
    let impls = scope(krate, impls);
    quote_spanned! {span_of(ident)=>
        #(#cfgs)*
        #[#krate::__private::append(#impls)]
        #[doc(hidden)]
        #[allow(non_camel_case_types, unreachable_pub)]
        #visibility enum #ident {}
    }
}

/// Puts `impls` into a scope of their own that imports [`private`]. `Returned` has a method for each
/// kind of return value there.
fn scope(krate: &Path, impls: &TokenStream) -> TokenStream {
    let private = private();
    quote! {
        const _: () = {
            #[allow(unused_imports)]
            use #krate::__private::{
                self as #private, FailedWithBox as _, FailedWithText as _, FailsWithBox as _, FailsWithText as _,
                Succeeds as _,
            };
            #impls
        };
    }
}

/// Returns the `#[cfg(…)]`s below `#[mcp_tool]`, which apply to the whole expansion.
fn cfgs(sig: &Sig) -> Vec<&Attribute> {
    sig.function.attributes.iter().filter(|attribute| attribute.path().is_ident("cfg")).collect()
}

/// Returns the state's type parameter, the handles that the state must provide, and the limits that `read_only` and
/// `closed_world` set to their capabilities.
fn state_bounds(tool: &Tool, private: &Ident) -> (Ident, TokenStream, TokenStream) {
    let c = hygienic("__C");
    let ident = tool.sig.ident();
    let handles = tool.state();
    let preview =
        tool.preview.as_ref().map(|path| quote_spanned!(span_of(path)=> #path: #private::Tool<#c>,));
    let provides = handles.iter().map(|ty| {
        let private = private_at(private, ty);
        quote_spanned!(span_of(ty)=> #private::Provide<#ty>)
    });
    let provides = quote!(#(#provides +)* #private::State);
    let read_only = tool.effect == Effect::ReadOnly;
    if handles.is_empty() || !(read_only || tool.closed_world) {
        let bounds = preview.map(|preview| quote!(where #preview));
        return (c, provides, bounds.unwrap_or_default());
    }
    let bounds = handles.iter().map(|ty| {
        let private = private_at(private, ty);
        let read_only = read_only.then(|| quote_spanned!(span_of(ty)=> #private::InReadOnly<#ident, #ty>));
        let closed_world =
            tool.closed_world.then(|| quote_spanned!(span_of(ty)=> #private::InClosedWorld<#ident, #ty>));
        let both = [read_only, closed_world].into_iter().flatten();
        quote_spanned!(span_of(ty)=> <#c as #private::Provide<#ty>>::Access: #(#both)+*)
    });
    let bounds = quote!(where #preview #(#bounds,)*);
    (c, provides, bounds)
}

/// The name of the type that says which handles the tool takes. It stands for the tool in rustc's errors.
fn holder(tool: &Ident) -> Ident {
    format_ident!("__tool_{}", tool, span = Span::call_site())
}

/// Returns the type of the tool's handles as an error shows it.
fn handles(tool: &Tool) -> TokenStream {
    match tool.state().as_slice() {
        [handle] => quote!(#handle),
        handles => quote!((#(&'static #handles),*)),
    }
}

impl ToTokens for Function {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self { attributes, visibility, signature, body } = self;
        tokens.extend(quote!(#(#attributes)* #visibility #signature #body));
    }
}

impl ToTokens for Owned {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        tokens.extend(match self {
            Self::Text(span) => quote_spanned!(*span=> ::std::string::String),
            Self::List(elem) => quote!(::std::vec::Vec<#elem>),
            Self::Written(ty) => ty.to_token_stream(),
        });
    }
}
