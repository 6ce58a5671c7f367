//! Expands the constant descriptor of a declaration.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt;

use super::names::{private_at, span_of};
use crate::{
    attr::{Audit, Effect, RatePer, Task},
    confirm::Confirm,
    constraints::Relation,
    param::Literal,
    sig::{Argument, Kind, Param},
    text::Description,
    tool::{Deprecation, IdempotencyKey, Tool},
};

/// Expands to a `Descriptor` that lists only the fields that differ from the default.
pub(super) fn descriptor(tool: &Tool, private: &Ident) -> TokenStream {
    let Tool { name, title, .. } = tool;
    let description = description(&tool.sig.description);
    let mut fields = vec![quote!(name: #name), quote!(title: #title), quote!(description: #description)];
    if !tool.aliases.is_empty() {
        let aliases = &tool.aliases;
        fields.push(quote!(aliases: &[#(#aliases),*]));
    }
    fields.extend(effect(tool, private));
    fields.extend(policies(tool, private));
    fields.extend(limits(tool, private));
    fields.extend(tool.deprecation.as_ref().map(|deprecation| deprecated(deprecation, private)));
    if tool.sig.params.iter().any(|param| matches!(param.kind, Kind::Context)) {
        fields.push(quote!(takes_call: true));
    }
    let params: Vec<TokenStream> =
        tool.sig.arguments().map(|(param, argument)| parameter(param, argument, private)).collect();
    if !params.is_empty() {
        fields.push(quote!(params: &[#(#params),*]));
    }
    if !tool.relations.is_empty() {
        let rules = tool.relations.iter().map(|relation| rule(relation, tool, private));
        fields.push(quote!(rules: &[#(#rules),*]));
    }
    let output = output_schema(tool, private);
    quote!(#private::Descriptor { #(#fields,)* output: #output, ..#private::Descriptor::DEFAULT })
}

/// Expands the fields about what a call does, and who may call.
fn effect(tool: &Tool, private: &Ident) -> Vec<TokenStream> {
    let effect = match tool.effect {
        Effect::ReadOnly => quote!(ReadOnly),
        Effect::Additive => quote!(Additive),
        Effect::Destructive => quote!(Destructive),
    };
    let mut fields = vec![quote!(effect: #private::Effect::#effect)];
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
    fields
}

/// Expands the fields about the stages around the handler.
fn policies(tool: &Tool, private: &Ident) -> Vec<TokenStream> {
    let mut fields = Vec::new();
    match &tool.confirm {
        Confirm::Never => {}
        Confirm::Always => fields.push(quote!(confirm: #private::Confirm::Always)),
        Confirm::When { param, is } => {
            let (param, is) = (wire(param, tool), literal(&is.literal, private));
            fields.push(quote!(confirm: #private::Confirm::When { param: #param, is: #is }));
        }
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
    if let Some(reason) = &tool.unsandboxed {
        fields.push(quote!(unsandboxed: #private::Some(#reason)));
    }
    if let Some(effect) = &tool.public_effect {
        fields.push(quote!(public_effect: #private::Some(#effect)));
    }
    fields
}

fn limits(tool: &Tool, private: &Ident) -> Vec<TokenStream> {
    let mut fields = Vec::new();
    if let Some((calls, per)) = tool.rate {
        let per = match per {
            RatePer::Second => quote!(Second),
            RatePer::Minute => quote!(Minute),
            RatePer::Hour => quote!(Hour),
        };
        fields.push(quote!(rate: #private::Some(#private::Rate { calls: #calls, per: #private::Per::#per })));
    }
    if let Some(calls) = tool.max_in_flight {
        fields.push(quote!(max_in_flight: #private::Some(#calls)));
    }
    if let Some(ms) = tool.timeout_ms {
        fields.push(quote!(timeout: #private::Duration::from_millis(#ms)));
    }
    if let Some(bytes) = tool.output_bytes {
        fields.push(quote!(max_output: #private::Some(#bytes)));
    }
    if tool.retry > 0 {
        let retry = tool.retry;
        fields.push(quote!(retry: #retry));
    }
    fields
}

fn deprecated(deprecation: &Deprecation, private: &Ident) -> TokenStream {
    let Deprecation { since, remove_in, use_instead } = deprecation;
    let use_instead = match use_instead {
        None => quote!(#private::None),
        Some(path) => {
            let name = quote_spanned!(span_of(path)=> <#path as #private::Named>::NAME);
            quote!(#private::Some(#name))
        }
    };
    quote! {
        deprecated: #private::Some(#private::Deprecated { since: #since, remove_in: #remove_in, use_instead: #use_instead })
    }
}

/// Expands to the function that makes the output schema. If the type is known, the function is named by its trait: the
/// error about a type that does not implement it is then short.
pub(super) fn output_schema(tool: &Tool, private: &Ident) -> TokenStream {
    let output = match tool.sig.outcome() {
        Some((value, _)) => {
            let private = private_at(private, &value);
            return quote_spanned!(span_of(&value)=> <#value as #private::Output>::schema);
        }
        None => tool.sig.output(),
    };
    let private = private_at(private, &output);
    quote_spanned!(span_of(&output)=> #private::Returned::<#output>::schema)
}

/// Expands a relation to a `Rule`, which has the wire names of the parameters.
fn rule(relation: &Relation, tool: &Tool, private: &Ident) -> TokenStream {
    let wire = |name: &Ident| wire(name, tool);
    let list = |names: &[Ident]| {
        let names = names.iter().map(wire);
        quote!(&[#(#names),*])
    };
    match relation {
        Relation::OneOf(names) => {
            let names = list(names);
            quote!(#private::Rule::OneOf(#names))
        }
        Relation::AnyOf(names) => {
            let names = list(names);
            quote!(#private::Rule::AnyOf(#names))
        }
        Relation::AtMostOne(names) => {
            let names = list(names);
            quote!(#private::Rule::AtMostOne(#names))
        }
        Relation::Needs(names) => {
            let (name, needed) = names.split_first().expect("`needs` has at least two names");
            let (name, needed) = (wire(name), list(needed));
            quote!(#private::Rule::Needs(#name, #needed))
        }
        Relation::When { param, is, then, otherwise } => {
            let (param, is) = (wire(param), literal(&is.literal, private));
            let (then, otherwise) = (list(then), list(otherwise));
            quote!(#private::Rule::When { param: #param, is: #is, then: #then, otherwise: #otherwise })
        }
    }
}

/// Returns the wire name of the parameter `name`.
fn wire(name: &Ident, tool: &Tool) -> String {
    let mut arguments = tool.sig.arguments();
    let param = arguments.find(|(param, _)| param.ident.unraw() == name.unraw());
    param.map(|(param, _)| param.wire_name()).expect("the rules found every name")
}

fn parameter(param: &Param, argument: &Argument, private: &Ident) -> TokenStream {
    let name = param.wire_name();
    let description = description(&argument.description);
    let base = base(argument, private);
    let attr = &argument.attr;
    let mut fields = vec![quote!(name: #name), quote!(description: #description)];
    if argument.is_optional() {
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
    for (key, flag) in [("secret", &attr.secret), ("volatile", &attr.volatile), ("lenient", &attr.lenient)] {
        if flag.is_some() {
            let key = format_ident!("{key}");
            fields.push(quote!(#key: true));
        }
    }
    quote!(#private::Param { #(#fields,)* ..#base })
}

/// Expands to the `Param` of the parameter's type.
pub(super) fn base(argument: &Argument, private: &Ident) -> TokenStream {
    let owned = &argument.owned;
    let private = private_at(private, owned);
    quote_spanned!(span_of(owned)=> <#owned as #private::Argument>::PARAM)
}

fn description(description: &Description) -> TokenStream {
    match description {
        Description::Missing => quote!(""),
        Description::Text(text) => quote!(#text),
        Description::Lines(lines) => {
            let lines = lines.iter().enumerate().map(|(at, line)| {
                let newline = (at > 0).then_some("\n").into_iter();
                quote!(#(#newline,)* #line)
            });
            quote!(::core::concat!(#(#lines),*))
        }
    }
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
