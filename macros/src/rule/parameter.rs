//! Rules about a parameter: its bounds and values fit its type and each other, and its wire name is valid.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::ext::IdentExt;

use crate::{
    error::{Mistake, Mistakes},
    param::{Literal, ParamAttr, Value},
    sig::{Argument, Kind, Param, Sig},
    ty::Shape,
};

pub(super) fn bounds_in_order(param: &Param, argument: &Argument, mistakes: &mut Mistakes) {
    let (name, attr) = (param.ident.unraw(), &argument.attr);
    let mut refuse = |at: &dyn ToTokens, min: &str, max: &str| {
        mistakes.push(
            Mistake::at(at.to_token_stream(), format!("`{min}` of `{name}` is above its `{max}`"))
                .note("no value can satisfy both")
                .help("swap the two"),
        );
    };
    if let (Some(min), Some(max)) = (&attr.min, &attr.max)
        && min.literal.as_number() > max.literal.as_number()
    {
        refuse(min, "min", "max");
    }
    if let (Some((min, key)), Some((max, _))) = (&attr.min_len, &attr.max_len)
        && min > max
    {
        refuse(key, "min_len", "max_len");
    }
}

pub(super) fn numeric_bounds_on_numbers(param: &Param, argument: &Argument, mistakes: &mut Mistakes) {
    let name = param.ident.unraw();
    for bound in [&argument.attr.min, &argument.attr.max].into_iter().flatten() {
        let help = match argument.shape {
            Shape::Text | Shape::List => "bound its length with `min_len` and `max_len`",
            Shape::Bool => "delete the bound: there are only `true` and `false`",
            Shape::Int(_) | Shape::Float | Shape::Unknown => {
                has_the_type(&name.to_string(), argument, bound, mistakes);
                continue;
            }
        };
        let fact = format!("`{}` bounds numbers, and `{name}` is {}", bound.key, described(&argument.shape));
        mistakes.push(Mistake::at(&bound.key, fact).help(help));
    }
}

pub(super) fn length_bounds_on_text_and_lists(param: &Param, argument: &Argument, mistakes: &mut Mistakes) {
    if matches!(argument.shape, Shape::Text | Shape::List | Shape::Unknown) {
        return;
    }
    let name = param.ident.unraw();
    for (_, key) in [&argument.attr.min_len, &argument.attr.max_len].into_iter().flatten() {
        let fact = format!("`{key}` bounds text and lists, and `{name}` is {}", described(&argument.shape));
        let help = match argument.shape {
            Shape::Bool => "delete the bound: there are only `true` and `false`",
            _ => "bound a number with `min` and `max`",
        };
        mistakes.push(Mistake::at(key, fact).help(help));
    }
}

pub(super) fn pattern_on_text(param: &Param, argument: &Argument, mistakes: &mut Mistakes) {
    if let Some((_, key)) = &argument.attr.pattern
        && !matches!(argument.shape, Shape::Text | Shape::Unknown)
    {
        let name = param.ident.unraw();
        let fact = format!("`pattern` matches text, and `{name}` is {}", described(&argument.shape));
        mistakes.push(Mistake::at(key, fact).help("delete the pattern"));
    }
}

pub(super) fn lenient_on_lists_and_objects(param: &Param, argument: &Argument, mistakes: &mut Mistakes) {
    if let Some(key) = &argument.attr.lenient
        && !matches!(argument.shape, Shape::List | Shape::Unknown)
    {
        let name = param.ident.unraw();
        let fact =
            format!("`lenient` reads a list or an object, and `{name}` is {}", described(&argument.shape));
        mistakes.push(
            Mistake::at(key, fact)
                .note("some clients send a list or an object as text that holds JSON")
                .help("delete `lenient`"),
        );
    }
}

pub(super) fn values_fit(param: &Param, argument: &Argument, mistakes: &mut Mistakes) {
    let name = param.ident.unraw().to_string();
    for value in [&argument.attr.default, &argument.attr.example].into_iter().flatten() {
        if has_the_type(&name, argument, value, mistakes) {
            within_bounds(&name, &argument.attr, value, mistakes);
        }
    }
}

fn described(shape: &Shape) -> &'static str {
    match shape {
        Shape::Text => "text",
        Shape::Int(_) => "a whole number",
        Shape::Float => "a number",
        Shape::Bool => "a boolean",
        Shape::List => "a list",
        Shape::Unknown => "of a type that you defined",
    }
}

pub(super) fn has_the_type(name: &str, argument: &Argument, value: &Value, mistakes: &mut Mistakes) -> bool {
    let fits = match (&argument.shape, &value.literal) {
        (Shape::Unknown, _)
        | (Shape::Text, Literal::Text(_))
        | (Shape::Bool, Literal::Bool(_))
        | (Shape::List, Literal::List(_))
        | (Shape::Float, Literal::Float(_) | Literal::Int(_)) => true,
        (Shape::Int(ty), Literal::Int(number)) => int_range(ty).contains(number),
        _ => false,
    };
    if !fits {
        let expected = match &argument.shape {
            Shape::Int(ty) => format!("a `{ty}`"),
            shape => described(shape).to_owned(),
        };
        mistakes.push(
            Mistake::at(value, format!("this `{}` does not fit `{name}`, which is {expected}", value.key))
                .help(format!("write a value that `{name}` can hold")),
        );
    }
    fits
}

fn int_range(ty: &str) -> std::ops::RangeInclusive<i128> {
    match ty {
        "u8" => 0..=u8::MAX.into(),
        "u16" => 0..=u16::MAX.into(),
        "u32" => 0..=u32::MAX.into(),
        "u64" | "usize" => 0..=u64::MAX.into(),
        "u128" => 0..=i128::MAX,
        "i8" => i8::MIN.into()..=i8::MAX.into(),
        "i16" => i16::MIN.into()..=i16::MAX.into(),
        "i32" => i32::MIN.into()..=i32::MAX.into(),
        "i64" | "isize" => i64::MIN.into()..=i64::MAX.into(),
        _ => i128::MIN..=i128::MAX,
    }
}

fn within_bounds(name: &str, attr: &ParamAttr, value: &Value, mistakes: &mut Mistakes) {
    let refuse = |bound: String| {
        Mistake::at(value, format!("this `{}` of `{name}` violates its own {bound}", value.key))
            .help("change the value or the bound")
    };
    let length = match &value.literal {
        Literal::Text(text) => Some(text.chars().count() as u64),
        Literal::List(list) => Some(list.len() as u64),
        _ => None,
    };
    if let Some(number) = value.literal.as_number() {
        let above = |bound: &Value| bound.literal.as_number().is_some_and(|bound| number < bound);
        let below = |bound: &Value| bound.literal.as_number().is_some_and(|bound| number > bound);
        if let Some(min) = attr.min.as_ref().filter(|min| above(min)) {
            mistakes.push(refuse(format!("`min = {}`", min.tokens)));
        } else if let Some(max) = attr.max.as_ref().filter(|max| below(max)) {
            mistakes.push(refuse(format!("`max = {}`", max.tokens)));
        }
    } else if let Some((min, _)) = attr.min_len.as_ref().filter(|(min, _)| length < Some(*min)) {
        mistakes.push(refuse(format!("`min_len = {min}`")));
    } else if let Some((max, _)) = attr.max_len.as_ref().filter(|(max, _)| length > Some(*max)) {
        mistakes.push(refuse(format!("`max_len = {max}`")));
    }
}

/// `[A-Za-z0-9_.-]{1,64}`: the schema keys that all known clients accept.
pub(super) fn wire_name_in_grammar(param: &Param, mistakes: &mut Mistakes) {
    let name = param.wire_name();
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    if !(1..=64).contains(&name.len()) || !name.bytes().all(fits) {
        mistakes.push(
            Mistake::at(
                name_tokens(param),
                format!("`{}` is not a valid parameter name", name.escape_debug()),
            )
            .note("clients accept 1 to 64 of the characters `A-Z a-z 0-9 _ - .`")
            .help("give the parameter another name, for example `#[param(name = \"type\")]`"),
        );
    }
}

pub(super) fn wire_names_differ(sig: &Sig, mistakes: &mut Mistakes) {
    let mut names: Vec<String> = Vec::new();
    for (param, _) in sig.arguments() {
        let name = param.wire_name();
        if names.contains(&name) {
            let fact = format!("two parameters of tool `{}` have the wire name `{name}`", sig.name());
            mistakes.push(
                Mistake::at(name_tokens(param), fact)
                    .help("give one of them another name: `#[param(name = \"…\")]`"),
            );
        }
        names.push(name);
    }
}

/// Returns the tokens that give the parameter its wire name.
fn name_tokens(param: &Param) -> TokenStream {
    match &param.kind {
        Kind::Argument(argument) if argument.attr.name.is_some() => argument.attr.name.to_token_stream(),
        _ => param.ident.to_token_stream(),
    }
}
