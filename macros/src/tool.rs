//! What was said + what was seen → the checked declaration, with every default filled in.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::{LitStr, Path, Type, ext::IdentExt};

use crate::{
    attr::{Attr, Audit, Effect, RatePer, Task},
    between::Demand,
    error::Mistakes,
    expand, rule,
    sig::{Argument, Kind, Param, Sig},
    ty::is_option,
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
    pub(crate) task: Option<Task>,
    pub(crate) deprecated: Option<(String, String, Option<Path>)>,
    pub(crate) unsandboxed: Option<String>,
    pub(crate) rules: Vec<Demand>,
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
            let marker = named_function(&item).map(|ident| expand::half_typed(&attr.krate(), &ident));
            return quote!(#mistakes #item #marker);
        }
    };
    rule::check(&attr, &sig, &mut mistakes);
    if mistakes.is_empty() {
        return expand::tool(&finish(attr, sig));
    }
    let mistakes = mistakes.into_tokens();
    let quiet = expand::quiet(&attr.krate(), &sig);
    quote!(#mistakes #quiet)
}

/// The name after `fn`.
fn named_function(item: &TokenStream) -> Option<Ident> {
    let mut tokens = item.clone().into_iter();
    tokens.find(|token| matches!(token, TokenTree::Ident(word) if word == "fn"))?;
    match tokens.next() {
        Some(TokenTree::Ident(name)) => Some(name),
        _ => None,
    }
}

/// Fills in what was left to defaults. Only called when no rule objected.
fn finish(attr: Attr, sig: Sig) -> Tool {
    let effect = rule::effect(&attr).expect("`exactly_one_effect` found one");
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
        task: attr.task,
        deprecated,
        unsandboxed: attr.unsandboxed.map(|reason| reason.value()),
        rules: attr.rules.into_iter().map(|rule| rule.demand).collect(),
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

/// The name a caller writes.
pub(crate) fn wire_name(param: &Param, argument: &Argument) -> String {
    argument.attr.name.as_ref().map_or_else(|| param.ident.unraw().to_string(), LitStr::value)
}
