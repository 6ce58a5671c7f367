//! What a server says of its scopes → all that a caller holds who was granted some of them.

use std::collections::{BTreeMap, BTreeSet};

/// How a tool appears to a caller who does not hold its scopes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Visibility {
    /// Left out of the list; a call is told which scopes are missing.
    #[default]
    Hidden,
    /// Indistinguishable from a tool that does not exist.
    Concealed,
    /// Listed, with its scopes.
    Listed,
}

/// Which scopes carry others, and which a caller needs for basic use.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scopes {
    implied: BTreeMap<String, BTreeSet<String>>,
    basic: Vec<String>,
}

impl Scopes {
    /// Lets `broader` carry `narrower`, and all that this carries.
    pub(crate) fn imply(&mut self, broader: String, narrower: String) {
        self.implied.entry(broader).or_default().insert(narrower);
    }

    pub(crate) fn set_basic(&mut self, scopes: impl IntoIterator<Item = String>) {
        self.basic = scopes.into_iter().collect();
    }

    /// What a caller needs for basic use.
    pub(crate) fn basic(&self) -> &[String] {
        &self.basic
    }

    /// `granted` and everything that it carries.
    pub(crate) fn held<S: Into<String>>(&self, granted: impl IntoIterator<Item = S>) -> BTreeSet<String> {
        let mut held = BTreeSet::new();
        let mut open: Vec<String> = granted.into_iter().map(Into::into).collect();
        while let Some(scope) = open.pop() {
            // Once seen, a scope is not followed again: a circle ends.
            if let Some(narrower) = self.implied.get(&scope).filter(|_| !held.contains(&scope)) {
                open.extend(narrower.iter().cloned());
            }
            held.insert(scope);
        }
        held
    }

    /// Whether `scope` is none of those that are needed, and carries none.
    pub(crate) fn is_idle<'a>(&self, scope: &str, mut needed: impl Iterator<Item = &'a str>) -> bool {
        let held = self.held([scope]);
        !needed.any(|needed| held.contains(needed))
    }

    /// Each broader scope, and the narrower ones it was said to carry.
    pub(crate) fn implied(&self) -> &BTreeMap<String, BTreeSet<String>> {
        &self.implied
    }

    /// Each pair of a broader scope and a narrower one, as it was said.
    pub(crate) fn implications(&self) -> impl Iterator<Item = (&str, &str)> {
        self.implied
            .iter()
            .flat_map(|(broader, all)| all.iter().map(move |narrower| (broader.as_str(), narrower.as_str())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(scopes: &Scopes, granted: &str) -> Vec<String> {
        scopes.held(granted.split_whitespace()).into_iter().collect()
    }

    #[test]
    fn a_broader_scope_carries_the_narrower_and_what_that_carries() {
        let mut scopes = Scopes::default();
        scopes.imply("admin".to_owned(), "write".to_owned());
        scopes.imply("write".to_owned(), "read".to_owned());
        scopes.imply("admin".to_owned(), "audit".to_owned());
        assert_eq!(held(&scopes, "admin"), ["admin", "audit", "read", "write"]);
        assert_eq!(held(&scopes, "write other"), ["other", "read", "write"]);
        assert_eq!(held(&scopes, "read"), ["read"]);
        assert_eq!(held(&scopes, ""), [""; 0]);
    }

    #[test]
    fn a_circle_of_scopes_ends() {
        let mut scopes = Scopes::default();
        for (broader, narrower) in [("a", "b"), ("b", "c"), ("c", "a"), ("a", "a")] {
            scopes.imply(broader.to_owned(), narrower.to_owned());
        }
        assert_eq!(held(&scopes, "c"), ["a", "b", "c"]);
    }
}
