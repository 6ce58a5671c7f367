//! Rules about a state: its handles differ in type, and their marks are consistent and complete.

use syn::{Member, Type};

use crate::{
    error::{Mistake, Mistakes},
    key::spelled,
    state::{State, StateField},
    ty::names,
};

pub(super) fn marks_agree(field: &StateField, mistakes: &mut Mistakes) {
    let marks = &field.marks;
    let other = marks.write.as_ref().or(marks.network.as_ref());
    if let (Some(skip), Some(_)) = (&marks.skip, other.or(marks.read.as_ref())) {
        mistakes.push(
            Mistake::at(skip, "`skip` contradicts the other marks of this field")
                .note("a skipped field is not a handle, and the other marks say what a handle can do")
                .help("keep `skip` or the other marks"),
        );
    } else if let (Some(read), Some(other)) = (&marks.read, other) {
        mistakes.push(
            Mistake::at(read, format!("`read` contradicts `{other}`"))
                .note("`read` says that a handle neither writes nor reaches the network")
                .help("keep one of them"),
        );
    }
}

pub(super) fn one_handle_for_each_type(state: &State, mistakes: &mut Mistakes) {
    let mut types: Vec<String> = Vec::new();
    for field in state.fields.iter().flatten().filter(|field| field.marks.skip.is_none()) {
        let ty = spelled(&field.ty);
        if types.contains(&ty) {
            mistakes.push(
                Mistake::at(&field.ty, format!("state `{}` has two fields of type `{ty}`", state.ident))
                    .note("a tool takes a handle by its type, so each type can occur only once")
                    .help("wrap one of them in a new type, or mark it `#[state(skip)]`"),
            );
        }
        types.push(ty);
    }
}

/// The ends of names of types that usually can write or reach the network, each with its usual marks.
const CAPABLE: [(&str, &str); 16] = [
    ("Agent", "network"),
    ("Client", "network"),
    ("Conn", "write"),
    ("Connection", "write"),
    ("DB", "write"),
    ("Database", "write"),
    ("Db", "write"),
    ("File", "write"),
    ("Handle", "write, network"),
    ("Listener", "network"),
    ("Pool", "write"),
    ("Runtime", "write, network"),
    ("Sender", "write"),
    ("Socket", "network"),
    ("Stream", "network"),
    ("Writer", "write"),
];

/// A type's name is only a hint, so any mark is accepted: it shows that the author has decided.
pub(super) fn capable_handle_marked(state: &State, field: &StateField, mistakes: &mut Mistakes) {
    let marks = &field.marks;
    let is_marked =
        [&marks.read, &marks.write, &marks.network, &marks.skip].iter().any(|mark| mark.is_some());
    if is_marked || marks.are_incomplete {
        return;
    }
    let Some((name, mark)) = capable(&field.ty) else { return };
    let subject = match &field.member {
        Member::Named(ident) => format!("field `{ident}`"),
        Member::Unnamed(index) => format!("field {}", index.index),
    };
    mistakes.push(
        Mistake::at(&field.ty, format!("{subject} of state `{}` has no mark", state.ident))
            .note(format!(
                "the name `{name}` suggests more than reading, and tools are checked against the marks"
            ))
            .help(format!(
                "add `#[state({mark})]`, or `#[state(read)]` if it neither writes nor reaches the network"
            )),
    );
}

/// Returns the first name in `ty` that suggests a capability, and the marks for it.
fn capable(ty: &Type) -> Option<(String, &'static str)> {
    names(ty).into_iter().find_map(|name| {
        let (_, mark) = CAPABLE.iter().find(|(end, _)| name.ends_with(end))?;
        Some((name, *mark))
    })
}
