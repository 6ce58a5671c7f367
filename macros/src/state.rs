//! Reads `#[derive(State)]`: the handles that a state provides, and the capabilities of each.

use std::collections::HashSet;

use darling::ast::NestedMeta;
use syn::{
    Attribute, Data, DeriveInput, Field, Fields, Generics, Ident, Index, Member, Meta, Path, Type,
    parse_quote,
};

use crate::{
    error::{Mistake, Mistakes},
    key::{Grammar, flag, krate, spelled},
};

/// A type that derives `State`.
pub(crate) struct State {
    pub(crate) krate: Path,
    pub(crate) ident: Ident,
    pub(crate) generics: Generics,
    /// `None` if the type is not a struct.
    pub(crate) handles: Option<Vec<Handle>>,
}

/// A field that tools can take by its type.
pub(crate) struct Handle {
    pub(crate) member: Member,
    pub(crate) ty: Type,
    pub(crate) can_write: bool,
    pub(crate) can_reach_network: bool,
}

/// The marks in `#[state(…)]` on a field.
#[derive(Default)]
struct Marks {
    write: Option<Ident>,
    network: Option<Ident>,
    skip: Option<Ident>,
}

const ON_THE_STRUCT: Grammar =
    Grammar { list: "`state` on a struct", keys: &["crate"], example: "#[state(crate = ::path)]" };
const ON_A_FIELD: Grammar = Grammar {
    list: "`state` on a field",
    keys: &["write", "network", "skip"],
    example: "#[state(write, network)]",
};

impl State {
    /// Reads the type. A field with a bad mark becomes a mistake, and the other fields remain.
    pub(crate) fn read(input: DeriveInput, mistakes: &mut Mistakes) -> Self {
        let krate = candor(&input.attrs, mistakes);
        let handles = handles(&input, mistakes);
        Self { krate, ident: input.ident, generics: input.generics, handles }
    }
}

/// Reads every `#[state(…)]` among `attributes`.
fn each_mark(
    grammar: &Grammar,
    attributes: &[Attribute],
    mistakes: &mut Mistakes,
    mut take: impl FnMut(Ident, &NestedMeta, &mut Mistakes),
) {
    let mut seen = HashSet::new();
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("state")) {
        let Meta::List(list) = &attribute.meta else {
            mistakes.push(
                Mistake::at(&attribute.meta, format!("{} takes a list", grammar.list))
                    .help(format!("for example `{}`", grammar.example)),
            );
            continue;
        };
        let items = grammar.items(list.tokens.clone(), mistakes).unwrap_or_default();
        grammar.each(&items, &mut seen, mistakes, &mut take);
    }
}

/// Returns the path of the `candor` crate that the expansion names.
fn candor(attributes: &[Attribute], mistakes: &mut Mistakes) -> Path {
    let mut path = None;
    each_mark(&ON_THE_STRUCT, attributes, mistakes, |_, item, mistakes| path = mistakes.handle(krate(item)));
    path.unwrap_or_else(|| parse_quote!(::candor))
}

fn marks(field: &Field, mistakes: &mut Mistakes) -> Marks {
    let mut marks = Marks::default();
    each_mark(&ON_A_FIELD, &field.attrs, mistakes, |key, item, mistakes| {
        let mark = match key.to_string().as_str() {
            "write" => &mut marks.write,
            "network" => &mut marks.network,
            _ => &mut marks.skip,
        };
        *mark = mistakes.handle(flag(key, item));
    });
    if let Some(skip) = marks.skip.as_ref().filter(|_| marks.write.is_some() || marks.network.is_some()) {
        mistakes.push(
            Mistake::at(skip, "`skip` contradicts the other marks of this field")
                .note("a skipped field is not a handle, and the other marks say what a handle can do")
                .help("keep `skip` or the other marks"),
        );
    }
    marks
}

fn handles(input: &DeriveInput, mistakes: &mut Mistakes) -> Option<Vec<Handle>> {
    let Data::Struct(data) = &input.data else {
        mistakes.push(
            Mistake::at(&input.ident, format!("state `{}` is not a struct", input.ident))
                .note("a tool takes a handle by its type, and each field provides one")
                .help("write a `struct` with a field for each handle"),
        );
        return None;
    };
    let mut types: Vec<String> = Vec::new();
    let mut handles = Vec::new();
    for (at, field) in data.fields.iter().enumerate() {
        let marks = marks(field, mistakes);
        if marks.skip.is_some() {
            continue;
        }
        let ty = spelled(&field.ty);
        if types.contains(&ty) {
            mistakes.push(
                Mistake::at(&field.ty, format!("state `{}` has two fields of type `{ty}`", input.ident))
                    .note("a tool takes a handle by its type, so each type can occur only once")
                    .help("wrap one of them in a new type, or mark it `#[state(skip)]`"),
            );
            continue;
        }
        types.push(ty);
        handles.push(Handle {
            member: member(&data.fields, field, at),
            ty: field.ty.clone(),
            can_write: marks.write.is_some(),
            can_reach_network: marks.network.is_some(),
        });
    }
    Some(handles)
}

fn member(fields: &Fields, field: &Field, at: usize) -> Member {
    match (fields, &field.ident) {
        (Fields::Named(_), Some(ident)) => Member::Named(ident.clone()),
        _ => Member::Unnamed(Index::from(at)),
    }
}
