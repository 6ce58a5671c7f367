//! The checked declaration → a constant descriptor beside the untouched function.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{Attribute, Path, Visibility, parse_quote, spanned::Spanned};

use crate::{
    attr::{Audit, Effect, RatePer},
    sig::{Argument, Kind, Param, Sig},
    tool::{IdempotencyKey, Tool, wire_name},
};

/// The expansion of a declaration without mistakes.
pub(crate) fn tool(tool: &Tool) -> TokenStream {
    let private = private(&tool.krate);
    let function = &tool.sig.function;
    let (ident, cfgs) = (tool.sig.ident(), cfgs(&tool.sig));
    let marker = marker(ident, &function.visibility, &cfgs);
    let descriptor = descriptor(tool, &private);
    let run = run(tool, &private);
    let name = &tool.name;
    let (c, provides, bounds) = state(tool, &private);
    // Rust's own `#[deprecated]` speaks to Rust callers, and the expansion is none of them.
    let old = function.attributes.iter().any(|attribute| attribute.path().is_ident("deprecated"));
    let old = old.then(|| quote!(#[allow(deprecated)]));
    quote! {
        #function
        #marker
        #(#cfgs)*
        impl #private::Named for #ident {
            const NAME: &'static #private::str = #name;
            const DESCRIPTOR: &'static #private::Descriptor = &#descriptor;
        }
        #(#cfgs)*
        #old
        impl<#c: #provides> #private::Tool<#c> for #ident #bounds {
            const RUN: #private::Run<#c> = #run;
        }
    }
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
    let private = private(krate);
    let marker = marker(ident, visibility, cfgs);
    let name = ident.to_string();
    quote! {
        #marker
        #(#cfgs)*
        impl #private::Named for #ident {
            const NAME: &'static #private::str = #name;
            const DESCRIPTOR: &'static #private::Descriptor = &#private::Descriptor::QUIET;
        }
        #(#cfgs)*
        impl<__C> #private::Tool<__C> for #ident {
            const RUN: #private::Run<__C> = #private::Run::QUIET;
        }
    }
}

fn private(krate: &Path) -> TokenStream {
    quote!(#krate::__private)
}

/// The place of `tokens`: what rustc says of a token that stands here, it says there.
fn here(tokens: &impl ToTokens) -> Span {
    tokens.span().resolved_at(Span::call_site())
}

/// The path to what expansions name, at the place of `tokens`.
fn aimed(private: &TokenStream, tokens: &impl ToTokens) -> TokenStream {
    let aim = |mut token: TokenTree| {
        token.set_span(here(tokens));
        token
    };
    private.clone().into_iter().map(aim).collect()
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
fn state(tool: &Tool, private: &TokenStream) -> (Ident, TokenStream, TokenStream) {
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
            use_instead.as_ref().map(|path| quote_spanned!(here(path)=> <#path as #private::Named>::NAME)),
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
    let output = schema_of_output(tool, private);
    let plainly = plainly(private);
    quote!({ #plainly #private::Descriptor { #(#fields,)* output: #output, ..#private::Descriptor::DEFAULT } })
}

fn schema_of_output(tool: &Tool, private: &TokenStream) -> TokenStream {
    let output = tool.sig.output();
    let private = aimed(private, &output);
    quote_spanned!(here(&output)=> #private::Returned::<#output>::schema)
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
    let new = constructor(argument, private);
    let base = quote!(#new(#name, #description));
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

fn constructor(argument: &Argument, private: &TokenStream) -> TokenStream {
    let owned = &argument.owned;
    let private = aimed(private, owned);
    quote_spanned!(here(owned)=> #private::param::<#owned>)
}

/// From the call's arguments to the function and back to a reply.
fn run(tool: &Tool, private: &TokenStream) -> TokenStream {
    let (state, call, args) = (hidden("__state"), hidden("__call"), hidden("__args"));
    let mut names = Vec::new();
    let mut takes = Vec::new();
    let mut passed = Vec::new();
    for param in &tool.sig.params {
        passed.push(match &param.kind {
            Kind::Context => call.to_token_stream(),
            Kind::State(ty) => {
                let private = aimed(private, ty);
                quote_spanned!(here(ty)=> #private::Provide::<#ty>::provide(#state))
            }
            Kind::Argument(argument) => {
                let (at, owned) = (names.len(), &argument.owned);
                let name = format_ident!("__a{at}", span = Span::mixed_site());
                takes.push(quote_spanned!(here(owned)=> #args.take::<#owned>(#at)));
                names.push(name.clone());
                if argument.lent { quote!(&#name) } else { quote!(#name) }
            }
        });
    }
    let take = match (names.as_slice(), takes.as_slice()) {
        ([], _) => TokenStream::new(),
        ([name], [take]) => quote!(let #private::Some(#name) = #take else { return #args.refuse() };),
        _ => quote!(let (#(#private::Some(#names)),*) = (#(#takes),*) else { return #args.refuse() };),
    };
    let (ident, output) = (tool.sig.ident(), tool.sig.output());
    let wait = tool.sig.is_async().then(|| quote!(.await));
    let aimed_private = aimed(private, &output);
    let reply = quote_spanned!(here(&output)=> #aimed_private::Returned(#ident(#(#passed),*)#wait).reply());
    let plainly = plainly(private);
    let mention = mention(tool, private);
    // Underscores where nothing is taken: the expansion draws no warning of its own.
    let taken = |wanted: fn(&Kind) -> bool| tool.sig.params.iter().any(|param| wanted(&param.kind));
    let state = if taken(|kind| matches!(kind, Kind::State(_))) { quote!(#state) } else { quote!(_) };
    let call = if taken(|kind| matches!(kind, Kind::Context)) { quote!(#call) } else { quote!(_) };
    let args = if names.is_empty() { quote!(_) } else { quote!(mut #args) };
    let body = quote!({ #plainly #mention #take #reply });
    if tool.sig.is_async() {
        // Where the future cannot cross threads, rustc says so at the function's name.
        let aimed_private = aimed(private, ident);
        let future = quote_spanned!(here(ident)=> #aimed_private::boxed(async move #body));
        quote!(#private::Run::Async(|#state, #call, #args| #future))
    } else {
        quote!(#private::Run::Blocking(|#state, #call, #args| #body))
    }
}

/// Names what the descriptor asks of types that are not known to be fit. What a type lacks, rustc then misses here in
/// the very words it uses there, and says once what it would say twice.
fn mention(tool: &Tool, private: &TokenStream) -> Option<TokenStream> {
    let arguments = tool.sig.arguments().filter(|(_, argument)| !argument.shape.is_fit());
    let arguments = arguments.map(|(_, argument)| constructor(argument, private));
    let output = (!tool.sig.output_is_fit()).then(|| schema_of_output(tool, private));
    let named: Vec<TokenStream> = arguments.chain(output).collect();
    (!named.is_empty()).then(|| quote!(let _ = (#(#named,)*);))
}

impl ToTokens for crate::sig::Function {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self { attributes, visibility, signature, body } = self;
        tokens.extend(quote!(#(#attributes)* #visibility #signature #body));
    }
}
