//! Compares choices (`anyOf`, `oneOf`): pairs the variants of both sides, and finds those without a partner.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{
    Aspect, Keywords, SchemaDiff, Shift,
    resolve::{reference_name, resolved},
    types,
    vocabulary::{TEXT_KEYWORDS, branches},
};
use crate::{contract::change::shown, ordered::CollectOrdered as _};

/// A variant: its schema, and its name if it has one.
struct Variant {
    schema: Value,
    label: Option<String>,
}

impl SchemaDiff<'_> {
    pub(super) fn choices(&mut self, base: &Keywords, head: &Keywords, place: &str) {
        self.texts(base, head, place);
        let has_both = |keywords: &Keywords| keywords.contains_key("anyOf") && keywords.contains_key("oneOf");
        if has_both(base) || has_both(head) {
            if base != head {
                self.undecided(place, &base.clone().into(), &head.clone().into());
            }
            return;
        }
        let mut before = variants(self.base, base);
        let mut after = variants(self.head, head);
        let pairs = self.pair(&mut before, &mut after);
        let overlap = self.overlap(base, head);
        for (one, other) in pairs {
            let name = one.label.as_ref().map(|label| format!("<{label}>")).unwrap_or_default();
            self.node(&one.schema, &other.schema, &format!("{place}{name}"));
        }
        if overlap && (!before.is_empty() || !after.is_empty() || kind(base) != kind(head)) {
            return self.undecided(place, &list(base), &list(head));
        }
        for variant in before {
            self.variant(Shift::Narrowed, place, &variant);
        }
        for variant in after {
            self.variant(Shift::Widened, place, &variant);
        }
    }

    fn variant(&mut self, shift: Shift, place: &str, variant: &Variant) {
        let rule = self.flow.rule(Aspect::Variant, shift);
        let detail = variant.label.clone().unwrap_or_else(|| shown(&variant.schema));
        let (before, after) = match shift {
            Shift::Narrowed => (&variant.schema, &Value::Null),
            _ => (&Value::Null, &variant.schema),
        };
        self.changes.add_detailed(rule, place, detail, before, after);
    }

    /// Takes the variants that belong together out of both lists: the equal ones, then those of one name, then a single
    /// one that is left on each side.
    fn pair(&mut self, base: &mut Vec<Variant>, head: &mut Vec<Variant>) -> Vec<(Variant, Variant)> {
        let mut pairs = Vec::new();
        take_pairs(base, head, &mut pairs, |one, other| one.label.is_some() && one.label == other.label);
        take_pairs(base, head, &mut pairs, |one, other| self.same(&one.schema, &other.schema));
        if base.len() == 1 && head.len() == 1 {
            pairs.extend(base.pop().zip(head.pop()));
        }
        pairs
    }

    /// Whether a value may fit several variants of a `oneOf`, so that a further variant also excludes values.
    fn overlap(&self, base: &Keywords, head: &Keywords) -> bool {
        let overlaps = |root: &Value, keywords: &Keywords| {
            let variants = variants(root, keywords);
            keywords.contains_key("oneOf") && !are_disjoint(root, &variants)
        };
        overlaps(self.base, base) || overlaps(self.head, head)
    }
}

fn take_pairs(
    base: &mut Vec<Variant>,
    head: &mut Vec<Variant>,
    pairs: &mut Vec<(Variant, Variant)>,
    mut belong: impl FnMut(&Variant, &Variant) -> bool,
) {
    let mut at = 0;
    while at < base.len() {
        match head.iter().position(|other| belong(&base[at], other)) {
            Some(partner) => pairs.push((base.remove(at), head.remove(partner))),
            None => at += 1,
        }
    }
}

fn kind(keywords: &Keywords) -> Option<&'static str> {
    ["anyOf", "oneOf"].into_iter().find(|kind| keywords.contains_key(*kind))
}

fn list(keywords: &Keywords) -> Value {
    branches(keywords).cloned().unwrap_or_default().into()
}

/// Splits a schema into variants, each with the keywords beside the choice. A schema without a choice is one variant, or
/// one for each of its types.
fn variants(root: &Value, keywords: &Keywords) -> Vec<Variant> {
    let beside: Map<String, Value> = keywords
        .iter()
        .filter(|(key, _)| {
            !TEXT_KEYWORDS.contains(&key.as_str()) && !["anyOf", "oneOf"].contains(&key.as_str())
        })
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect_ordered();
    let schemas: Vec<Value> = match (branches(keywords), keywords.get("type")) {
        (Some(branches), _) => branches.iter().map(|branch| with(branch, &beside)).collect(),
        (None, Some(Value::Array(types))) => {
            let one = |ty: &Value| {
                let mut one = beside.clone();
                one.insert("type".to_owned(), ty.clone());
                one.into()
            };
            types.iter().map(one).collect()
        }
        (None, _) => vec![beside.into()],
    };
    let mut variants: Vec<Variant> =
        schemas.into_iter().map(|schema| Variant { label: label(root, &schema), schema }).collect();
    // A name that several have names none.
    let labels: Vec<_> = variants.iter().map(|variant| variant.label.clone()).collect();
    for variant in &mut variants {
        if labels.iter().filter(|label| **label == variant.label).count() > 1 {
            variant.label = None;
        }
    }
    variants
}

/// Adds the keywords beside a choice to one of its variants.
fn with(branch: &Value, beside: &Keywords) -> Value {
    match branch {
        Value::Object(branch) if beside.is_empty() => branch.clone().into(),
        Value::Object(branch) => {
            let mut all = branch.clone();
            let mut rest = beside.clone();
            for key in branch.keys() {
                rest.remove(key);
            }
            // The variant repeats these more exactly, or adds to them.
            let clash = branch.keys().any(|key| beside.get(key).is_some_and(|value| *value != branch[key]));
            if clash {
                let both =
                    beside.keys().filter(|key| branch.contains_key(*key) && beside[*key] != branch[*key]);
                let both: Map<String, Value> =
                    both.map(|key| (key.clone(), beside[key].clone())).collect_ordered();
                if !both.keys().all(|key| key == "type") {
                    rest.insert("allOf".to_owned(), Value::Array(vec![both.into()]));
                }
            }
            all.extend(rest);
            all.into()
        }
        other => other.clone(),
    }
}

/// Names a variant: by the constant that tells it from others, its type by reference, its title, or its JSON type.
fn label(root: &Value, schema: &Value) -> Option<String> {
    if let Some((field, value)) = tags(root, schema).into_iter().next() {
        return Some(format!("{field}={value}"));
    }
    if let Some(name) = reference_name(schema) {
        return Some(name);
    }
    let text = |key| schema.get(key).and_then(Value::as_str).map(str::to_owned);
    text("title").or_else(|| text("type"))
}

/// The required fields of a variant that have one value alone.
fn tags(root: &Value, schema: &Value) -> Vec<(String, String)> {
    let Some(schema) = resolved(root, schema) else { return Vec::new() };
    let required = schema.get("required").and_then(Value::as_array);
    let required = required.into_iter().flatten().filter_map(Value::as_str);
    let constant = |name: &str| {
        let field = schema.get("properties")?.get(name)?;
        let value = match (field.get("const"), field.get("enum").and_then(Value::as_array)) {
            (Some(value), _) => value,
            (None, Some(values)) if values.len() == 1 => &values[0],
            _ => return None,
        };
        Some((name.to_owned(), value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
    };
    required.filter_map(constant).collect()
}

/// Whether no value fits two of the variants.
fn are_disjoint(root: &Value, variants: &[Variant]) -> bool {
    let facts: Vec<_> = variants
        .iter()
        .map(|variant| {
            let keywords =
                resolved(root, &variant.schema).map(std::borrow::Cow::into_owned).unwrap_or_default();
            let types: BTreeSet<String> =
                types::of(&keywords).into_iter().map(str::to_owned).collect_ordered();
            (types, tags(root, &variant.schema), fields(&keywords))
        })
        .collect();
    facts.iter().enumerate().all(|(at, (types, tags, (required, allowed)))| {
        facts[at + 1..].iter().all(|(other_types, other_tags, (other_required, other_allowed))| {
            let by_tag = tags.iter().any(|(field, value)| {
                other_tags.iter().any(|(other, other_value)| field == other && value != other_value)
            });
            let excludes = |required: &BTreeSet<String>, allowed: &Option<BTreeSet<String>>| {
                allowed.as_ref().is_some_and(|allowed| !required.is_subset(allowed))
            };
            let by_field = excludes(required, other_allowed) || excludes(other_required, allowed);
            types.is_disjoint(other_types) || by_tag || by_field
        })
    })
}

/// The required fields, and the allowed ones if no others are.
fn fields(keywords: &Keywords) -> (BTreeSet<String>, Option<BTreeSet<String>>) {
    let required = keywords.get("required").and_then(Value::as_array);
    let required =
        required.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect_ordered();
    let is_closed = keywords.get("additionalProperties") == Some(&Value::Bool(false));
    let names = || keywords.get("properties").and_then(Value::as_object);
    let allowed =
        is_closed.then(|| names().into_iter().flatten().map(|(name, _)| name.clone()).collect_ordered());
    (required, allowed)
}
