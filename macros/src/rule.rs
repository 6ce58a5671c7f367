//! Checks every rule of the language, one file for each family. Each rule has a ui test in `ui-tests/fail`.

mod access;
mod constraints;
mod deprecation;
mod description;
mod effect;
mod function;
mod name;
mod parameter;
mod state;

use crate::{attr::Attr, error::Mistakes, sig::Sig, state::State};

/// Checks the attribute and the function. Every rule runs, so that one build shows every mistake.
pub(crate) fn check_tool(attr: &Attr, sig: &Sig, mistakes: &mut Mistakes) {
    effect::exactly_one_effect(attr, sig, mistakes);
    effect::idempotent_only_for_writes(attr, mistakes);
    effect::retry_only_repeatable_tools(attr, sig, mistakes);
    effect::confirm_only_writes(attr, mistakes);
    effect::preview_only_before_a_confirmation(attr, sig, mistakes);
    effect::idempotency_key_only_for_writes(attr, mistakes);
    effect::audit_off_only_for_reads(attr, sig, mistakes);
    effect::public_effect_only_for_writes_outside(attr, mistakes);
    access::scope_or_public(attr, sig, mistakes);
    name::name_in_grammar(attr, sig, mistakes);
    name::aliases_in_grammar(attr, sig, mistakes);
    name::title_visible(attr, mistakes);
    deprecation::deprecation_has_an_end(attr, sig, mistakes);
    description::tool_described(attr, sig, mistakes);
    for (param, argument) in sig.arguments() {
        description::parameter_described(sig, param, argument, mistakes);
        parameter::bounds_in_order(param, argument, mistakes);
        parameter::numeric_bounds_on_numbers(param, argument, mistakes);
        parameter::length_bounds_on_text_and_lists(param, argument, mistakes);
        parameter::pattern_on_text(param, argument, mistakes);
        parameter::lenient_on_lists_and_objects(param, argument, mistakes);
        parameter::values_fit(param, argument, mistakes);
        parameter::wire_name_in_grammar(param, mistakes);
    }
    constraints::constraints_fit_the_parameters(attr, sig, mistakes);
    constraints::confirmation_fits_the_parameters(attr, sig, mistakes);
    parameter::wire_names_differ(sig, mistakes);
    function::plain_function(sig, mistakes);
    function::output_is_a_type(sig, mistakes);
    function::no_output_to_stdout(sig, mistakes);
}

/// Checks a state.
pub(crate) fn check_state(state: &State, mistakes: &mut Mistakes) {
    state::one_handle_for_each_type(state, mistakes);
    for field in state.fields.iter().flatten() {
        state::marks_agree(field, mistakes);
        state::capable_handle_marked(state, field, mistakes);
    }
}
