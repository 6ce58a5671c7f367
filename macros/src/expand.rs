//! The checked declaration → a constant descriptor beside the untouched function.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{Path, Type, spanned::Spanned};

use crate::{
    attr::{Audit, Effect, RatePer},
    sig::{Argument, Kind, Param, Sig},
    tool::{IdempotencyKey, Tool, wire_name},
};

/// The expansion of a declaration without mistakes.
pub(crate) fn tool(tool: &Tool) -> TokenStream {
    let krate = &tool.krate;
    let private = quote!(#krate::__private);
    let function = &tool.sig.function;
    let marker = marker(&tool.sig);
    let ident = tool.sig.ident();
    let descriptor = descriptor(tool, &private);
    let run = run(tool, &private);
    let state = tool.state();
    let name = &tool.name;
    let state_type = Ident::new("__C", Span::mixed_site());
    let provide = state.iter().map(|ty| quote_spanned!(ty.span()=> #private::Provide<#ty>));
    let bounds = bounds(tool, &state, &state_type, &private);
    quote! {
        #function
        #marker
        impl #private::Named for #ident {
            const NAME: &'static #private::str = #name;
            const DESCRIPTOR: &'static #private::Descriptor = &#descriptor;
        }
        impl<#state_type: #(#provide +)* #private::State> #private::Tool<#state_type> for #ident #bounds {
            const RUN: #private::Run<#state_type> = #run;
        }
    }
}

/// The function and a marker that fits every `tools![…]`, so that one mistake is one error.
pub(crate) fn quiet(krate: &Path, sig: &Sig) -> TokenStream {
    let private = quote!(#krate::__private);
    let function = &sig.function;
    let marker = marker(sig);
    let ident = sig.ident();
    let name = sig.name();
    quote! {
        // What stands in a body whose declaration is at fault is still in use.
        #[allow(dead_code, unused)]
        #function
        #marker
        impl #private::Named for #ident {
            const NAME: &'static #private::str = #name;
            const DESCRIPTOR: &'static #private::Descriptor = &#private::Descriptor::QUIET;
        }
        impl<C> #private::Tool<C> for #ident {
            const RUN: #private::Run<C> = #private::Run::QUIET;
        }
    }
}

/// Types and values are separate namespaces: one `use` brings the function and its marker.
fn marker(sig: &Sig) -> TokenStream {
    let visibility = &sig.function.visibility;
    let ident = sig.ident();
    let cfgs = sig.function.attributes.iter().filter(|attribute| attribute.path().is_ident("cfg"));
    quote! {
        #(#cfgs)*
        #[doc(hidden)]
        #[allow(non_camel_case_types)]
        #visibility enum #ident {}
    }
}

/// What an honest `read_only` or `closed_world` tool may ask of the state.
fn bounds(tool: &Tool, state: &[&Type], state_type: &Ident, private: &TokenStream) -> TokenStream {
    let ident = tool.sig.ident();
    let read_only = tool.effect == Effect::ReadOnly;
    if state.is_empty() || !(read_only || tool.closed_world) {
        return TokenStream::new();
    }
    let each = state.iter().map(|ty| {
        let read_only = read_only.then(|| quote!(#private::InReadOnly<#ident, #ty>));
        let closed_world = tool.closed_world.then(|| quote!(#private::InClosedWorld<#ident, #ty>));
        let both = [read_only, closed_world].into_iter().flatten();
        quote!(<#state_type as #private::Provide<#ty>>::Access: #(#both)+*)
    });
    quote!(where #(#each,)*)
}

/// Brings the trait into reach whose methods give way to those of a `Result`.
fn plainly(private: &TokenStream) -> TokenStream {
    quote!(#[allow(unused_imports)] use #private::Plainly as _;)
}

/// Only what differs from the default is written.
fn descriptor(tool: &Tool, private: &TokenStream) -> TokenStream {
    let Tool { name, title, description, .. } = tool;
    let effect = format_ident!(
        "{}",
        match tool.effect {
            Effect::ReadOnly => "ReadOnly",
            Effect::Additive => "Additive",
            Effect::Destructive => "Destructive",
        }
    );
    let mut fields = vec![
        quote!(name: #name),
        quote!(title: #title),
        quote!(description: #description),
        quote!(effect: #private::Effect::#effect),
    ];
    if tool.idempotent {
        fields.push(quote!(idempotent: true));
    }
    if tool.closed_world {
        fields.push(quote!(closed_world: true));
    }
    if !tool.scopes.is_empty() {
        let scopes = &tool.scopes;
        fields.push(quote!(scopes: &[#(#scopes),*]));
    }
    if tool.confirm {
        fields.push(quote!(confirm: true));
    }
    match tool.idempotency_key {
        IdempotencyKey::None => {}
        IdempotencyKey::Optional => fields.push(quote!(idempotency_key: #private::IdempotencyKey::Optional)),
        IdempotencyKey::Required => fields.push(quote!(idempotency_key: #private::IdempotencyKey::Required)),
    }
    match tool.audit {
        Audit::BestEffort => {}
        Audit::Required => fields.push(quote!(audit: #private::Audit::Required)),
        Audit::Off => fields.push(quote!(audit: #private::Audit::Off)),
    }
    fields.extend(limits(tool, private));
    if let Some((since, remove_in, use_instead)) = &tool.deprecated {
        let use_instead = option(
            use_instead.as_ref().map(|path| quote_spanned!(path.span()=> <#path as #private::Named>::NAME)),
            private,
        );
        fields.push(quote! {
            deprecated: #private::Some(#private::Deprecated { since: #since, remove_in: #remove_in, use_instead: #use_instead })
        });
    }
    if let Some(reason) = &tool.unsealed {
        fields.push(quote!(unsealed: #private::Some(#reason)));
    }
    let params: Vec<TokenStream> =
        tool.sig.arguments().map(|(param, argument)| parameter(param, argument, private)).collect();
    if !params.is_empty() {
        fields.push(quote!(params: &[#(#params),*]));
    }
    let output = tool.sig.output();
    let output = quote_spanned!(output.span()=> #private::Returned::<#output>::schema);
    let plainly = plainly(private);
    quote!({ #plainly #private::Descriptor { #(#fields,)* output: #output, ..#private::Descriptor::DEFAULT } })
}

fn limits(tool: &Tool, private: &TokenStream) -> Vec<TokenStream> {
    let mut fields = Vec::new();
    if let Some((calls, per)) = tool.rate {
        let per = format_ident!(
            "{}",
            match per {
                RatePer::Second => "Second",
                RatePer::Minute => "Minute",
                RatePer::Hour => "Hour",
            }
        );
        fields.push(quote!(rate: #private::Some(#private::Rate { calls: #calls, per: #private::Per::#per })));
    }
    if let Some(calls) = tool.max_in_flight {
        fields.push(quote!(max_in_flight: #private::Some(#calls)));
    }
    if let Some(ms) = tool.timeout_ms {
        fields.push(quote!(timeout: #private::Duration::from_millis(#ms)));
    }
    if tool.retry > 0 {
        let retry = tool.retry;
        fields.push(quote!(retry: #retry));
    }
    fields
}

fn option(value: Option<TokenStream>, private: &TokenStream) -> TokenStream {
    match value {
        Some(value) => quote!(#private::Some(#value)),
        None => quote!(#private::None),
    }
}

fn parameter(param: &Param, argument: &Argument, private: &TokenStream) -> TokenStream {
    let name = wire_name(param, argument);
    let description = &argument.description;
    let owned = &argument.owned;
    let base = quote_spanned!(owned.span()=> #private::param::<#owned>(#name, #description));
    let attr = &argument.attr;
    let mut fields = Vec::new();
    if argument.optional() {
        fields.push(quote!(optional: true));
    }
    for (key, value) in
        [("min", &attr.min), ("max", &attr.max), ("default", &attr.default), ("example", &attr.example)]
    {
        if let Some(value) = value {
            let key = format_ident!("{key}");
            let literal = value.literal.expand(private);
            fields.push(quote!(#key: #private::Some(#literal)));
        }
    }
    for (key, length) in [("min_len", &attr.min_len), ("max_len", &attr.max_len)] {
        if let Some((length, _)) = length {
            let key = format_ident!("{key}");
            fields.push(quote!(#key: #private::Some(#length)));
        }
    }
    if let Some((pattern, _)) = &attr.pattern {
        fields.push(quote!(pattern: #private::Some(#pattern)));
    }
    for (key, mark) in [("secret", &attr.secret), ("volatile", &attr.volatile)] {
        if mark.is_some() {
            let key = format_ident!("{key}");
            fields.push(quote!(#key: true));
        }
    }
    if fields.is_empty() { base } else { quote!(#private::Param { #(#fields,)* ..#base }) }
}

/// From the call's arguments to the function and back to a reply.
fn run(tool: &Tool, private: &TokenStream) -> TokenStream {
    let hidden = |name: &str| Ident::new(name, Span::mixed_site());
    let (state, call, args) = (hidden("__state"), hidden("__call"), hidden("__args"));
    let mut names = Vec::new();
    let mut takes = Vec::new();
    let mut passed = Vec::new();
    for param in &tool.sig.params {
        match &param.kind {
            Kind::Context => passed.push(quote!(#call)),
            Kind::State(ty) => {
                passed.push(quote_spanned!(ty.span()=> #private::Provide::<#ty>::provide(#state)))
            }
            Kind::Argument(argument) => {
                let at = names.len();
                let name = format_ident!("__a{at}", span = Span::mixed_site());
                let owned = &argument.owned;
                takes.push(quote_spanned!(owned.span()=> #args.take::<#owned>(#at)));
                passed.push(if argument.lent { quote!(&#name) } else { name.to_token_stream() });
                names.push(name);
            }
        }
    }
    let take = match (names.as_slice(), takes.as_slice()) {
        ([], _) => TokenStream::new(),
        ([name], [take]) => quote!(let #private::Some(#name) = #take else { return #args.refuse() };),
        _ => quote!(let (#(#private::Some(#names)),*) = (#(#takes),*) else { return #args.refuse() };),
    };
    let ident = tool.sig.ident();
    let output = tool.sig.output();
    let is_async = tool.sig.is_async();
    let wait = is_async.then(|| quote!(.await));
    let reply = quote_spanned!(output.span()=> .reply());
    let plainly = plainly(private);
    let body = quote!(#plainly #take #private::Returned(#ident(#(#passed),*)#wait)#reply);
    // Underscores where nothing is taken: the expansion draws no warning of its own.
    let has_state = tool.sig.params.iter().any(|param| matches!(param.kind, Kind::State(_)));
    let has_call = tool.sig.params.iter().any(|param| matches!(param.kind, Kind::Context));
    let state = if has_state { state.to_token_stream() } else { quote!(_) };
    let call = if has_call { call.to_token_stream() } else { quote!(_) };
    let args = if names.is_empty() { quote!(_) } else { quote!(mut #args) };
    if is_async {
        // The handler's future has to cross threads; where it cannot, the error belongs at the function's name.
        let boxed = quote_spanned!(ident.span()=> #private::boxed);
        quote!(#private::Run::Async(|#state, #call, #args| #boxed(async move { #body })))
    } else {
        quote!(#private::Run::Blocking(|#state, #call, #args| { #body }))
    }
}

impl ToTokens for crate::sig::Function {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self { attributes, visibility, signature, body } = self;
        tokens.extend(quote!(#(#attributes)* #visibility #signature #body));
    }
}
