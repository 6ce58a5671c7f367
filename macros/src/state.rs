//! `#[derive(State)]` on a struct → one `Provide<T>` a field, with what the field's handle can do as a type.

use std::collections::HashSet;

use darling::ast::NestedMeta;
use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{
    Attribute, Data, DeriveInput, Field, Fields, Ident, Index, Meta, Path, Type, parse_quote,
    spanned::Spanned,
};

use crate::{
    error::{Mistake, Mistakes},
    key::{Grammar, flag, krate, spelled},
};

/// What `#[state(…)]` on a field says.
#[derive(Default)]
struct Marks {
    write: Option<Ident>,
    network: Option<Ident>,
    skip: Option<Ident>,
}

pub(crate) fn derive(input: TokenStream) -> TokenStream {
    let input: DeriveInput = match syn::parse2(input) {
        Ok(input) => input,
        Err(error) => return error.to_compile_error(),
    };
    let mut mistakes = Mistakes::default();
    let krate = candor(&input.attrs, &mut mistakes);
    let private = quote!(#krate::__private);
    let (generics, arguments, bounds) = input.generics.split_for_impl();
    let ident = &input.ident;
    let fields = fields(&input, &mut mistakes);
    let provides = fields.into_iter().map(|(member, ty, access)| {
        // The compiler's words stand at the field, and its lints know that nobody wrote this.
        quote_spanned! {ty.span().resolved_at(Span::call_site())=>
            impl #generics #private::Provide<#ty> for #ident #arguments #bounds {
                type Access = #private::#access;
                fn provide(&self) -> &#ty { &self.#member }
            }
        }
    });
    let provides = match &input.data {
        Data::Struct(_) => quote!(#(#provides)*),
        // The mistake is that of the state, not of each tool that takes a handle.
        _ => quote! {
            impl<__T: ?::core::marker::Sized> #private::Provide<__T> for #ident {
                type Access = #private::Plain;
                fn provide(&self) -> &__T { ::core::unreachable!() }
            }
        },
    };
    let mistakes = mistakes.into_tokens();
    quote! {
        #mistakes
        impl #generics #private::State for #ident #arguments #bounds {}
        #provides
    }
}

const ON_THE_STRUCT: Grammar =
    Grammar { list: "`state` on a struct", keys: &["crate"], example: "#[state(crate = ::path)]" };
const ON_A_FIELD: Grammar = Grammar {
    list: "`state` on a field",
    keys: &["write", "network", "skip"],
    example: "#[state(write, network)]",
};

/// Reads every `#[state(…)]` among `attributes`.
fn each_mark(
    grammar: &Grammar,
    attributes: &[Attribute],
    mistakes: &mut Mistakes,
    mut take: impl FnMut(Ident, &NestedMeta, &mut Mistakes),
) {
    let mut seen = HashSet::new();
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("state")) {
        let Meta::List(list) = &attribute.meta else {
            mistakes.push(
                Mistake::at(&attribute.meta, format!("{} takes a list", grammar.list))
                    .help(format!("for example `{}`", grammar.example)),
            );
            continue;
        };
        let items = grammar.items(list.tokens.clone(), mistakes).unwrap_or_default();
        grammar.each(&items, &mut seen, mistakes, &mut take);
    }
}

/// The crate whose `__private` the expansion names.
fn candor(attributes: &[Attribute], mistakes: &mut Mistakes) -> Path {
    let mut said = None;
    each_mark(&ON_THE_STRUCT, attributes, mistakes, |_, item, mistakes| said = mistakes.keep(krate(item)));
    said.unwrap_or_else(|| parse_quote!(::candor))
}

fn marks(field: &Field, mistakes: &mut Mistakes) -> Marks {
    let mut marks = Marks::default();
    each_mark(&ON_A_FIELD, &field.attrs, mistakes, |key, item, mistakes| {
        let mark = match key.to_string().as_str() {
            "write" => &mut marks.write,
            "network" => &mut marks.network,
            _ => &mut marks.skip,
        };
        *mark = mistakes.keep(flag(key, item));
    });
    if let Some(skip) = marks.skip.as_ref().filter(|_| marks.write.is_some() || marks.network.is_some()) {
        mistakes.push(
            Mistake::at(skip, "`skip` contradicts the other marks of this field")
                .note("a field that is left out gives no handle, and marks say what a handle can do")
                .help("keep `skip` or the marks"),
        );
    }
    marks
}

fn fields<'a>(input: &'a DeriveInput, mistakes: &mut Mistakes) -> Vec<(TokenStream, &'a Type, Ident)> {
    let Data::Struct(data) = &input.data else {
        mistakes.push(
            Mistake::at(&input.ident, format!("state `{}` is no struct", input.ident))
                .note("a tool takes a handle by its type, and each field gives one")
                .help("write a `struct` with a field for each handle"),
        );
        return Vec::new();
    };
    let mut seen: Vec<String> = Vec::new();
    let mut provided = Vec::new();
    for (at, field) in data.fields.iter().enumerate() {
        let marks = marks(field, mistakes);
        if marks.skip.is_some() {
            continue;
        }
        let ty = spelled(&field.ty);
        if seen.contains(&ty) {
            mistakes.push(
                Mistake::at(&field.ty, format!("state `{}` holds `{ty}` twice", input.ident))
                    .note("a tool takes a handle by its type, so a type may stand here once")
                    .help("wrap one of them in a type of its own, or mark it `#[state(skip)]`"),
            );
            continue;
        }
        seen.push(ty);
        let member = match (&data.fields, &field.ident) {
            (Fields::Named(_), Some(ident)) => ident.to_token_stream(),
            _ => Index::from(at).to_token_stream(),
        };
        provided.push((member, &field.ty, access(&marks, field.ty.span())));
    }
    provided
}

fn access(marks: &Marks, span: proc_macro2::Span) -> Ident {
    let word = match (marks.write.is_some(), marks.network.is_some()) {
        (false, false) => "Plain",
        (true, false) => "Write",
        (false, true) => "Network",
        (true, true) => "WriteAndNetwork",
    };
    Ident::new(word, span)
}
