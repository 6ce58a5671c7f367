//! The function itself: what can be called with JSON, described by a schema, and kept off the wire.

use syn::{GenericParam, ReturnType, Safety, Type};

use crate::{
    error::{Mistake, Mistakes},
    sig::Sig,
    ty::{impl_trait, ungroup},
};

pub(super) fn plain_function(sig: &Sig, mistakes: &mut Mistakes) {
    let signature = &sig.function.signature;
    let name = sig.name();
    if let Some(receiver) = signature.receiver() {
        mistakes.push(
            Mistake::at(receiver, format!("tool `{name}` takes `self`"))
                .note("a tool is a free function; what it needs of the server comes as `&T`")
                .help("move it out of the `impl` and take `&T`, a field of the type that derives `State`"),
        );
    }
    for generic in &signature.generics.params {
        if !matches!(generic, GenericParam::Lifetime(_)) {
            mistakes.push(
                Mistake::at(generic, format!("tool `{name}` is generic"))
                    .note("a caller sends JSON, which picks no type")
                    .help("name the type"),
            );
        }
    }
    if let Some(variadic) = &signature.variadic {
        // Rust allows it on `unsafe extern` functions only, so those words are not two more mistakes.
        mistakes.push(
            Mistake::at(variadic, format!("tool `{name}` is variadic"))
                .note("a caller sends named values, and each has a type")
                .help("take a `Vec<T>`"),
        );
        return;
    }
    if let Safety::Unsafe(word) = &signature.safety {
        mistakes.push(
            Mistake::at(word, format!("tool `{name}` is `unsafe`"))
                .note("no caller on the other side of a wire can keep its promise")
                .help("keep the promise inside: a safe `fn` with an `unsafe` block"),
        );
    }
    if let Some(abi) = &signature.abi {
        mistakes.push(
            Mistake::at(abi, format!("tool `{name}` is `extern`"))
                .note("it is called with JSON, by Rust")
                .help("delete `extern`"),
        );
    }
}

pub(super) fn output_is_a_type(sig: &Sig, mistakes: &mut Mistakes) {
    let ReturnType::Type(_, ty) = &sig.function.signature.output else { return };
    let never = matches!(ungroup(ty), Type::Never(_)).then_some(ty.as_ref());
    if let Some(found) = impl_trait(ty).or(never) {
        mistakes.push(
            Mistake::at(found, format!("what tool `{}` returns has no type to describe", sig.name()))
                .note("the output schema is made from the type")
                .help("name a type that derives `Serialize` and `JsonSchema`"),
        );
    }
}

pub(super) fn stdout_is_the_wire(sig: &Sig, mistakes: &mut Mistakes) {
    for token in &sig.prints {
        mistakes.push(
            Mistake::at(token, format!("tool `{}` writes to stdout", sig.name()))
                .note("on stdio, stdout is the wire: nothing but protocol may stand there")
                .help("write `eprintln!` for people, or return the text for the caller"),
        );
    }
}
