//! A function's tokens → what it says: its parameters by kind, its body untouched.

use proc_macro2::{TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote};
use syn::{
    Attribute, FnArg, Ident, Pat, ReturnType, Signature, Type, Visibility,
    ext::IdentExt,
    parse::{Parse, ParseStream},
};

use crate::{
    error::{Mistake, Mistakes},
    param::ParamAttr,
    text::{Description, description},
};

/// A function with its body left as tokens: a half-typed body is rustc's to judge, not ours.
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
    /// `print!`, `println!` or `io::stdout` in the body.
    pub(crate) prints: Option<TokenTree>,
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

    pub(crate) fn output(&self) -> TokenStream {
        match &self.function.signature.output {
            ReturnType::Default => quote!(()),
            ReturnType::Type(_, ty) => ty.to_token_stream(),
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
    State(Type),
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

/// As much of a type as its tokens tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Text,
    Int(String),
    Float,
    Bool,
    List,
    /// A type of the user's: the schema tells, when the server starts.
    Unknown,
}

impl Sig {
    /// Reads the function; `Err` gives the tokens back when there is no function in them.
    pub(crate) fn read(tokens: TokenStream, mistakes: &mut Mistakes) -> Result<Self, TokenStream> {
        let mut function: Function = match syn::parse2(tokens.clone()) {
            Ok(function) => function,
            Err(error) => {
                mistakes.push(
                    Mistake::from(error).note("`#[mcp_tool]` stands on a function: `fn` or `async fn`"),
                );
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

fn param(input: &mut FnArg, mistakes: &mut Mistakes) -> Option<Param> {
    let FnArg::Typed(param) = input else { return None };
    let description = description(&param.attrs);
    let attr = ParamAttr::read(&param.attrs, mistakes);
    param.attrs.retain(|attribute| !attribute.path().is_ident("doc") && !attribute.path().is_ident("param"));
    let Pat::Ident(name) = param.pat.as_ref() else {
        mistakes.push(
            Mistake::at(&param.pat, "a parameter of a tool has a pattern in place of a name")
                .note("its name is what the caller writes")
                .help("name the parameter and take it apart in the body"),
        );
        return None;
    };
    if name.by_ref.is_some() || name.subpat.is_some() {
        mistakes.push(
            Mistake::at(&param.pat, format!("parameter `{}` has a pattern in place of a name", name.ident))
                .help(format!("write `{}` alone and take it apart in the body", name.ident)),
        );
        return None;
    }
    let ident = name.ident.clone();
    let kind = kind(&ident, &param.ty, description, attr, mistakes)?;
    Some(Param { ident, kind })
}

fn kind(
    ident: &Ident,
    ty: &Type,
    description: Description,
    attr: ParamAttr,
    mistakes: &mut Mistakes,
) -> Option<Kind> {
    let (owned, lent) = match ungroup(ty) {
        Type::ImplTrait(_) => {
            mistakes.push(
                Mistake::at(ty, format!("parameter `{ident}` has no type of its own"))
                    .note("a caller's JSON is read into one type, and `impl Trait` names many")
                    .help("name the type"),
            );
            return None;
        }
        Type::Reference(reference) if reference.mutability.is_some() => {
            mistakes.push(
                Mistake::at(ty, format!("parameter `{ident}` borrows mutably"))
                    .note("calls run side by side and share the server's state")
                    .help("take `&T` and put what changes behind a `Mutex`, or take the value itself"),
            );
            return None;
        }
        Type::Reference(reference) => match ungroup(&reference.elem) {
            Type::Path(path) if path.path.is_ident("str") => (string_at(ty), true),
            Type::Slice(slice) => (list_at(&slice.elem), true),
            elem => {
                let kind = if names_call(elem) { Kind::Context } else { Kind::State(elem.clone()) };
                if let Some(attribute) = attr.first() {
                    mistakes.push(
                        Mistake::at(
                            attribute,
                            format!("`{ident}` comes from the server, not from the caller"),
                        )
                        .note("`&T` is the server's state; `#[param]` describes what a caller sends")
                        .help("delete the `#[param(…)]`"),
                    );
                }
                return Some(kind);
            }
        },
        owned => (owned.clone(), false),
    };
    if let Some(borrow) = borrows(&owned) {
        mistakes.push(
            Mistake::at(&borrow, format!("parameter `{ident}` borrows inside its type"))
                .note("what a caller sends is read into values that the call owns")
                .help("own it, for example `String` in place of `&str`"),
        );
        return None;
    }
    let shape = shape(&owned);
    Some(Kind::Argument(Box::new(Argument { owned, lent, shape, description, attr })))
}

/// The type inside the invisible groups and parentheses around it.
pub(crate) fn ungroup(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => ungroup(&group.elem),
        Type::Paren(paren) => ungroup(&paren.elem),
        ty => ty,
    }
}

/// `Call`, the one reserved name.
fn names_call(ty: &Type) -> bool {
    matches!(ty, Type::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == "Call"))
}

fn string_at(ty: &Type) -> Type {
    let span = syn::spanned::Spanned::span(ty);
    Type::Verbatim(quote::quote_spanned!(span=> ::std::string::String))
}

fn list_at(elem: &Type) -> Type {
    Type::Verbatim(quote!(::std::vec::Vec<#elem>))
}

/// The first borrow written inside an owned type.
fn borrows(ty: &Type) -> Option<TokenTree> {
    fn find(tokens: TokenStream) -> Option<TokenTree> {
        tokens.into_iter().find_map(|token| match token {
            TokenTree::Punct(ref punct) if matches!(punct.as_char(), '&' | '\'') => Some(token),
            TokenTree::Group(group) => find(group.stream()),
            _ => None,
        })
    }
    find(ty.to_token_stream())
}

/// Reads `Option<T>` as `T`.
pub(crate) fn shape(ty: &Type) -> Shape {
    let path = match ungroup(ty) {
        Type::Verbatim(tokens) => match tokens.to_string().rsplit("::").next().unwrap_or_default().trim() {
            "String" => return Shape::Text,
            _ => return Shape::List,
        },
        Type::Path(path) => &path.path,
        _ => return Shape::Unknown,
    };
    let Some(last) = path.segments.last() else { return Shape::Unknown };
    let name = last.ident.to_string();
    match name.as_str() {
        "String" | "char" => Shape::Text,
        "u8" | "u16" | "u32" | "u64" | "u128" | "usize" | "i8" | "i16" | "i32" | "i64" | "i128" | "isize" => {
            Shape::Int(name)
        }
        "f32" | "f64" => Shape::Float,
        "bool" => Shape::Bool,
        "Vec" | "VecDeque" | "HashSet" | "BTreeSet" => Shape::List,
        "Option" => inner(last).map_or(Shape::Unknown, |inner| shape(&inner)),
        _ => Shape::Unknown,
    }
}

/// Whether the tokens say `Option<…>`.
pub(crate) fn is_option(ty: &Type) -> bool {
    matches!(ungroup(ty), Type::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == "Option"))
}

fn inner(segment: &syn::PathSegment) -> Option<Type> {
    match &segment.arguments {
        syn::PathArguments::AngleBracketed(arguments) => {
            arguments.args.iter().find_map(|argument| match argument {
                syn::GenericArgument::Type(ty) => Some(ty.clone()),
                _ => None,
            })
        }
        _ => None,
    }
}

/// The first token of the body that writes to stdout: `print!`, `println!` or `io::stdout`.
fn prints(body: TokenStream) -> Option<TokenTree> {
    let tokens: Vec<TokenTree> = body.into_iter().collect();
    tokens.iter().enumerate().find_map(|(at, token)| match token {
        TokenTree::Group(group) => prints(group.stream()),
        TokenTree::Ident(ident) if ident == "print" || ident == "println" => {
            matches!(tokens.get(at + 1), Some(TokenTree::Punct(bang)) if bang.as_char() == '!')
                .then(|| token.clone())
        }
        TokenTree::Ident(ident) if ident == "stdout" => {
            let from_io = at >= 3
                && matches!(&tokens[at - 3], TokenTree::Ident(module) if module == &format_ident!("io"));
            from_io.then(|| token.clone())
        }
        _ => None,
    })
}
