//! `#[derive(State)]` on a struct → one `Provide<T>` a field, with what the field's handle can do as a type.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::{Attribute, Data, DeriveInput, Fields, Ident, Index, Path, Type, parse_quote, spanned::Spanned};

use crate::error::{Mistake, Mistakes};

/// What `#[state(…)]` on a field says.
#[derive(Default)]
struct Marks {
    write: bool,
    network: bool,
    skip: bool,
}

pub(crate) fn derive(input: TokenStream) -> TokenStream {
    let input: DeriveInput = match syn::parse2(input) {
        Ok(input) => input,
        Err(error) => return error.to_compile_error(),
    };
    let mut mistakes = Mistakes::default();
    let krate = krate(&input.attrs, &mut mistakes);
    let private = quote!(#krate::__private);
    let (generics, arguments, bounds) = input.generics.split_for_impl();
    let ident = &input.ident;
    let provides = fields(&input, &mut mistakes).into_iter().map(|(member, ty, access)| {
        quote_spanned! {ty.span()=>
            impl #generics #private::Provide<#ty> for #ident #arguments #bounds {
                type Access = #private::#access;
                fn provide(&self) -> &#ty { &self.#member }
            }
        }
    });
    let mistakes = mistakes.into_tokens();
    quote! {
        #mistakes
        impl #generics #private::State for #ident #arguments #bounds {}
        #(#provides)*
    }
}

/// `#[state(crate = ::path)]` on the struct.
fn krate(attributes: &[Attribute], mistakes: &mut Mistakes) -> Path {
    let mut krate: Path = parse_quote!(::candor);
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("state")) {
        let read = attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("crate") {
                krate = meta.value()?.call(Path::parse_mod_style)?;
                return Ok(());
            }
            Err(meta.error(
                "`state` on a struct takes `crate = ::path`\nhelp: `write` and `network` stand on a field",
            ))
        });
        mistakes.keep(read.map_err(Mistake::from));
    }
    krate
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
        let marks = marks(&field.attrs, mistakes);
        if marks.skip {
            continue;
        }
        let spelled = field.ty.to_token_stream().to_string();
        if seen.contains(&spelled) {
            mistakes.push(
                Mistake::at(
                    &field.ty,
                    format!("state `{}` holds `{}` twice", input.ident, spelled.replace(' ', "")),
                )
                .note("a tool takes a handle by its type, so a type may stand here once")
                .help("wrap one of them in a type of its own, or mark it `#[state(skip)]`"),
            );
            continue;
        }
        seen.push(spelled);
        let member = match (&data.fields, &field.ident) {
            (Fields::Named(_), Some(ident)) => ident.to_token_stream(),
            _ => Index::from(at).to_token_stream(),
        };
        provided.push((member, &field.ty, access(&marks, field.ty.span())));
    }
    provided
}

fn access(marks: &Marks, span: proc_macro2::Span) -> Ident {
    let word = match (marks.write, marks.network) {
        (false, false) => "Plain",
        (true, false) => "Write",
        (false, true) => "Network",
        (true, true) => "WriteAndNetwork",
    };
    Ident::new(word, span)
}

fn marks(attributes: &[Attribute], mistakes: &mut Mistakes) -> Marks {
    let mut marks = Marks::default();
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("state")) {
        let read = attribute.parse_nested_meta(|meta| {
            let mark = match () {
                () if meta.path.is_ident("write") => &mut marks.write,
                () if meta.path.is_ident("network") => &mut marks.network,
                () if meta.path.is_ident("skip") => &mut marks.skip,
                () => return Err(meta.error("`state` on a field takes `write`, `network` or `skip`")),
            };
            *mark = true;
            Ok(())
        });
        mistakes.keep(read.map_err(Mistake::from));
    }
    marks
}
