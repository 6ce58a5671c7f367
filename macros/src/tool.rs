//! What was said + what was seen → the checked declaration. Every rule of the language lives here.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{GenericParam, LitStr, Path, ReturnType, Type, ext::IdentExt};

use crate::{
    attr::{Attr, Audit, Effect, RatePer},
    error::{Mistake, Mistakes},
    expand,
    param::{Literal, ParamAttr, Value},
    sig::{Argument, Kind, Param, Shape, Sig, is_option, ungroup},
    text::{check_description, is_hidden},
};

/// A declaration that passed every rule; `expand` turns it into a constant.
pub(crate) struct Tool {
    pub(crate) krate: Path,
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) description: TokenStream,
    pub(crate) effect: Effect,
    pub(crate) idempotent: bool,
    pub(crate) closed_world: bool,
    /// Empty for `public`.
    pub(crate) scopes: Vec<String>,
    pub(crate) confirm: bool,
    pub(crate) idempotency_key: IdempotencyKey,
    pub(crate) rate: Option<(u32, RatePer)>,
    pub(crate) max_in_flight: Option<u32>,
    pub(crate) timeout_ms: Option<u64>,
    pub(crate) retry: u32,
    pub(crate) audit: Audit,
    pub(crate) deprecated: Option<(String, String, Option<Path>)>,
    pub(crate) unsealed: Option<String>,
    pub(crate) sig: Sig,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum IdempotencyKey {
    None,
    Optional,
    Required,
}

/// The whole path of one attribute: read both sides, check, expand; on any mistake, the function and a quiet marker.
pub(crate) fn declare(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let mut mistakes = Mistakes::default();
    let attr = Attr::read(attribute, &mut mistakes);
    let sig = match Sig::read(item, &mut mistakes) {
        Ok(sig) => sig,
        Err(item) => {
            let mistakes = mistakes.into_tokens();
            return quote!(#mistakes #item);
        }
    };
    check(&attr, &sig, &mut mistakes);
    if mistakes.is_empty() {
        return expand::tool(&finish(attr, sig));
    }
    let mistakes = mistakes.into_tokens();
    let quiet = expand::quiet(&attr.krate(), &sig);
    quote!(#mistakes #quiet)
}

fn check(attr: &Attr, sig: &Sig, mistakes: &mut Mistakes) {
    exactly_one_effect(attr, sig, mistakes);
    scope_or_public(attr, sig, mistakes);
    idempotent_says_something(attr, mistakes);
    retry_only_what_may_repeat(attr, sig, mistakes);
    confirm_only_writes(attr, mistakes);
    idempotency_key_only_for_writes(attr, mistakes);
    audit_off_only_for_reads(attr, mistakes);
    name_in_grammar(attr, sig, mistakes);
    title_visible(attr, mistakes);
    deprecation_has_an_end(attr, sig, mistakes);

    let subject = format!("tool `{}`", sig.name());
    check_description(
        &sig.description,
        &subject,
        sig.ident(),
        "say above the function in a `///` comment what it does: a model chooses by it",
        mistakes,
    );
    for (param, argument) in sig.arguments() {
        check_argument(sig, param, argument, mistakes);
    }
    wire_names_differ(sig, mistakes);
    plain_function(sig, mistakes);
    output_is_a_type(sig, mistakes);
    stdout_is_the_wire(sig, mistakes);
}

// ---- the declaration -------------------------------------------------------------------------------------------

fn exactly_one_effect(attr: &Attr, sig: &Sig, mistakes: &mut Mistakes) {
    let said = ["read_only", "additive", "destructive"].iter().any(|word| attr.says(word));
    match attr.effects.as_slice() {
        [] if !said => mistakes.push(
            Mistake::at(sig.ident(), format!("tool `{}` does not say what it does to the world", sig.name()))
                .note("MCP clients assume `destructive` when nothing is said")
                .help(
                    "add `read_only`, `additive` or `destructive`, for example `#[mcp_tool(read_only, …)]`",
                ),
        ),
        [] | [_] => {}
        [(first, _), rest @ ..] => {
            for (effect, word) in rest {
                mistakes.push(
                    Mistake::at(word, format!("`{}` contradicts `{}`", effect.word(), first.word()))
                        .help(format!("keep one of them: tool `{}` has exactly one effect", sig.name())),
                );
            }
        }
    }
}

fn scope_or_public(attr: &Attr, sig: &Sig, mistakes: &mut Mistakes) {
    if let (Some(public), true) = (&attr.public, attr.says("scope")) {
        mistakes.push(Mistake::at(public, "`public` contradicts `scope`").help(format!(
            "keep one of them: tool `{}` is either for everybody or for those who hold its scopes",
            sig.name()
        )));
    }
    if !attr.says("scope") && !attr.says("public") {
        mistakes.push(
            Mistake::at(sig.ident(), format!("tool `{}` does not say who may call it", sig.name()))
                .note("a scope is what a caller must have been granted; `public` needs none")
                .help("add `scope = \"read:prices\"`, in your own words, or `public`"),
        );
    }
}

/// The one effect that was said.
fn effect(attr: &Attr) -> Option<Effect> {
    match attr.effects.as_slice() {
        [(effect, _)] => Some(*effect),
        _ => None,
    }
}

fn is_read_only(attr: &Attr) -> bool {
    effect(attr) == Some(Effect::ReadOnly)
}

fn idempotent_says_something(attr: &Attr, mistakes: &mut Mistakes) {
    if let (Some(idempotent), true) = (&attr.idempotent, is_read_only(attr)) {
        mistakes.push(
            Mistake::at(idempotent, "`idempotent` says nothing beside `read_only`")
                .note("what changes nothing can be repeated; MCP gives `idempotentHint` a meaning for writes only")
                .help("delete `idempotent`"),
        );
    }
}

fn retry_only_what_may_repeat(attr: &Attr, sig: &Sig, mistakes: &mut Mistakes) {
    let writes = matches!(effect(attr), Some(Effect::Additive | Effect::Destructive));
    if let (Some((_, retry)), true, false) = (&attr.retry, writes, attr.says("idempotent")) {
        mistakes.push(
            Mistake::at(retry, format!("tool `{}` may not be repeated, and `retry` repeats it", sig.name()))
                .note("only `read_only` and `idempotent` tools do no harm when they run twice")
                .help("add `idempotent` if that is true, or delete `retry`"),
        );
    }
}

fn confirm_only_writes(attr: &Attr, mistakes: &mut Mistakes) {
    if let (Some((_, confirm)), true) = (&attr.confirm, is_read_only(attr)) {
        mistakes.push(
            Mistake::at(confirm, "`confirm` has nothing to ask about on a `read_only` tool")
                .help("delete `confirm`, or declare the effect that needs a person's word"),
        );
    }
}

fn idempotency_key_only_for_writes(attr: &Attr, mistakes: &mut Mistakes) {
    if let (Some((_, key)), true) = (&attr.idempotency_key, is_read_only(attr)) {
        mistakes.push(
            Mistake::at(key, "`idempotency_key` has nothing to protect on a `read_only` tool")
                .note("a key makes a write happen once; a read leaves nothing behind")
                .help("delete `idempotency_key`"),
        );
    }
}

fn audit_off_only_for_reads(attr: &Attr, mistakes: &mut Mistakes) {
    let writes = matches!(effect(attr), Some(Effect::Additive | Effect::Destructive));
    if let (Some((Audit::Off, off)), true) = (&attr.audit, writes) {
        mistakes.push(
            Mistake::at(off, "a tool that writes cannot leave the audit log")
                .help("write `audit = \"required\"` or delete the key"),
        );
    }
}

/// `[A-Za-z0-9_-]{1,64}`: what every known client accepts, narrower than SEP-986.
fn name_in_grammar(attr: &Attr, sig: &Sig, mistakes: &mut Mistakes) {
    let fits = |name: &str| {
        (1..=64).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
    };
    let complain = |at: &dyn ToTokensDyn, name: &str| {
        Mistake::at(&at.tokens(), format!("`{}` is no tool name", name.escape_debug()))
            .note("clients accept 1 to 64 of `A-Z a-z 0-9 _ -`")
    };
    match &attr.name {
        Some(name) if !fits(&name.value()) => {
            mistakes.push(complain(name, &name.value()).help("for example `name = \"get_price\"`"));
        }
        None if !attr.says("name") && !fits(&sig.name()) => {
            mistakes.push(
                complain(sig.ident(), &sig.name())
                    .help("give it another on the wire: `name = \"get_price\"`"),
            );
        }
        _ => {}
    }
}

/// Lets one closure underline tokens of different types.
trait ToTokensDyn {
    fn tokens(&self) -> TokenStream;
}

impl<T: ToTokens> ToTokensDyn for T {
    fn tokens(&self) -> TokenStream {
        self.to_token_stream()
    }
}

fn title_visible(attr: &Attr, mistakes: &mut Mistakes) {
    if let Some(title) =
        attr.title.as_ref().filter(|title| title.value().chars().any(|c| is_hidden(c) || c == '\n'))
    {
        mistakes.push(
            Mistake::at(title, "`title` holds an invisible character")
                .help("delete it: a title is one line of visible text"),
        );
    }
}

fn deprecation_has_an_end(attr: &Attr, sig: &Sig, mistakes: &mut Mistakes) {
    let Some(deprecated) = &attr.deprecated else { return };
    for (key, promise) in [("since", "since when"), ("remove_in", "when it will be gone")] {
        if !deprecated.says(key) {
            mistakes.push(
                Mistake::at(
                    &deprecated.key,
                    format!("tool `{}` is deprecated and does not say {promise}", sig.name()),
                )
                .help(format!("add `{key} = \"1.7.0\"`, the release in question")),
            );
        }
    }
    let Some((remove_in, remove_text)) = &deprecated.remove_in else { return };
    if let Some((since, _)) = deprecated.since.as_ref().filter(|(since, _)| since >= remove_in) {
        mistakes.push(
            Mistake::at(
                remove_text,
                format!(
                    "tool `{}` is to be gone in {remove_in}, and is deprecated since {since}",
                    sig.name()
                ),
            )
            .note("callers need at least one release between the two")
            .help("promise a later `remove_in`"),
        );
        return;
    }
    let package =
        std::env::var("CARGO_PKG_VERSION").ok().and_then(|version| version.parse::<semver::Version>().ok());
    if let Some(package) = package.filter(|package| package >= remove_in) {
        let mistake = Mistake::at(
            remove_text,
            format!("tool `{}` was to be gone by {remove_in}, and this is {package}", sig.name()),
        );
        let mistake = match &deprecated.use_instead {
            Some(other) => mistake.note(format!("callers have been told to use `{}`", spelled(other))),
            None => mistake,
        };
        mistakes.push(mistake.help(format!(
            "delete `fn {}`, or promise a later `remove_in` and say why in the changelog",
            sig.name()
        )));
    }
}

fn spelled(path: &Path) -> String {
    path.to_token_stream().to_string().replace(' ', "")
}

// ---- parameters ------------------------------------------------------------------------------------------------

fn check_argument(sig: &Sig, param: &Param, argument: &Argument, mistakes: &mut Mistakes) {
    let name = param.ident.unraw();
    check_description(
        &argument.description,
        &format!("parameter `{name}` of tool `{}`", sig.name()),
        &param.ident,
        &format!("add a `///` comment above `{name}`: it becomes the schema's `description`"),
        mistakes,
    );
    let attr = &argument.attr;
    bounds_in_order(attr, &name.to_string(), mistakes);
    numeric_bounds_on_numbers(argument, &name.to_string(), mistakes);
    length_bounds_on_text_and_lists(argument, &name.to_string(), mistakes);
    for value in [&attr.default, &attr.example].into_iter().flatten() {
        if value_has_the_type(argument, value, &name.to_string(), mistakes) {
            value_within_bounds(attr, value, &name.to_string(), mistakes);
        }
    }
    if let Some(wire) = attr.name.as_ref().filter(|wire| !is_wire_name(&wire.value())) {
        mistakes.push(
            Mistake::at(wire, format!("`{}` is no parameter name", wire.value().escape_debug()))
                .note("clients accept 1 to 64 of `A-Z a-z 0-9 _ - .`")
                .help("for example `name = \"type\"`"),
        );
    }
}

fn is_wire_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
}

fn bounds_in_order(attr: &ParamAttr, name: &str, mistakes: &mut Mistakes) {
    if let (Some(min), Some(max)) = (&attr.min, &attr.max)
        && min.literal.as_number() > max.literal.as_number()
    {
        mistakes.push(
            Mistake::at(min, format!("`min` of `{name}` is above its `max`"))
                .note("no value would do")
                .help("swap them, or write `example = …` for a value that was meant"),
        );
    }
    if let (Some((min, key)), Some((max, _))) = (&attr.min_len, &attr.max_len)
        && min > max
    {
        mistakes.push(
            Mistake::at(key, format!("`min_len` of `{name}` is above its `max_len`"))
                .note("no value would do")
                .help("swap them"),
        );
    }
}

fn numeric_bounds_on_numbers(argument: &Argument, name: &str, mistakes: &mut Mistakes) {
    let help = match argument.shape {
        Shape::Text | Shape::List => "bound its length with `min_len` and `max_len`",
        Shape::Bool => "delete the bound: there are only `true` and `false`",
        Shape::Int(_) | Shape::Float | Shape::Unknown => return,
    };
    for bound in [&argument.attr.min, &argument.attr.max].into_iter().flatten() {
        mistakes.push(
            Mistake::at(
                &bound.key,
                format!("`{}` bounds numbers, and `{name}` is {}", bound.key, article(&argument.shape)),
            )
            .help(help),
        );
    }
}

fn length_bounds_on_text_and_lists(argument: &Argument, name: &str, mistakes: &mut Mistakes) {
    let attr = &argument.attr;
    let lengths = [attr.min_len.as_ref().map(|(_, key)| key), attr.max_len.as_ref().map(|(_, key)| key)];
    for key in lengths.into_iter().flatten() {
        if matches!(argument.shape, Shape::Int(_) | Shape::Float | Shape::Bool) {
            mistakes.push(
                Mistake::at(
                    key,
                    format!("`{key}` bounds text and lists, and `{name}` is {}", article(&argument.shape)),
                )
                .help("bound a number with `min` and `max`"),
            );
        }
    }
    if let Some((_, key)) = &attr.pattern
        && !matches!(argument.shape, Shape::Text | Shape::Unknown)
    {
        mistakes.push(
            Mistake::at(key, format!("`pattern` matches text, and `{name}` is {}", article(&argument.shape)))
                .help("delete the pattern"),
        );
    }
}

fn article(shape: &Shape) -> &'static str {
    match shape {
        Shape::Text => "text",
        Shape::Int(_) => "a whole number",
        Shape::Float => "a number",
        Shape::Bool => "a boolean",
        Shape::List => "a list",
        Shape::Unknown => "of a type of your own",
    }
}

fn value_has_the_type(argument: &Argument, value: &Value, name: &str, mistakes: &mut Mistakes) -> bool {
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
        let wanted = match &argument.shape {
            Shape::Int(ty) => format!("a `{ty}`"),
            shape => article(shape).to_owned(),
        };
        mistakes.push(
            Mistake::at(value, format!("this `{}` does not fit `{name}`, which is {wanted}", value.key))
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

fn value_within_bounds(attr: &ParamAttr, value: &Value, name: &str, mistakes: &mut Mistakes) {
    let refuse = |bound: String| {
        Mistake::at(value, format!("this `{}` of `{name}` is refused by its own {bound}", value.key))
            .help("move the value or the bound")
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

fn wire_names_differ(sig: &Sig, mistakes: &mut Mistakes) {
    let mut seen: Vec<String> = Vec::new();
    for (param, argument) in sig.arguments() {
        let name = wire_name(param, argument);
        if seen.contains(&name) {
            let at =
                argument.attr.name.as_ref().map_or(param.ident.to_token_stream(), LitStr::to_token_stream);
            mistakes.push(
                Mistake::at(
                    &at,
                    format!("two parameters of tool `{}` are called `{name}` on the wire", sig.name()),
                )
                .help("give one of them another `#[param(name = \"…\")]`"),
            );
        }
        seen.push(name);
    }
}

/// The name a caller writes.
pub(crate) fn wire_name(param: &Param, argument: &Argument) -> String {
    argument.attr.name.as_ref().map_or_else(|| param.ident.unraw().to_string(), LitStr::value)
}

// ---- the function ----------------------------------------------------------------------------------------------

fn plain_function(sig: &Sig, mistakes: &mut Mistakes) {
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
    if let syn::Safety::Unsafe(word) = &signature.safety {
        mistakes.push(
            Mistake::at(word, format!("tool `{name}` is `unsafe`"))
                .note("no caller on the other side of a wire can keep its promise")
                .help("keep the promise inside: a safe `fn` with an `unsafe` block"),
        );
    }
    if let Some(abi) = &signature.abi {
        mistakes.push(
            Mistake::at(abi, format!("tool `{name}` is `extern`"))
                .help("delete `extern`: tools are Rust functions"),
        );
    }
    if let Some(variadic) = &signature.variadic {
        mistakes.push(Mistake::at(variadic, format!("tool `{name}` is variadic")).help("take a `Vec<T>`"));
    }
}

fn output_is_a_type(sig: &Sig, mistakes: &mut Mistakes) {
    fn has_impl(ty: &Type) -> Option<&Type> {
        match ungroup(ty) {
            found @ Type::ImplTrait(_) => Some(found),
            Type::Path(path) => path.path.segments.iter().find_map(|segment| match &segment.arguments {
                syn::PathArguments::AngleBracketed(list) => {
                    list.args.iter().find_map(|argument| match argument {
                        syn::GenericArgument::Type(ty) => has_impl(ty),
                        _ => None,
                    })
                }
                _ => None,
            }),
            _ => None,
        }
    }
    let ReturnType::Type(_, ty) = &sig.function.signature.output else { return };
    let never = matches!(ungroup(ty), Type::Never(_)).then_some(ty.as_ref());
    if let Some(found) = has_impl(ty).or(never) {
        mistakes.push(
            Mistake::at(found, format!("what tool `{}` returns has no type to describe", sig.name()))
                .note("the output schema is made from the type")
                .help("name a type that derives `Serialize` and `JsonSchema`"),
        );
    }
}

fn stdout_is_the_wire(sig: &Sig, mistakes: &mut Mistakes) {
    if let Some(token) = &sig.prints {
        mistakes.push(
            Mistake::at(token, format!("tool `{}` writes to stdout", sig.name()))
                .note("on stdio, stdout is the wire: nothing but protocol may stand there")
                .help("write `eprintln!` for people, or return the text for the caller"),
        );
    }
}

// ---- the finished declaration ----------------------------------------------------------------------------------

/// Fills in what was left to defaults. Only called when no rule objected.
fn finish(attr: Attr, sig: Sig) -> Tool {
    let effect = effect(&attr).expect("`exactly_one_effect` found one");
    let idempotent = attr.idempotent.is_some();
    let idempotency_key = match (effect, &attr.idempotency_key) {
        (Effect::ReadOnly, _) => IdempotencyKey::None,
        (_, Some((true, _))) => IdempotencyKey::Required,
        (Effect::Destructive, None) if !idempotent => IdempotencyKey::Required,
        _ => IdempotencyKey::Optional,
    };
    let audit = match (&attr.audit, effect) {
        (Some((audit, _)), _) => *audit,
        (None, Effect::ReadOnly) => Audit::BestEffort,
        (None, _) => Audit::Required,
    };
    let name = attr.name.as_ref().map_or_else(|| sig.name(), LitStr::value);
    let deprecated = attr.deprecated.as_ref().map(|deprecated| {
        let version = |said: &Option<(semver::Version, LitStr)>| {
            said.as_ref().map(|(version, _)| version.to_string()).unwrap_or_default()
        };
        (version(&deprecated.since), version(&deprecated.remove_in), deprecated.use_instead.clone())
    });
    Tool {
        krate: attr.krate(),
        title: attr.title.as_ref().map_or_else(|| title_of(&sig.name()), LitStr::value),
        name,
        description: sig.description.to_token_stream(),
        effect,
        idempotent,
        closed_world: attr.closed_world.is_some(),
        scopes: attr.scope.map(|(scopes, _)| scopes).unwrap_or_default(),
        confirm: attr.confirm.map_or(effect == Effect::Destructive, |(always, _)| always),
        idempotency_key,
        rate: attr.rate,
        max_in_flight: attr.max_in_flight,
        timeout_ms: attr.timeout_ms,
        retry: attr.retry.map_or(0, |(retry, _)| retry),
        audit,
        deprecated,
        unsealed: attr.unsealed.map(|reason| reason.value()),
        sig,
    }
}

/// `get_stock_price` → `Get stock price`.
fn title_of(name: &str) -> String {
    let words = name.split('_').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    let mut letters = words.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

impl Argument {
    /// Whether the caller may leave it out.
    pub(crate) fn optional(&self) -> bool {
        is_option(&self.owned) || self.attr.default.is_some()
    }
}

impl Tool {
    /// The state handles the function takes, each type once.
    pub(crate) fn state(&self) -> Vec<&Type> {
        let mut seen: Vec<(String, &Type)> = Vec::new();
        for param in &self.sig.params {
            if let Kind::State(ty) = &param.kind {
                let spelled = ty.to_token_stream().to_string();
                if seen.iter().all(|(known, _)| *known != spelled) {
                    seen.push((spelled, ty));
                }
            }
        }
        seen.into_iter().map(|(_, ty)| ty).collect()
    }
}
