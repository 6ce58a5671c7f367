//! Extends the scopes that a caller was granted by the scopes that they include.

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

/// The scopes that include others, and the scopes for basic use.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scopes {
    implied: BTreeMap<String, BTreeSet<String>>,
    basic: Vec<String>,
}

impl Scopes {
    /// Lets `broader` include `narrower`, and all that `narrower` includes.
    pub(crate) fn imply(&mut self, broader: String, narrower: String) {
        self.implied.entry(broader).or_default().insert(narrower);
    }

    pub(crate) fn set_basic(&mut self, scopes: impl IntoIterator<Item = String>) {
        self.basic = scopes.into_iter().collect();
    }

    /// Returns the scopes for basic use.
    pub(crate) fn basic(&self) -> &[String] {
        &self.basic
    }

    /// Returns `granted` with all scopes that it includes.
    pub(crate) fn held<S: Into<String>>(&self, granted: impl IntoIterator<Item = S>) -> BTreeSet<String> {
        let mut held = BTreeSet::new();
        let mut open: Vec<String> = granted.into_iter().map(Into::into).collect();
        while let Some(scope) = open.pop() {
            // A scope is followed once, so that a cycle ends.
            if let Some(narrower) = self.implied.get(&scope).filter(|_| !held.contains(&scope)) {
                open.extend(narrower.iter().cloned());
            }
            held.insert(scope);
        }
        held
    }

    /// Returns whether `scope` neither is nor includes a needed scope.
    pub(crate) fn is_idle<'a>(&self, scope: &str, mut needed: impl Iterator<Item = &'a str>) -> bool {
        let held = self.held([scope]);
        !needed.any(|needed| held.contains(needed))
    }

    /// Returns each broader scope with the narrower ones that were declared for it.
    pub(crate) fn implied(&self) -> &BTreeMap<String, BTreeSet<String>> {
        &self.implied
    }

    /// Returns each declared pair of a broader and a narrower scope.
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
    fn broader_scope_includes_narrower_ones_transitively() {
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
    fn scopes_may_include_each_other() {
        let mut scopes = Scopes::default();
        for (broader, narrower) in [("a", "b"), ("b", "c"), ("c", "a"), ("a", "a")] {
            scopes.imply(broader.to_owned(), narrower.to_owned());
        }
        assert_eq!(held(&scopes, "c"), ["a", "b", "c"]);
    }
}
