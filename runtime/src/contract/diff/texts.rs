//! Compares the texts that models and stores read.

use super::Pair;
use crate::contract::change::{Changes, rule};

pub(super) fn compare(pair: &Pair<'_>, changes: &mut Changes) {
    for (part, rule) in [("title", &rule::TITLE_CHANGED), ("description", &rule::DESCRIPTION_CHANGED)] {
        if let Some((before, after)) = pair.changed(part) {
            changes.add(rule, "", before, after);
        }
    }
}
