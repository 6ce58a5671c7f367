//! The checked declaration → a constant descriptor.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt;

use super::{aimed, here};
use crate::{
    attr::{Audit, Effect, RatePer, Task},
    between::Demand,
    param::Literal,
    sig::{Argument, Param},
    tool::{IdempotencyKey, Tool, wire_name},
};

/// Only what differs from the default is written.
pub(super) fn descriptor(tool: &Tool, private: &Ident) -> TokenStream {
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
    match tool.task {
        None => {}
        Some(Task::Optional) => fields.push(quote!(task: #private::Some(#private::Task::Optional))),
        Some(Task::Required) => fields.push(quote!(task: #private::Some(#private::Task::Required))),
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
    if let Some(reason) = &tool.unsandboxed {
        fields.push(quote!(unsandboxed: #private::Some(#reason)));
    }
    let params: Vec<TokenStream> =
        tool.sig.arguments().map(|(param, argument)| parameter(param, argument, private)).collect();
    if !params.is_empty() {
        fields.push(quote!(params: &[#(#params),*]));
    }
    if !tool.rules.is_empty() {
        let rules = tool.rules.iter().map(|demand| rule(demand, tool, private));
        fields.push(quote!(rules: &[#(#rules),*]));
    }
    let output = schema_of_output(tool, private);
    quote!(#private::Descriptor { #(#fields,)* output: #output, ..#private::Descriptor::DEFAULT })
}

pub(super) fn schema_of_output(tool: &Tool, private: &Ident) -> TokenStream {
    let output = tool.sig.output();
    let private = aimed(private, &output);
    quote_spanned!(here(&output)=> #private::Returned::<#output>::schema)
}

/// A rule, with the names of the wire.
fn rule(demand: &Demand, tool: &Tool, private: &Ident) -> TokenStream {
    let wire = |name: &Ident| {
        let mut arguments = tool.sig.arguments();
        let found = arguments.find(|(param, _)| param.ident.unraw() == name.unraw());
        found
            .map(|(param, argument)| wire_name(param, argument))
            .expect("a rule of the language found each name")
    };
    let listed = |names: &[Ident]| {
        let names = names.iter().map(wire);
        quote!(&[#(#names),*])
    };
    match demand {
        Demand::OneOf(names) => {
            let names = listed(names);
            quote!(#private::Rule::OneOf(#names))
        }
        Demand::AnyOf(names) => {
            let names = listed(names);
            quote!(#private::Rule::AnyOf(#names))
        }
        Demand::Needs(names) => {
            let (name, needed) = names.split_first().expect("the list of `needs` holds two names");
            let (name, needed) = (wire(name), listed(needed));
            quote!(#private::Rule::Needs(#name, #needed))
        }
        Demand::When { param, is, then, otherwise } => {
            let (param, is) = (wire(param), literal(&is.literal, private));
            let (then, otherwise) = (listed(then), listed(otherwise));
            quote!(#private::Rule::When { param: #param, is: #is, then: #then, otherwise: #otherwise })
        }
    }
}

fn limits(tool: &Tool, private: &Ident) -> Vec<TokenStream> {
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

fn option(value: Option<TokenStream>, private: &Ident) -> TokenStream {
    match value {
        Some(value) => quote!(#private::Some(#value)),
        None => quote!(#private::None),
    }
}

fn parameter(param: &Param, argument: &Argument, private: &Ident) -> TokenStream {
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
            let literal = literal(&value.literal, private);
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

pub(super) fn constructor(argument: &Argument, private: &Ident) -> TokenStream {
    let owned = &argument.owned;
    let private = aimed(private, owned);
    quote_spanned!(here(owned)=> #private::param::<#owned>)
}

fn literal(value: &Literal, private: &Ident) -> TokenStream {
    match value {
        Literal::Text(text) => quote!(#private::Literal::Text(#text)),
        Literal::Int(number) => {
            let number = proc_macro2::Literal::i128_unsuffixed(number.unsigned_abs().cast_signed());
            let sign = matches!(value, Literal::Int(number) if *number < 0).then(|| quote!(-));
            quote!(#private::Literal::Int(#sign #number))
        }
        Literal::Float(number) => {
            let sign = number.is_sign_negative().then(|| quote!(-));
            let number = proc_macro2::Literal::f64_unsuffixed(number.abs());
            quote!(#private::Literal::Float(#sign #number))
        }
        Literal::Bool(value) => quote!(#private::Literal::Bool(#value)),
        Literal::List(values) => {
            let values = values.iter().map(|value| literal(value, private));
            quote!(#private::Literal::List(&[#(#values),*]))
        }
    }
}
