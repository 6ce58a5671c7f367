//! Compares lists of values: `enum`, `const`, and choices between constants.

use serde_json::{Map, Value};

use super::{
    Aspect, Keywords, SchemaDiff, Shift,
    resolve::resolved,
    vocabulary::{TEXT_KEYWORDS, branches},
};
use crate::{contract::change::rule, ordered::CollectOrdered as _};

/// The keywords that list values, or follow from them.
const LISTING_KEYWORDS: [&str; 5] = ["enum", "const", "anyOf", "oneOf", "type"];

/// A value that a schema lists, and the texts about it.
pub(super) struct ListedValue {
    value: Value,
    texts: Map<String, Value>,
}

/// Returns the values that a schema lists, if it accepts no others.
pub(super) fn of(root: &Value, keywords: &Keywords) -> Option<Vec<ListedValue>> {
    let plain = |value: &Value| ListedValue { value: value.clone(), texts: Map::new() };
    if let Some(value) = keywords.get("const") {
        return Some(vec![plain(value)]);
    }
    if let Some(Value::Array(values)) = keywords.get("enum") {
        return Some(values.iter().map(plain).collect());
    }
    let mut listed = Vec::new();
    for branch in branches(keywords)? {
        let branch = resolved(root, branch)?;
        let texts = branch.iter().filter(|(key, _)| TEXT_KEYWORDS.contains(&key.as_str()));
        let texts: Map<String, Value> =
            texts.map(|(key, value)| (key.clone(), value.clone())).collect_ordered();
        let mut values = of(root, &branch)?;
        for value in &mut values {
            value.texts.extend(texts.clone());
        }
        listed.extend(values);
    }
    Some(listed)
}

impl SchemaDiff<'_> {
    /// Compares two lists of values.
    pub(super) fn listed_values(&mut self, base: &[ListedValue], head: &[ListedValue], place: &str) {
        let find =
            |list: &'_ [ListedValue], value: &Value| list.iter().position(|other| other.value == *value);
        for before in base {
            match find(head, &before.value) {
                None => self.report(Aspect::Value, Shift::Narrowed, place, &before.value, &Value::Null),
                Some(at) if head[at].texts != before.texts => self.changes.add(
                    &rule::DESCRIPTION_CHANGED,
                    &format!("{place}={}", before.value),
                    &before.texts.clone().into(),
                    &head[at].texts.clone().into(),
                ),
                Some(_) => {}
            }
        }
        for after in head.iter().filter(|after| find(base, &after.value).is_none()) {
            self.report(Aspect::Value, Shift::Widened, place, &Value::Null, &after.value);
        }
    }

    /// Compares the other keywords of lists of values: they hardly have any.
    pub(super) fn beside_values(&mut self, base: &Keywords, head: &Keywords, place: &str) {
        let is_other = |key: &str| !LISTING_KEYWORDS.contains(&key) && !TEXT_KEYWORDS.contains(&key);
        let others = |keywords: &Keywords| -> Map<String, Value> {
            let others = keywords.iter().filter(|(key, _)| is_other(key));
            others.map(|(key, value)| (key.clone(), value.clone())).collect_ordered()
        };
        let (before, after) = (others(base), others(head));
        if before != after {
            self.undecided(place, &before.into(), &after.into());
        }
    }
}
