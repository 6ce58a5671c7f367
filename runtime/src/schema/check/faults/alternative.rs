//! Reads the alternatives of a choice: the targets of their references, and the property that tells them apart.

use std::sync::{Arc, OnceLock};

use serde_json::Value;

use crate::schema::check::{Checker, Keyword, MemberRules, Rest, Types};

/// One form of a choice: a schema in place, or the target of a reference.
pub(super) enum Alternative<'a> {
    Here(&'a Checker),
    There(Arc<OnceLock<Checker>>, &'a Checker),
}

impl<'a> Alternative<'a> {
    /// Follows references.
    pub(super) fn of(check: &'a Checker) -> Self {
        let mut form = Self::Here(check);
        // A reference that leads back to itself is refused when a schema is compiled.
        while let Some(Keyword::Ref(target)) = form.check().only_keyword()
            && let Some(target) = target.get()
        {
            form = Self::There(target, check);
        }
        form
    }

    pub(super) fn check(&self) -> &Checker {
        match self {
            Self::Here(check) => check,
            Self::There(target, reference) => target.get().unwrap_or(reference),
        }
    }

    /// Lists the forms of a choice, also of the choices among them.
    pub(super) fn leaves(forms: &'a [Checker]) -> Vec<Self> {
        let mut leaves = Vec::new();
        for form in forms {
            match form.only_keyword() {
                Some(Keyword::AnyOf(inner) | Keyword::OneOf(inner)) => leaves.extend(Self::leaves(inner)),
                _ => leaves.push(Self::of(form)),
            }
        }
        leaves
    }
}

/// The property that tells the forms of a tagged enum apart.
pub(super) struct Tag {
    pub(super) name: String,
    /// Its values, one or several per form.
    pub(super) values: Vec<Value>,
}

/// Returns the tag if all forms are objects that have one.
pub(super) fn tag(forms: &[&Checker]) -> Option<Tag> {
    let (first, others) = forms.split_first().filter(|(_, others)| !others.is_empty())?;
    first.members()?.named.iter().find_map(|(name, _)| {
        let mut values = first.tag_values(name)?;
        for other in others {
            values.extend(other.tag_values(name)?);
        }
        Some(Tag { name: name.clone(), values })
    })
}

impl Checker {
    /// The properties that must be sent, as declared.
    pub(super) fn required(&self) -> impl Iterator<Item = &str> {
        let names = self.keywords.iter().filter_map(|keyword| match keyword {
            Keyword::Required(names) => Some(names),
            _ => None,
        });
        names.flatten().map(String::as_str)
    }

    pub(super) fn members(&self) -> Option<&MemberRules> {
        self.keywords.iter().find_map(|keyword| match keyword {
            Keyword::Members(members) => Some(members),
            _ => None,
        })
    }

    fn only_keyword(&self) -> Option<&Keyword> {
        // The targets of references stand at the root and accept every value.
        let mut keywords = self.keywords.iter().filter(|keyword| !matches!(keyword, Keyword::Targets(_)));
        keywords.next().filter(|_| keywords.next().is_none())
    }

    /// The values that the schema lists.
    pub(super) fn constants(&self) -> Option<Vec<Value>> {
        self.keywords.iter().find_map(|keyword| match keyword {
            Keyword::Const(value) => Some(vec![value.clone()]),
            Keyword::Enum(values) => Some(values.clone()),
            _ => None,
        })
    }

    /// The values of a required property that the schema lists.
    fn tag_values(&self, name: &str) -> Option<Vec<Value>> {
        let is_required = self.types == Types::OBJECT && self.required().any(|other| other == name);
        if is_required { self.members()?.named(name)?.constants() } else { None }
    }

    /// The name of the only property of a form that is named by its property, as that of an externally tagged enum is.
    pub(super) fn only_property(&self) -> Option<&str> {
        let members = self.members()?;
        match members.named.as_slice() {
            [(name, _)] if matches!(members.rest, Rest::Closed) && self.required().eq([name.as_str()]) => {
                Some(name)
            }
            _ => None,
        }
    }
}
