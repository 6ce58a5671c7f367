//! Defines the checked declaration, with every default filled in.

use quote::ToTokens;
use syn::{LitStr, Path, Type};

use crate::{
    attr::{Attr, Audit, Deprecated, Effect, RatePer, Task},
    confirm::Confirm,
    constraints::Relation,
    sig::{Kind, Sig},
};

/// A declaration that passed every rule; `expand` turns it into a constant.
pub(crate) struct Tool {
    pub(crate) krate: Path,
    pub(crate) name: String,
    /// Earlier names that stay callable.
    pub(crate) aliases: Vec<String>,
    pub(crate) title: String,
    pub(crate) effect: Effect,
    pub(crate) idempotent: bool,
    pub(crate) closed_world: bool,
    /// Empty for `public`.
    pub(crate) scopes: Vec<String>,
    pub(crate) confirm: Confirm,
    /// The tool whose answer the question shows.
    pub(crate) preview: Option<Path>,
    pub(crate) idempotency_key: IdempotencyKey,
    pub(crate) rate: Option<(u32, RatePer)>,
    pub(crate) max_in_flight: Option<u32>,
    pub(crate) timeout_ms: Option<u64>,
    pub(crate) output_bytes: Option<u64>,
    pub(crate) retry: u32,
    pub(crate) audit: Audit,
    pub(crate) task: Option<Task>,
    pub(crate) deprecation: Option<Deprecation>,
    pub(crate) unsandboxed: Option<String>,
    pub(crate) public_effect: Option<String>,
    pub(crate) relations: Vec<Relation>,
    pub(crate) sig: Sig,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum IdempotencyKey {
    None,
    Optional,
    Required,
}

/// A deprecation with both its versions.
pub(crate) struct Deprecation {
    pub(crate) since: String,
    pub(crate) remove_in: String,
    pub(crate) use_instead: Option<Path>,
}

impl Tool {
    /// Fills in the defaults. The rules must have accepted `attr` and `sig`.
    pub(crate) fn new(attr: Attr, sig: Sig) -> Self {
        let effect = attr.effect().expect("the rules require exactly one effect");
        let name = attr.name.as_ref().map_or_else(|| sig.name(), LitStr::value);
        let (idempotency_key, audit) = (idempotency_key(&attr, effect), audit(&attr, effect));
        Self {
            krate: attr.krate(),
            title: attr.title.as_ref().map_or_else(|| title_of(&sig.name()), LitStr::value),
            name,
            aliases: attr.aliases.iter().map(LitStr::value).collect(),
            effect,
            idempotent: attr.idempotent.is_some(),
            closed_world: attr.closed_world.is_some(),
            idempotency_key,
            confirm: match attr.confirm {
                Some((confirm, _)) => confirm,
                None if effect == Effect::Destructive => Confirm::Always,
                None => Confirm::Never,
            },
            preview: attr.preview.map(|(path, _)| path),
            rate: attr.rate,
            max_in_flight: attr.max_in_flight,
            timeout_ms: attr.timeout_ms,
            output_bytes: attr.output_bytes,
            retry: attr.retry.as_ref().map_or(0, |(retry, _)| *retry),
            audit,
            task: attr.task,
            deprecation: attr.deprecated.and_then(deprecation),
            scopes: attr.scope.map(|(scopes, _)| scopes).unwrap_or_default(),
            unsandboxed: attr.unsandboxed.map(|reason| reason.value()),
            public_effect: attr.public_effect.map(|(effect, _)| effect.value()),
            relations: attr.constraints.into_iter().map(|constraint| constraint.relation).collect(),
            sig,
        }
    }

    /// The types of the state handles that the function takes, each once.
    pub(crate) fn state(&self) -> Vec<&Type> {
        let mut types: Vec<(String, &Type)> = Vec::new();
        for param in &self.sig.params {
            if let Kind::State(ty) = &param.kind {
                let spelling = ty.to_token_stream().to_string();
                if types.iter().all(|(other, _)| *other != spelling) {
                    types.push((spelling, ty));
                }
            }
        }
        types.into_iter().map(|(_, ty)| ty).collect()
    }
}

fn idempotency_key(attr: &Attr, effect: Effect) -> IdempotencyKey {
    match (effect, &attr.idempotency_key) {
        (Effect::ReadOnly, _) => IdempotencyKey::None,
        (_, Some((true, _))) => IdempotencyKey::Required,
        (Effect::Destructive, None) if attr.idempotent.is_none() => IdempotencyKey::Required,
        _ => IdempotencyKey::Optional,
    }
}

fn audit(attr: &Attr, effect: Effect) -> Audit {
    match (&attr.audit, effect) {
        (Some((audit, _)), _) => *audit,
        (None, Effect::ReadOnly) => Audit::BestEffort,
        (None, _) => Audit::Required,
    }
}

fn deprecation(deprecated: Deprecated) -> Option<Deprecation> {
    let ((since, _), (remove_in, _)) = (deprecated.since?, deprecated.remove_in?);
    let use_instead = deprecated.use_instead;
    Some(Deprecation { since: since.to_string(), remove_in: remove_in.to_string(), use_instead })
}

/// Turns `get_stock_price` into `Get stock price`.
fn title_of(name: &str) -> String {
    let words = name.split('_').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    let mut letters = words.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
