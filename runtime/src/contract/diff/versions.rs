//! Compares versions, and says which bump changes need (Semantic Versioning 2.0.0, with Cargo's rule for `0.x`).

use std::cmp::Ordering;

#[cfg(feature = "cli")]
use crate::contract::change::ChangeClass;

/// The part of a version that is raised.
#[cfg(feature = "cli")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Bump {
    None,
    Patch,
    Minor,
    Major,
}

#[cfg(feature = "cli")]
impl Bump {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Patch => "patch",
            Self::Minor => "minor",
            Self::Major => "major",
        }
    }

    /// The bump that changes of this class need after the release `base`. Before 1.0.0, the minor version stands for the
    /// major one.
    pub(crate) fn needed(class: Option<ChangeClass>, base: &str) -> Self {
        let is_early = parse(base).is_some_and(|version| version.numbers[0] == 0);
        match (class, is_early) {
            (None, _) => Self::None,
            (Some(ChangeClass::Breaking), false) => Self::Major,
            (Some(ChangeClass::Breaking), true) | (Some(_), false) => Self::Minor,
            (Some(_), true) => Self::Patch,
        }
    }

    /// The bump from one release to another; `None` if one is not a semantic version, or the second is not later.
    pub(crate) fn made(base: &str, head: &str) -> Option<Self> {
        let (before, after) = (parse(base)?, parse(head)?);
        match compare_versions(base, head)? {
            Ordering::Equal => Some(Self::None),
            Ordering::Greater => None,
            Ordering::Less => {
                let bumps = [Self::Major, Self::Minor, Self::Patch];
                let changed =
                    before.numbers.iter().zip(after.numbers).position(|(before, after)| *before != after);
                Some(changed.map_or(Self::Patch, |at| bumps[at]))
            }
        }
    }
}

/// A version: three numbers, and the label of a pre-release.
struct SemanticVersion<'a> {
    numbers: [u64; 3],
    pre_release: Option<&'a str>,
}

fn parse(version: &str) -> Option<SemanticVersion<'_>> {
    let version = version.split('+').next()?;
    let (numbers, pre_release) = match version.split_once('-') {
        Some((numbers, label)) => (numbers, Some(label)),
        None => (version, None),
    };
    let mut parts = numbers.split('.').map(|part| part.parse().ok());
    let numbers = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(SemanticVersion { numbers, pre_release })
}

/// Compares two semantic versions by their precedence. `None` if one is not a semantic version.
pub(crate) fn compare_versions(one: &str, other: &str) -> Option<Ordering> {
    let (one, other) = (parse(one)?, parse(other)?);
    Some(one.numbers.cmp(&other.numbers).then_with(|| match (one.pre_release, other.pre_release) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
        (Some(one), Some(other)) => compare_labels(one, other),
    }))
}

/// Compares the labels of pre-releases: numbers by value and before words (§11.4).
fn compare_labels(one: &str, other: &str) -> Ordering {
    let (mut ones, mut others) = (one.split('.'), other.split('.'));
    loop {
        let order = match (ones.next(), others.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(one), Some(other)) => match (one.parse::<u64>(), other.parse::<u64>()) {
                (Ok(one), Ok(other)) => one.cmp(&other),
                (Ok(_), Err(_)) => Ordering::Less,
                (Err(_), Ok(_)) => Ordering::Greater,
                (Err(_), Err(_)) => one.cmp(other),
            },
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

#[cfg(all(test, feature = "cli"))]
mod tests {
    use crate::contract::diff::versions::*;

    #[test]
    fn versions_have_the_precedence_of_the_specification() {
        let order = [
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0",
            "1.0.1",
            "1.10.0",
        ];
        for pair in order.windows(2) {
            assert_eq!(compare_versions(pair[0], pair[1]), Some(Ordering::Less), "{pair:?}");
        }
        assert_eq!(compare_versions("1.0.0+a", "1.0.0+b"), Some(Ordering::Equal));
        assert_eq!(compare_versions("1.0", "1.0.0"), None);
    }

    #[test]
    fn bump_of_breaking_changes_before_version_1_is_the_minor_number() {
        assert_eq!(Bump::needed(Some(ChangeClass::Breaking), "1.2.0"), Bump::Major);
        assert_eq!(Bump::needed(Some(ChangeClass::Breaking), "0.2.0"), Bump::Minor);
        assert_eq!(Bump::needed(Some(ChangeClass::Dangerous), "1.2.0"), Bump::Minor);
        assert_eq!(Bump::needed(Some(ChangeClass::Minor), "0.2.0"), Bump::Patch);
        assert_eq!(Bump::needed(None, "0.2.0"), Bump::None);
        assert_eq!(Bump::made("1.2.3", "2.0.0"), Some(Bump::Major));
        assert_eq!(Bump::made("1.2.3", "1.3.0"), Some(Bump::Minor));
        assert_eq!(Bump::made("1.2.3-rc.1", "1.2.3"), Some(Bump::Patch));
        assert_eq!(Bump::made("1.2.3", "1.2.2"), None);
    }
}
