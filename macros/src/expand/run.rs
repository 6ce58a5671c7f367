//! Expands the closure that calls the function.

use proc_macro2::{Ident, TokenStream};
use quote::{quote, quote_spanned};

use super::{
    descriptor::{base, output_schema},
    names::{hygienic, private_at, span_of},
};
use crate::{sig::Kind, tool::Tool};

/// Expands to a closure that reads the arguments, calls the function and makes a reply of its result.
pub(super) fn run(tool: &Tool, private: &Ident) -> TokenStream {
    let inputs = Inputs::of(tool, private);
    let Inputs { state, call, args, passed, .. } = &inputs;
    let (ident, output) = (tool.sig.ident(), tool.sig.output());
    let wait = tool.sig.is_async().then(|| quote!(.await));
    let call_of_function = quote!(#ident(#(#passed),*)#wait);
    let reply = match tool.sig.outcome() {
        Some((value, error)) => outcome(&call_of_function, &value, error.as_ref(), private),
        None => {
            let at_output = private_at(private, &output);
            quote_spanned!(span_of(&output)=> #at_output::Returned::new(#call_of_function).outcome())
        }
    };
    let (bounds, read) = (name_bounds(tool, private), inputs.read(private));
    let body = quote!({ #bounds #read #reply });
    // A closure parameter that is not used is an underscore, so that the expansion causes no warning.
    let has = |kind: fn(&Kind) -> bool| tool.sig.params.iter().any(|param| kind(&param.kind));
    let state = if has(|kind| matches!(kind, Kind::State(_))) { quote!(#state) } else { quote!(_) };
    let call = if has(|kind| matches!(kind, Kind::Context)) { quote!(#call) } else { quote!(_) };
    let args = if inputs.names.is_empty() { quote!(_) } else { quote!(mut #args) };
    if tool.sig.is_async() {
        // If the future is not `Send`, rustc reports it at the function's name.
        let at_ident = private_at(private, ident);
        let future = quote_spanned!(span_of(ident)=> #at_ident::boxed(async move #body));
        quote!(#private::Run::Async(|#state, #call, #args| #future))
    } else {
        quote!(#private::Run::Blocking(|#state, #call, #args| #body))
    }
}

/// Expands to the outcome of a call whose types are known. Each trait is named together with the type that must have it,
/// so that the error about a type which does not is short, and points at it.
fn outcome(
    call: &TokenStream,
    value: &TokenStream,
    error: Option<&TokenStream>,
    private: &Ident,
) -> TokenStream {
    let at_value = private_at(private, value);
    let reply = quote_spanned!(span_of(value)=> <#value as #at_value::Output>::reply);
    let Some(error) = error else { return quote!(#private::done(#reply(#call))) };
    let at_error = private_at(private, error);
    let text = quote_spanned!(span_of(error)=> <#error as #at_error::Failure>::text);
    let (value, error) = (hygienic("__value"), hygienic("__error"));
    quote! {
        match #call {
            #private::Ok(#value) => #private::done(#reply(#value)),
            #private::Err(#error) => #private::Failed::new(#error).outcome(#text),
        }
    }
}

/// The function's inputs, and the expressions that obtain them.
struct Inputs {
    state: Ident,
    call: Ident,
    args: Ident,
    /// One variable for each argument, with the expression that reads it.
    names: Vec<Ident>,
    reads: Vec<TokenStream>,
    /// One expression for each parameter.
    passed: Vec<TokenStream>,
}

impl Inputs {
    fn of(tool: &Tool, private: &Ident) -> Self {
        let (state, call, args) = (hygienic("__state"), hygienic("__call"), hygienic("__args"));
        let (mut names, mut reads, mut passed) = (Vec::new(), Vec::new(), Vec::new());
        for param in &tool.sig.params {
            passed.push(match &param.kind {
                Kind::Context => quote!(#call),
                Kind::State(ty) => {
                    let private = private_at(private, ty);
                    quote_spanned!(span_of(ty)=> #private::Provide::<#ty>::provide(#state))
                }
                Kind::Argument(argument) => {
                    let (at, owned) = (names.len(), &argument.owned);
                    let name = hygienic(&format!("__a{at}"));
                    reads.push(quote_spanned!(span_of(owned)=> #args.take::<#owned>(#at)));
                    names.push(name.clone());
                    if argument.is_lent() { quote!(&#name) } else { quote!(#name) }
                }
            });
        }
        Self { state, call, args, names, reads, passed }
    }

    /// Reads every argument before it returns, so that one answer names every fault.
    fn read(&self, private: &Ident) -> TokenStream {
        let Self { args, names, reads, .. } = self;
        match names.as_slice() {
            [] => TokenStream::new(),
            [name] => quote!(let #private::Some(#name) = #(#reads)* else { return #args.refuse() };),
            _ => quote!(let (#(#private::Some(#names)),*) = (#(#reads),*) else { return #args.refuse() };),
        }
    }
}

/// Names the traits of the user's types once more. rustc then reports an unmet bound of such a type in the same words in
/// both places, and so only once.
fn name_bounds(tool: &Tool, private: &Ident) -> Option<TokenStream> {
    let arguments = tool.sig.arguments().filter(|(_, argument)| !argument.shape.is_supported());
    let arguments = arguments.map(|(_, argument)| base(argument, private));
    let output = (!tool.sig.output_is_supported()).then(|| output_schema(tool, private));
    let items: Vec<TokenStream> = arguments.chain(output).collect();
    (!items.is_empty()).then(|| quote!(let _ = (#(#items,)*);))
}
