//! Expands `#[derive(State)]`: one `Provide<T>` for each handle, with its capabilities as a type.

use proc_macro2::{Ident, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;

use super::names::span_of;
use crate::state::{State, StateField};

/// Expands a state, also one with mistakes.
pub(crate) fn state(state: &State) -> TokenStream {
    let State { krate, ident, generics, fields } = state;
    let private = quote!(#krate::__private);
    let (generics, arguments, bounds) = generics.split_for_impl();
    let provides = match fields {
        Some(_) => state
            .handles()
            .map(|field| {
                let StateField { member, ty, .. } = field;
                let access = access(field);
                // Errors point at the field, and lints skip the code as not written by the user.
                quote_spanned! {span_of(ty)=>
                    impl #generics #private::Provide<#ty> for #ident #arguments #bounds {
                        type Access = #private::#access;
                        fn provide(&self) -> &#ty { &self.#member }
                    }
                }
            })
            .collect(),
        // An enum provides every handle, so that the tools that take one report nothing more.
        None => quote! {
            impl<__T: ?::core::marker::Sized> #private::Provide<__T> for #ident {
                type Access = #private::Plain;
                fn provide(&self) -> &__T { ::core::unreachable!() }
            }
        },
    };
    quote! {
        impl #generics #private::State for #ident #arguments #bounds {}
        #provides
    }
}

fn access(field: &StateField) -> Ident {
    let name = match (field.can_write(), field.can_reach_network()) {
        (false, false) => "Plain",
        (true, false) => "Write",
        (false, true) => "Network",
        (true, true) => "WriteAndNetwork",
    };
    Ident::new(name, field.ty.span())
}
