//! A function's tokens → what it says: its parameters by kind, its body untouched.

use proc_macro2::{TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::{
    Attribute, FnArg, Ident, Item, Pat, ReturnType, Signature, Type, Visibility,
    ext::IdentExt,
    parse::{Parse, ParseStream, Parser},
    spanned::Spanned,
};

use crate::{
    error::{Mistake, Mistakes},
    key::spelled,
    param::ParamAttr,
    text::{Description, description},
    ty::{Shape, borrow, elided, impl_trait, list_of, shape, string_at, ungroup},
};

/// A function with its body left as tokens: a half-typed body is rustc's to judge, not ours.
#[derive(Clone)]
pub(crate) struct Function {
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) visibility: Visibility,
    pub(crate) signature: Signature,
    pub(crate) body: TokenStream,
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        Ok(Self {
            attributes: input.call(Attribute::parse_outer)?,
            visibility: input.parse()?,
            signature: input.parse()?,
            body: input.parse()?,
        })
    }
}

/// What the function says of itself.
pub(crate) struct Sig {
    /// The function without `#[param]` and without docs on its parameters.
    pub(crate) function: Function,
    pub(crate) description: Description,
    pub(crate) params: Vec<Param>,
    /// Each `print!`, `println!` and `stdout()` in the body.
    pub(crate) prints: Vec<TokenTree>,
}

impl Sig {
    pub(crate) fn ident(&self) -> &Ident {
        &self.function.signature.ident
    }

    /// The function's name without `r#`.
    pub(crate) fn name(&self) -> String {
        self.ident().unraw().to_string()
    }

    pub(crate) fn is_async(&self) -> bool {
        self.function.signature.asyncness.is_some()
    }

    /// What the function returns, as an expression elsewhere may name it: lifetimes of the function are left open.
    pub(crate) fn output(&self) -> TokenStream {
        match &self.function.signature.output {
            ReturnType::Default => quote!(()),
            ReturnType::Type(_, ty) => elided(ty.to_token_stream()),
        }
    }

    /// Whether the type that is returned needs no look at its traits.
    pub(crate) fn output_is_fit(&self) -> bool {
        match &self.function.signature.output {
            ReturnType::Default => true,
            ReturnType::Type(_, ty) => shape(ty).is_fit(),
        }
    }

    pub(crate) fn arguments(&self) -> impl Iterator<Item = (&Param, &Argument)> {
        self.params.iter().filter_map(|param| match &param.kind {
            Kind::Argument(argument) => Some((param, argument.as_ref())),
            _ => None,
        })
    }
}

/// One parameter that can be used; what cannot be is a mistake and leaves no `Param`.
pub(crate) struct Param {
    pub(crate) ident: Ident,
    pub(crate) kind: Kind,
}

pub(crate) enum Kind {
    /// `&Call`: the context of the call.
    Context,
    /// `&T`: a handle of the server's state.
    State(Box<Type>),
    /// Everything else comes from the caller.
    Argument(Box<Argument>),
}

pub(crate) struct Argument {
    /// The type that is read from JSON: `String` for `&str`, `Vec<T>` for `&[T]`.
    pub(crate) owned: Type,
    /// Whether the function borrows what was read.
    pub(crate) lent: bool,
    pub(crate) shape: Shape,
    pub(crate) description: Description,
    pub(crate) attr: ParamAttr,
}

impl Sig {
    /// Reads the function; `Err` gives the tokens back when there is no function in them.
    pub(crate) fn read(tokens: TokenStream, mistakes: &mut Mistakes) -> Result<Self, TokenStream> {
        let mut function: Function = match syn::parse2(tokens.clone()) {
            Ok(function) => function,
            Err(_) => {
                mistakes.push(not_a_function(&tokens));
                return Err(tokens);
            }
        };
        let description = description(&function.attributes);
        let params =
            function.signature.inputs.iter_mut().filter_map(|input| param(input, mistakes)).collect();
        let prints = prints(function.body.clone());
        Ok(Self { function, description, params, prints })
    }
}

/// `None` for what is no item at all: that is half typed, and rustc has said so already.
fn not_a_function(tokens: &TokenStream) -> Option<Mistake> {
    syn::parse2::<Item>(tokens.clone()).ok()?;
    let first_word = |input: ParseStream<'_>| {
        input.call(Attribute::parse_outer)?;
        let word: TokenTree = input.parse()?;
        input.parse::<TokenStream>().map(|_| word)
    };
    let mistake =
        Mistake::at(first_word.parse2(tokens.clone()).ok()?, "`#[mcp_tool]` does not stand on a function");
    Some(mistake.help("put it on a `fn` or an `async fn` outside of any `impl`"))
}

fn param(input: &mut FnArg, mistakes: &mut Mistakes) -> Option<Param> {
    let FnArg::Typed(param) = input else { return None };
    let description = description(&param.attrs);
    let attr = ParamAttr::read(&param.attrs, mistakes);
    param.attrs.retain(|attribute| !attribute.path().is_ident("doc") && !attribute.path().is_ident("param"));
    if let Some(cfg) = param.attrs.iter().find(|attribute| attribute.path().is_ident("cfg")) {
        mistakes.push(
            Mistake::at(cfg.path(), "this parameter is there only under a `cfg`")
                .note("the attribute reads it before the compiler decides whether it is there")
                .help("write the function twice, each with a `#[cfg(…)]` above its `#[mcp_tool]`"),
        );
        return None;
    }
    let name = match param.pat.as_ref() {
        Pat::Ident(name) => name.ident.to_string(),
        pat => spelled(pat),
    };
    let kind = mistakes.keep(kind(&name, &param.ty, description, attr))?;
    match (kind, param.pat.as_ref()) {
        (kind, Pat::Ident(name)) if name.by_ref.is_none() && name.subpat.is_none() => {
            Some(Param { ident: name.ident.clone(), kind })
        }
        // What the server gives needs no name.
        (kind @ (Kind::Context | Kind::State(_)), pat) => {
            Some(Param { ident: Ident::new("_unnamed", pat.span()), kind })
        }
        (Kind::Argument(_), pat) => {
            mistakes.push(
                Mistake::at(pat, "this parameter has a pattern in place of a name")
                    .note("its name is what a caller writes")
                    .help("name the parameter and take it apart in the body"),
            );
            None
        }
    }
}

/// Where the parameter's value comes from, by its type alone.
fn kind(name: &str, ty: &Type, description: Description, attr: ParamAttr) -> Result<Kind, Mistake> {
    let (owned, lent) = match ungroup(ty) {
        Type::Reference(reference) if reference.mutability.is_some() => {
            return Err(Mistake::at(ty, format!("parameter `{name}` borrows mutably"))
                .note("calls run side by side and share the server's state")
                .help("take `&T` and put what changes behind a `Mutex`, or take the value itself"));
        }
        Type::Reference(reference) => match ungroup(&reference.elem) {
            Type::Path(path) if path.path.is_ident("str") => (string_at(path.span()), true),
            Type::Slice(slice) => (list_of(&slice.elem), true),
            elem => return given(name, elem, &attr),
        },
        owned => (owned.clone(), false),
    };
    if let Some(found) = impl_trait(&owned) {
        return Err(Mistake::at(found, format!("parameter `{name}` has no type of its own"))
            .note("a caller's JSON is read into one type, and `impl Trait` names many")
            .help("name the type"));
    }
    if let Some(borrow) = borrow(owned.to_token_stream()) {
        return Err(Mistake::at(borrow, format!("parameter `{name}` borrows inside its type"))
            .note("what a caller sends is read into values that the call owns")
            .help("own it, for example `String` in place of `&str`"));
    }
    let shape = shape(&owned);
    Ok(Kind::Argument(Box::new(Argument { owned, lent, shape, description, attr })))
}

/// `&T`: the call's context or the server's state, which a caller has no say in.
fn given(name: &str, elem: &Type, attr: &ParamAttr) -> Result<Kind, Mistake> {
    match attr.first() {
        Some(attribute) => {
            Err(Mistake::at(attribute, format!("`{name}` comes from the server, not from the caller"))
                .note("`&T` is the server's state; `#[param]` describes what a caller sends")
                .help("delete the `#[param(…)]`, or take the value itself"))
        }
        None if names_call(elem) => Ok(Kind::Context),
        None => Ok(Kind::State(Box::new(elem.clone()))),
    }
}

/// `Call`, the one reserved name.
fn names_call(ty: &Type) -> bool {
    matches!(ty, Type::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == "Call"))
}

/// Each token of the body that writes to stdout: `print!`, `println!`, and `stdout` of `io` or on its own.
fn prints(body: TokenStream) -> Vec<TokenTree> {
    let tokens: Vec<TokenTree> = body.into_iter().collect();
    let is = |at: Option<usize>, symbol: char| {
        let token = at.and_then(|at| tokens.get(at));
        matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == symbol)
    };
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Group(group) => found.extend(prints(group.stream())),
            TokenTree::Ident(ident) if ident == "print" || ident == "println" => {
                found.extend(is(at.checked_add(1), '!').then(|| token.clone()));
            }
            TokenTree::Ident(ident) if ident == "stdout" => {
                // `command.stdout(…)` is another's, and `stdout()` is ours wherever it was imported from.
                let called =
                    matches!(tokens.get(at + 1), Some(TokenTree::Group(group)) if group.stream().is_empty());
                found.extend((called && !is(at.checked_sub(1), '.')).then(|| token.clone()));
            }
            _ => {}
        }
    }
    found
}
