//! Reads `#[derive(State)]`: the fields that tools can take as handles, and the marks on them.

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
    pub(crate) fields: Option<Vec<StateField>>,
}

/// A field of a state.
pub(crate) struct StateField {
    pub(crate) member: Member,
    pub(crate) ty: Type,
    pub(crate) marks: Marks,
}

impl StateField {
    /// Whether the marks say that a handle can write. A contradiction counts as `read`, so that tools report nothing more.
    pub(crate) fn can_write(&self) -> bool {
        self.marks.write.is_some() && self.marks.read.is_none()
    }

    /// Whether the marks say that a handle can reach the network.
    pub(crate) fn can_reach_network(&self) -> bool {
        self.marks.network.is_some() && self.marks.read.is_none()
    }
}

/// The marks in `#[state(…)]` on a field.
#[derive(Default)]
pub(crate) struct Marks {
    pub(crate) read: Option<Ident>,
    pub(crate) write: Option<Ident>,
    pub(crate) network: Option<Ident>,
    pub(crate) skip: Option<Ident>,
    /// A mark could not be read, so no mark counts as missing.
    pub(crate) are_incomplete: bool,
}

const ON_THE_STRUCT: Grammar =
    Grammar { list: "`state` on a struct", keys: &["crate"], example: "#[state(crate = ::path)]" };
const ON_A_FIELD: Grammar = Grammar {
    list: "`state` on a field",
    keys: &["read", "write", "network", "skip"],
    example: "#[state(write, network)]",
};

impl State {
    /// Reads the type. A bad mark becomes a mistake, and the other marks remain.
    pub(crate) fn read(input: DeriveInput, mistakes: &mut Mistakes) -> Self {
        let krate = candor(&input.attrs, mistakes);
        let fields = fields(&input, mistakes);
        Self { krate, ident: input.ident, generics: input.generics, fields }
    }

    /// The fields that tools can take: those without `skip`, and the first of each type.
    pub(crate) fn handles(&self) -> impl Iterator<Item = &StateField> {
        let mut types = HashSet::new();
        let fields = self.fields.iter().flatten();
        fields.filter(move |field| field.marks.skip.is_none() && types.insert(spelled(&field.ty)))
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
    let count = mistakes.len();
    each_mark(&ON_A_FIELD, &field.attrs, mistakes, |key, item, mistakes| {
        let mark = match key.to_string().as_str() {
            "read" => &mut marks.read,
            "write" => &mut marks.write,
            "network" => &mut marks.network,
            _ => &mut marks.skip,
        };
        *mark = mistakes.handle(flag(key, item));
    });
    marks.are_incomplete = mistakes.len() > count;
    marks
}

fn fields(input: &DeriveInput, mistakes: &mut Mistakes) -> Option<Vec<StateField>> {
    let Data::Struct(data) = &input.data else {
        mistakes.push(
            Mistake::at(&input.ident, format!("state `{}` is not a struct", input.ident))
                .note("a tool takes a handle by its type, and each field provides one")
                .help("write a `struct` with a field for each handle"),
        );
        return None;
    };
    let fields = data.fields.iter().enumerate();
    let fields = fields.map(|(at, field)| StateField {
        member: member(&data.fields, field, at),
        ty: field.ty.clone(),
        marks: marks(field, mistakes),
    });
    Some(fields.collect())
}

fn member(fields: &Fields, field: &Field, at: usize) -> Member {
    match (fields, &field.ident) {
        (Fields::Named(_), Some(ident)) => Member::Named(ident.clone()),
        _ => Member::Unnamed(Index::from(at)),
    }
}
