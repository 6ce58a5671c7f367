//! Rules about the function: callable with JSON, with a result that a schema describes, and silent on stdout.

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
                .note("a tool is a free function; the server passes its state as `&T`")
                .help("move it out of the `impl` and take `&T`, where `T` is the type of a field of the server's state"),
        );
    }
    if let Some(word) = sig.self_type() {
        mistakes.push(
            Mistake::at(word, format!("tool `{name}` is inside an `impl`"))
                .note("a tool is a free function; the server passes its state as `&T`")
                .help("move it out of the `impl`, and write the name of the type in place of `Self`"),
        );
    }
    for generic in &signature.generics.params {
        if !matches!(generic, GenericParam::Lifetime(_)) {
            mistakes.push(
                Mistake::at(generic, format!("tool `{name}` is generic"))
                    .note("a caller sends JSON, which cannot choose a type")
                    .help("use a concrete type"),
            );
        }
    }
    if let Some(variadic) = &signature.variadic {
        // Rust allows variadics on `unsafe extern` functions only, so `unsafe` and `extern` are not two more mistakes.
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
                .note("a remote caller cannot uphold the safety requirements of the function")
                .help("write a safe `fn` with an `unsafe` block inside"),
        );
    }
    if let Some(abi) = &signature.abi {
        mistakes.push(
            Mistake::at(abi, format!("tool `{name}` is `extern`"))
                .note("a tool is called from Rust")
                .help("delete `extern`"),
        );
    }
}

pub(super) fn output_is_a_type(sig: &Sig, mistakes: &mut Mistakes) {
    let ReturnType::Type(_, ty) = &sig.function.signature.output else { return };
    let never = matches!(ungroup(ty), Type::Never(_)).then_some(ty.as_ref());
    if let Some(ty) = impl_trait(ty).or(never) {
        mistakes.push(
            Mistake::at(ty, format!("a schema cannot describe the result of tool `{}`", sig.name()))
                .note("the output schema is made from the result's type")
                .help("return a type that derives `Serialize` and `JsonSchema`"),
        );
    }
}

pub(super) fn no_output_to_stdout(sig: &Sig, mistakes: &mut Mistakes) {
    for token in &sig.prints {
        mistakes.push(
            Mistake::at(token, format!("tool `{}` writes to stdout", sig.name()))
                .note("over stdio, stdout carries the protocol, and any other output breaks it")
                .help("use `eprintln!` to log, or return the text to the caller"),
        );
    }
}
