//! Finds the rule of a change: the same change breaks callers in one direction and not in the other.

use crate::contract::change::{ChangeRule, rule};

/// The direction in which values flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    /// From callers to the tool.
    Input,
    /// From the tool to callers.
    Output,
}

/// The part of a schema that changed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Aspect {
    Type,
    Range,
    /// One value of a list.
    Value,
    /// One variant of several.
    Variant,
    Constraint,
    /// Fields without a schema of their own.
    FurtherFields,
}

/// The change of the set of accepted values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shift {
    /// Fewer values.
    Narrowed,
    /// More values.
    Widened,
    /// Other values.
    Replaced,
}

impl Flow {
    pub(super) fn rule(self, aspect: Aspect, shift: Shift) -> &'static ChangeRule {
        match self {
            Self::Input => input(aspect, shift),
            Self::Output => output(aspect, shift),
        }
    }
}

fn input(aspect: Aspect, shift: Shift) -> &'static ChangeRule {
    match (aspect, shift) {
        (Aspect::Type, Shift::Narrowed) => &rule::INPUT_TYPE_NARROWED,
        (Aspect::Type, Shift::Widened) => &rule::INPUT_TYPE_WIDENED,
        (Aspect::Type, Shift::Replaced) => &rule::INPUT_TYPE_CHANGED,
        (Aspect::Range, Shift::Narrowed | Shift::Replaced) => &rule::INPUT_RANGE_NARROWED,
        (Aspect::Range, Shift::Widened) => &rule::INPUT_RANGE_WIDENED,
        (Aspect::Value, Shift::Narrowed | Shift::Replaced) => &rule::INPUT_VALUE_REMOVED,
        (Aspect::Value, Shift::Widened) => &rule::INPUT_VALUE_ADDED,
        (Aspect::Variant, Shift::Narrowed | Shift::Replaced) => &rule::INPUT_CHOICE_REMOVED,
        (Aspect::Variant, Shift::Widened) => &rule::INPUT_CHOICE_ADDED,
        (Aspect::Constraint, Shift::Narrowed) => &rule::INPUT_CONSTRAINT_ADDED,
        (Aspect::Constraint, Shift::Widened) => &rule::INPUT_CONSTRAINT_REMOVED,
        (Aspect::Constraint, Shift::Replaced) => &rule::INPUT_CONSTRAINT_CHANGED,
        (Aspect::FurtherFields, Shift::Narrowed | Shift::Replaced) => &rule::INPUT_CLOSED,
        (Aspect::FurtherFields, Shift::Widened) => &rule::INPUT_OPENED,
    }
}

fn output(aspect: Aspect, shift: Shift) -> &'static ChangeRule {
    match (aspect, shift) {
        (Aspect::Type, Shift::Narrowed) => &rule::OUTPUT_TYPE_NARROWED,
        (Aspect::Type, Shift::Widened) => &rule::OUTPUT_TYPE_WIDENED,
        (Aspect::Type, Shift::Replaced) => &rule::OUTPUT_TYPE_CHANGED,
        (Aspect::Range, Shift::Narrowed) => &rule::OUTPUT_RANGE_NARROWED,
        (Aspect::Range, Shift::Widened | Shift::Replaced) => &rule::OUTPUT_RANGE_WIDENED,
        (Aspect::Value, Shift::Narrowed) => &rule::OUTPUT_VALUE_REMOVED,
        (Aspect::Value, Shift::Widened | Shift::Replaced) => &rule::OUTPUT_VALUE_ADDED,
        (Aspect::Variant, Shift::Narrowed) => &rule::OUTPUT_CHOICE_REMOVED,
        (Aspect::Variant, Shift::Widened | Shift::Replaced) => &rule::OUTPUT_CHOICE_ADDED,
        (Aspect::Constraint, Shift::Narrowed) => &rule::OUTPUT_CONSTRAINT_ADDED,
        (Aspect::Constraint, Shift::Widened) => &rule::OUTPUT_CONSTRAINT_REMOVED,
        (Aspect::Constraint, Shift::Replaced) => &rule::OUTPUT_CONSTRAINT_CHANGED,
        (Aspect::FurtherFields, Shift::Narrowed) => &rule::OUTPUT_CLOSED,
        (Aspect::FurtherFields, Shift::Widened | Shift::Replaced) => &rule::OUTPUT_OPENED,
    }
}
