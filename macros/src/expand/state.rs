//! Expands `#[derive(State)]`: one `Provide<T>` for each handle, with its capabilities as a type.

use proc_macro2::{Ident, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;

use super::names::span_of;
use crate::state::{Handle, State};

/// Expands a state, also one with mistakes.
pub(crate) fn state(state: &State) -> TokenStream {
    let State { krate, ident, generics, handles } = state;
    let private = quote!(#krate::__private);
    let (generics, arguments, bounds) = generics.split_for_impl();
    let provides = match handles {
        Some(handles) => handles
            .iter()
            .map(|handle| {
                let Handle { member, ty, .. } = handle;
                let access = access(handle);
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

fn access(handle: &Handle) -> Ident {
    let name = match (handle.can_write, handle.can_reach_network) {
        (false, false) => "Plain",
        (true, false) => "Write",
        (false, true) => "Network",
        (true, true) => "WriteAndNetwork",
    };
    Ident::new(name, handle.ty.span())
}
