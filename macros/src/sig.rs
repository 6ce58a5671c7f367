//! Reads a function: its description, its parameters by kind, and its result. The body stays tokens.

use proc_macro2::{Delimiter, Group, Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{
    Attribute, FnArg, Ident, Item, LitStr, Pat, ReturnType, Signature, Type, Visibility,
    ext::IdentExt,
    parse::{Parse, ParseStream, Parser},
    spanned::Spanned,
};

use crate::{
    error::{Mistake, Mistakes},
    key::spelled,
    param::ParamAttr,
    text::{Description, description},
    ty::{Shape, borrow, elided, impl_trait, is_container, is_option, result, shape, ungroup},
};

/// A function with its body as tokens, so that rustc and not this macro reports a half-typed body.
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

/// The function's signature, read for what a tool needs.
pub(crate) struct Sig {
    /// The function without `#[param]` and without docs on its parameters.
    pub(crate) function: Function,
    pub(crate) description: Description,
    pub(crate) params: Vec<Param>,
    /// Every `print!`, `println!` and `stdout()` in the body.
    pub(crate) prints: Vec<TokenTree>,
}

impl Sig {
    pub(crate) fn ident(&self) -> &Ident {
        &self.function.signature.ident
    }

    /// Returns the first `Self` in a function without `self`: only a function inside an `impl` can name it.
    pub(crate) fn self_type(&self) -> Option<TokenTree> {
        let signature = &self.function.signature;
        match signature.receiver() {
            Some(_) => None,
            None => {
                word(signature.to_token_stream(), "Self").or_else(|| word(self.function.body.clone(), "Self"))
            }
        }
    }

    /// The function's name without `r#`.
    pub(crate) fn name(&self) -> String {
        self.ident().unraw().to_string()
    }

    pub(crate) fn is_async(&self) -> bool {
        self.function.signature.asyncness.is_some()
    }

    /// The result's type as other items can name it: with the function's lifetimes elided.
    pub(crate) fn output(&self) -> TokenStream {
        match &self.function.signature.output {
            ReturnType::Default => {
                TokenTree::from(Group::new(Delimiter::Parenthesis, TokenStream::new())).into()
            }
            ReturnType::Type(_, ty) => elided(ty.to_token_stream()),
        }
    }

    /// The types of the value and of the error that the function returns, if its tokens show them: the type is not an
    /// alias of a `Result`.
    pub(crate) fn outcome(&self) -> Option<(TokenStream, Option<TokenStream>)> {
        let ReturnType::Type(_, ty) = &self.function.signature.output else { return None };
        let named = |ty: &Type| elided(ty.to_token_stream());
        match result(ty) {
            Some((value, error)) => Some((named(value), Some(named(error)))),
            None => is_container(ty).then(|| (named(ty), None)),
        }
    }

    /// Whether the result certainly implements the traits that a result needs.
    pub(crate) fn output_is_supported(&self) -> bool {
        match &self.function.signature.output {
            ReturnType::Default => true,
            ReturnType::Type(_, ty) => shape(ty).is_supported(),
        }
    }

    pub(crate) fn arguments(&self) -> impl Iterator<Item = (&Param, &Argument)> {
        self.params.iter().filter_map(|param| match &param.kind {
            Kind::Argument(argument) => Some((param, argument.as_ref())),
            _ => None,
        })
    }
}

/// One valid parameter. An invalid one is a mistake and has no `Param`.
pub(crate) struct Param {
    pub(crate) ident: Ident,
    pub(crate) kind: Kind,
}

pub(crate) enum Kind {
    /// `&Call`: the context of the call.
    Context,
    /// `&T`: a handle of the server's state.
    State(Box<Type>),
    /// Every other type: the caller sends it.
    Argument(Box<Argument>),
}

/// A value that the caller sends.
pub(crate) struct Argument {
    pub(crate) owned: Owned,
    pub(crate) shape: Shape,
    pub(crate) description: Description,
    pub(crate) attr: ParamAttr,
}

/// The type that is deserialized from JSON.
pub(crate) enum Owned {
    /// `String`, for a `&str` at this span.
    Text(Span),
    /// `Vec<T>`, for a `&[T]`.
    List(Type),
    /// The parameter's own type.
    Written(Type),
}

impl Param {
    /// The name under which a caller sends the parameter.
    pub(crate) fn wire_name(&self) -> String {
        let name = match &self.kind {
            Kind::Argument(argument) => argument.attr.name.as_ref(),
            Kind::Context | Kind::State(_) => None,
        };
        name.map_or_else(|| self.ident.unraw().to_string(), LitStr::value)
    }
}

impl Argument {
    /// Whether the caller may omit it.
    pub(crate) fn is_optional(&self) -> bool {
        self.attr.default.is_some() || matches!(&self.owned, Owned::Written(ty) if is_option(ty))
    }

    /// Whether the function takes a reference to the value.
    pub(crate) fn is_lent(&self) -> bool {
        matches!(self.owned, Owned::Text(_) | Owned::List(_))
    }
}

impl Sig {
    /// Reads the function; `Err` returns the tokens if they are not a function.
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

/// Returns `None` for tokens that are not an item: they are half typed, and rustc has reported them already.
fn not_a_function(tokens: &TokenStream) -> Option<Mistake> {
    syn::parse2::<Item>(tokens.clone()).ok()?;
    let first_word = |input: ParseStream<'_>| {
        input.call(Attribute::parse_outer)?;
        let word: TokenTree = input.parse()?;
        input.parse::<TokenStream>().map(|_| word)
    };
    let mistake = Mistake::at(first_word.parse2(tokens.clone()).ok()?, "`#[mcp_tool]` is not on a function");
    Some(mistake.help("put it on a `fn` or an `async fn` outside of any `impl`"))
}

fn param(input: &mut FnArg, mistakes: &mut Mistakes) -> Option<Param> {
    let FnArg::Typed(param) = input else { return None };
    let description = description(&param.attrs);
    let attr = ParamAttr::read(&param.attrs, mistakes);
    param.attrs.retain(|attribute| !attribute.path().is_ident("doc") && !attribute.path().is_ident("param"));
    if let Some(cfg) = param.attrs.iter().find(|attribute| attribute.path().is_ident("cfg")) {
        mistakes.push(
            Mistake::at(cfg.path(), "this parameter depends on a `cfg`")
                .note("the attribute is expanded before the compiler evaluates the `cfg` of a parameter")
                .help("write the function twice, each with a `#[cfg(…)]` above its `#[mcp_tool]`"),
        );
        return None;
    }
    let name = match param.pat.as_ref() {
        Pat::Ident(name) => name.ident.to_string(),
        pat => spelled(pat),
    };
    let kind = mistakes.handle(kind(&name, &param.ty, description, attr))?;
    match (kind, param.pat.as_ref()) {
        (kind, Pat::Ident(name)) if name.by_ref.is_none() && name.subpat.is_none() => {
            Some(Param { ident: name.ident.clone(), kind })
        }
        // The server passes these by position.
        (kind @ (Kind::Context | Kind::State(_)), pat) => {
            Some(Param { ident: Ident::new("_unnamed", pat.span()), kind })
        }
        (Kind::Argument(_), pat) => {
            mistakes.push(
                Mistake::at(pat, "this parameter is a pattern, not a name")
                    .note("a caller sends each value under its parameter's name")
                    .help("name the parameter and destructure it in the body"),
            );
            None
        }
    }
}

/// Decides by the type alone whether the server or the caller provides the value.
fn kind(name: &str, ty: &Type, description: Description, attr: ParamAttr) -> Result<Kind, Mistake> {
    let (owned, shape) = match ungroup(ty) {
        Type::Reference(reference) if reference.mutability.is_some() => {
            return Err(Mistake::at(ty, format!("parameter `{name}` borrows mutably"))
                .note("calls run concurrently and share the server's state")
                .help("take `&T` with a `Mutex` around what changes, or take the value from the caller, without `&mut`"));
        }
        Type::Reference(reference) => match ungroup(&reference.elem) {
            Type::Path(path) if path.path.is_ident("str") => (Owned::Text(path.span()), Shape::Text),
            Type::Slice(slice) => {
                has_one_owned_type(name, &slice.elem)?;
                (Owned::List((*slice.elem).clone()), Shape::List)
            }
            elem => return from_server(name, elem, &attr),
        },
        owned => {
            not_an_extractor(owned)?;
            has_one_owned_type(name, owned)?;
            (Owned::Written(owned.clone()), shape(owned))
        }
    };
    Ok(Kind::Argument(Box::new(Argument { owned, shape, description, attr })))
}

/// Rejects `State<T>` and `Extension<T>`, by which other frameworks pass their state.
fn not_an_extractor(ty: &Type) -> Result<(), Mistake> {
    let Type::Path(path) = ty else { return Ok(()) };
    match path.path.segments.last() {
        Some(last) if !last.arguments.is_none() && (last.ident == "State" || last.ident == "Extension") => {
            Err(Mistake::at(ty, format!("`{}` is not a parameter that a tool can take", spelled(ty)))
                .note("a tool takes a field of the server's state by reference, and not the whole state")
                .help("write `&T`, where `T` is the type of a field of the server's state"))
        }
        _ => Ok(()),
    }
}

/// Rejects types that cannot be deserialized into: `impl Trait`, and types with a borrow inside.
fn has_one_owned_type(name: &str, ty: &Type) -> Result<(), Mistake> {
    if let Some(impl_trait) = impl_trait(ty) {
        return Err(Mistake::at(impl_trait, format!("parameter `{name}` has the type `impl Trait`"))
            .note("a caller's JSON is deserialized into one concrete type")
            .help("name a concrete type"));
    }
    if let Some(borrow) = borrow(ty.to_token_stream()) {
        return Err(Mistake::at(borrow, format!("parameter `{name}` has a borrow inside its type"))
            .note("a caller's JSON is deserialized into values that the call owns")
            .help("use an owned type, for example `String` instead of `&str`"));
    }
    Ok(())
}

/// Reads `&T`, the context of the call or a part of the server's state. A caller does not send either.
fn from_server(name: &str, elem: &Type, attr: &ParamAttr) -> Result<Kind, Mistake> {
    match attr.first() {
        Some(attribute) => {
            Err(Mistake::at(attribute, format!("`{name}` comes from the server, not from the caller"))
                .note("`&T` is the server's state; `#[param]` describes what a caller sends")
                .help("delete the `#[param(…)]`, or take the value without `&`"))
        }
        None if is_path(elem) => {
            Err(Mistake::at(elem, format!("parameter `{name}` borrows a `{}`", spelled(elem)))
                .note("`&T` is a field of the server's state, and a field cannot have this type")
                .help("take a `PathBuf`, which a caller sends"))
        }
        None if is_call(elem) => Ok(Kind::Context),
        None => Ok(Kind::State(Box::new(elem.clone()))),
    }
}

/// Whether the type is written `Path`, also with its module.
fn is_path(ty: &Type) -> bool {
    matches!(ty, Type::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == "Path"))
}

/// Whether the type is written `Call`, the one reserved name.
fn is_call(ty: &Type) -> bool {
    matches!(ty, Type::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == "Call"))
}

/// Returns the first token that is this word. Where a type is declared or implemented, the word may be about that type.
fn word(tokens: TokenStream, name: &str) -> Option<TokenTree> {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let is_about_another = |token: &TokenTree| {
        let words = ["impl", "trait", "struct", "enum", "union"];
        matches!(token, TokenTree::Ident(ident) if words.iter().any(|word| ident == word))
    };
    if tokens.iter().any(is_about_another) {
        return None;
    }
    tokens.into_iter().find_map(|token| match token {
        TokenTree::Group(group) => word(group.stream(), name),
        TokenTree::Ident(ident) if ident == name => Some(ident.into()),
        _ => None,
    })
}

/// Returns each token of the body that writes to stdout: `print!`, `println!`, and `stdout()`, imported or not.
fn prints(body: TokenStream) -> Vec<TokenTree> {
    let tokens: Vec<TokenTree> = body.into_iter().collect();
    let is = |at: Option<usize>, symbol: char| {
        let token = at.and_then(|at| tokens.get(at));
        matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == symbol)
    };
    let mut prints = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Group(group) => prints.extend(self::prints(group.stream())),
            TokenTree::Ident(ident) if ident == "print" || ident == "println" => {
                prints.extend(is(at.checked_add(1), '!').then(|| token.clone()));
            }
            TokenTree::Ident(ident) if ident == "stdout" => {
                // `command.stdout(…)` is a method of another type; `stdout()` is that of `std::io`.
                let is_call =
                    matches!(tokens.get(at + 1), Some(TokenTree::Group(group)) if group.stream().is_empty());
                prints.extend((is_call && !is(at.checked_sub(1), '.')).then(|| token.clone()));
            }
            _ => {}
        }
    }
    prints
}
