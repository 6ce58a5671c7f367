//! Reads a type's tokens: its shape, its borrows, the `impl Trait`s in it and the names of its parts.

use proc_macro2::{Group, Ident, TokenStream, TokenTree};
use syn::{GenericArgument, PathArguments, PathSegment, Type, TypeParamBound};

/// The properties of a type that its tokens show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Text,
    Int(String),
    Float,
    Bool,
    List,
    /// A type of the user; its schema is known only when the server starts.
    Unknown,
}

impl Shape {
    /// Whether the type certainly implements the traits that arguments and results need.
    pub(crate) fn is_supported(&self) -> bool {
        matches!(self, Self::Text | Self::Int(_) | Self::Float | Self::Bool)
    }
}

/// Removes the invisible groups and parentheses around a type.
pub(crate) fn ungroup(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => ungroup(&group.elem),
        Type::Paren(paren) => ungroup(&paren.elem),
        ty => ty,
    }
}

/// Returns the first borrow among `tokens` that is not `'static`.
pub(crate) fn borrow(tokens: TokenStream) -> Option<TokenTree> {
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        let borrow = match &token {
            TokenTree::Punct(punct) if punct.as_char() == '&' => Some(token),
            TokenTree::Punct(punct) if punct.as_char() == '\'' => {
                (!is_static(tokens.peek())).then_some(token)
            }
            TokenTree::Group(group) => borrow(group.stream()),
            _ => None,
        };
        if borrow.is_some() {
            return borrow;
        }
    }
    None
}

/// Replaces every named lifetime except `'static` by `'_`.
pub(crate) fn elided(tokens: TokenStream) -> TokenStream {
    let mut after_tick = false;
    let elide = |token: TokenTree| {
        let named = std::mem::take(&mut after_tick) && !is_static(Some(&token));
        match token {
            TokenTree::Ident(lifetime) if named => Ident::new("_", lifetime.span()).into(),
            TokenTree::Group(group) => {
                let mut inside = Group::new(group.delimiter(), elided(group.stream()));
                inside.set_span(group.span());
                inside.into()
            }
            token => {
                after_tick = matches!(&token, TokenTree::Punct(punct) if punct.as_char() == '\'');
                token
            }
        }
    };
    tokens.into_iter().map(elide).collect()
}

fn is_static(token: Option<&TokenTree>) -> bool {
    matches!(token, Some(TokenTree::Ident(lifetime)) if lifetime == "static")
}

/// Returns the first `impl Trait` in a type or its arguments.
pub(crate) fn impl_trait(ty: &Type) -> Option<&Type> {
    match ungroup(ty) {
        ty @ Type::ImplTrait(_) => Some(ty),
        Type::Path(path) => path.path.segments.iter().flat_map(arguments).find_map(impl_trait),
        _ => None,
    }
}

/// Returns the types between the `<` and `>` of a segment.
fn arguments(segment: &PathSegment) -> impl Iterator<Item = &Type> {
    let list = match &segment.arguments {
        PathArguments::AngleBracketed(list) => Some(&list.args),
        _ => None,
    };
    list.into_iter().flatten().filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}

/// Returns the shape of a type; `Option<T>` has the shape of `T`.
pub(crate) fn shape(ty: &Type) -> Shape {
    let Type::Path(path) = ungroup(ty) else { return Shape::Unknown };
    let Some(last) = path.path.segments.last() else { return Shape::Unknown };
    let name = last.ident.to_string();
    match name.as_str() {
        "String" | "char" => Shape::Text,
        "u8" | "u16" | "u32" | "u64" | "u128" | "usize" | "i8" | "i16" | "i32" | "i64" | "i128" | "isize" => {
            Shape::Int(name)
        }
        "f32" | "f64" => Shape::Float,
        "bool" => Shape::Bool,
        "Vec" | "VecDeque" | "HashSet" | "BTreeSet" => Shape::List,
        "Option" => arguments(last).next().map_or(Shape::Unknown, shape),
        _ => Shape::Unknown,
    }
}

/// Returns the types of the value and of the error of a type that is written `Result<T, E>`. An alias has one of the two
/// at most, and may mean another type by it.
pub(crate) fn result(ty: &Type) -> Option<(&Type, &Type)> {
    let Type::Path(path) = ungroup(ty) else { return None };
    let last = path.path.segments.last().filter(|last| last.ident == "Result")?;
    let mut arguments = arguments(last);
    Some((arguments.next()?, arguments.next()?))
}

/// Whether a type is a list, an `Option` or a tuple, and so not an alias of a `Result`.
pub(crate) fn is_container(ty: &Type) -> bool {
    match ungroup(ty) {
        Type::Array(_) | Type::Tuple(_) => true,
        Type::Path(path) => path.path.segments.last().is_some_and(|last| {
            !last.arguments.is_empty() && CONTAINERS.iter().any(|name| last.ident == name)
        }),
        _ => false,
    }
}

/// Types that only hold others.
const CONTAINERS: [&str; 13] = [
    "Arc", "Box", "Cell", "LazyLock", "Mutex", "OnceCell", "OnceLock", "Option", "Rc", "RefCell", "RwLock",
    "Vec", "VecDeque",
];

/// Returns the names of the types in `ty`: the last segment of each path, also of those between `<` and `>`, since what a
/// type holds can do, the type can do.
pub(crate) fn names(ty: &Type) -> Vec<String> {
    match ungroup(ty) {
        Type::Reference(reference) => names(&reference.elem),
        Type::Array(array) => names(&array.elem),
        Type::Slice(slice) => names(&slice.elem),
        Type::Tuple(tuple) => tuple.elems.iter().flat_map(names).collect(),
        Type::TraitObject(object) => {
            let bounds = object.bounds.iter().filter_map(|bound| match bound {
                TypeParamBound::Trait(bound) => bound.path.segments.last(),
                _ => None,
            });
            bounds.map(|last| last.ident.to_string()).collect()
        }
        Type::Path(path) => match path.path.segments.last() {
            // It holds nothing.
            Some(last) if last.ident == "PhantomData" => Vec::new(),
            Some(last) => {
                std::iter::once(last.ident.to_string()).chain(arguments(last).flat_map(names)).collect()
            }
            None => Vec::new(),
        },
        _ => Vec::new(),
    }
}

/// Whether the type is written `Option<…>`.
pub(crate) fn is_option(ty: &Type) -> bool {
    matches!(ungroup(ty), Type::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == "Option"))
}
