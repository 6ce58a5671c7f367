//! The checked declaration → the closure that calls the function.

use proc_macro2::{Ident, TokenStream};
use quote::{quote, quote_spanned};

use super::{
    aimed,
    descriptor::{constructor, schema_of_output},
    here, hidden,
};
use crate::{sig::Kind, tool::Tool};

/// From the call's arguments to the function and back to a reply.
pub(super) fn run(tool: &Tool, private: &Ident) -> TokenStream {
    let handed = Handed::to(tool, private);
    let Handed { state, call, args, passed, .. } = &handed;
    let (ident, output) = (tool.sig.ident(), tool.sig.output());
    let wait = tool.sig.is_async().then(|| quote!(.await));
    let at_output = aimed(private, &output);
    let reply =
        quote_spanned!(here(&output)=> #at_output::Returned::new(#ident(#(#passed),*)#wait).outcome());
    let (mention, take) = (mention(tool, private), handed.take(private));
    let body = quote!({ #mention #take #reply });
    // Underscores where nothing is taken: the expansion draws no warning of its own.
    let has = |wanted: fn(&Kind) -> bool| tool.sig.params.iter().any(|param| wanted(&param.kind));
    let state = if has(|kind| matches!(kind, Kind::State(_))) { quote!(#state) } else { quote!(_) };
    let call = if has(|kind| matches!(kind, Kind::Context)) { quote!(#call) } else { quote!(_) };
    let args = if handed.names.is_empty() { quote!(_) } else { quote!(mut #args) };
    if tool.sig.is_async() {
        // Where the future cannot cross threads, rustc says so at the function's name.
        let at_ident = aimed(private, ident);
        let future = quote_spanned!(here(ident)=> #at_ident::boxed(async move #body));
        quote!(#private::Run::Async(|#state, #call, #args| #future))
    } else {
        quote!(#private::Run::Blocking(|#state, #call, #args| #body))
    }
}

/// What the function is handed, and how it is come by.
struct Handed {
    state: Ident,
    call: Ident,
    args: Ident,
    /// One for each argument, with what reads it.
    names: Vec<Ident>,
    takes: Vec<TokenStream>,
    /// One for each parameter.
    passed: Vec<TokenStream>,
}

impl Handed {
    fn to(tool: &Tool, private: &Ident) -> Self {
        let (state, call, args) = (hidden("__state"), hidden("__call"), hidden("__args"));
        let (mut names, mut takes, mut passed) = (Vec::new(), Vec::new(), Vec::new());
        for param in &tool.sig.params {
            passed.push(match &param.kind {
                Kind::Context => quote!(#call),
                Kind::State(ty) => {
                    let private = aimed(private, ty);
                    quote_spanned!(here(ty)=> #private::Provide::<#ty>::provide(#state))
                }
                Kind::Argument(argument) => {
                    let (at, owned) = (names.len(), &argument.owned);
                    let name = hidden(&format!("__a{at}"));
                    takes.push(quote_spanned!(here(owned)=> #args.take::<#owned>(#at)));
                    names.push(name.clone());
                    if argument.lent { quote!(&#name) } else { quote!(#name) }
                }
            });
        }
        Self { state, call, args, names, takes, passed }
    }

    /// Reads every argument before it gives up, so that an answer names every fault.
    fn take(&self, private: &Ident) -> TokenStream {
        let Self { args, names, takes, .. } = self;
        match names.as_slice() {
            [] => TokenStream::new(),
            [name] => quote!(let #private::Some(#name) = #(#takes)* else { return #args.refuse() };),
            _ => quote!(let (#(#private::Some(#names)),*) = (#(#takes),*) else { return #args.refuse() };),
        }
    }
}

/// Names what the descriptor asks of types that are not known to be fit. What a type lacks, rustc then misses here in
/// the very words it uses there, and says once what it would say twice.
fn mention(tool: &Tool, private: &Ident) -> Option<TokenStream> {
    let arguments = tool.sig.arguments().filter(|(_, argument)| !argument.shape.is_fit());
    let arguments = arguments.map(|(_, argument)| constructor(argument, private));
    let output = (!tool.sig.output_is_fit()).then(|| schema_of_output(tool, private));
    let named: Vec<TokenStream> = arguments.chain(output).collect();
    (!named.is_empty()).then(|| quote!(let _ = (#(#named,)*);))
}
