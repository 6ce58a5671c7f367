//! Lists the rules: the id, the class, the fact and the consequence of each.

use super::ChangeClass::{self, Breaking, Dangerous, Minor};

/// One rule. `tests/contract/changes.json` holds an example of each.
#[derive(Debug)]
pub(crate) struct ChangeRule {
    pub(crate) id: &'static str,
    pub(crate) class: ChangeClass,
    /// The change, for example "a required parameter was added".
    pub(crate) fact: &'static str,
    /// The reason for the class.
    pub(crate) consequence: &'static str,
}

macro_rules! rules {
    ($($name:ident $id:literal $class:ident $fact:literal $consequence:literal;)*) => {
        $(pub(crate) static $name: ChangeRule =
            ChangeRule { id: $id, class: $class, fact: $fact, consequence: $consequence };)*

        /// Every rule.
        #[cfg(feature = "cli")]
        pub(crate) static ALL_RULES: &[&ChangeRule] = &[$(&$name),*];
    };
}

rules! {
    // Tools
    TOOL_REMOVED "tool-removed" Breaking "the tool was removed" "a call of it is an error";
    TOOL_ADDED "tool-added" Minor "the tool was added" "no caller relies on it yet";
    TOOL_RENAMED "tool-renamed" Minor "the tool has a new name" "an alias keeps the old name callable";
    TOOL_RENAMED_AWAY "tool-renamed-without-alias" Breaking "the tool has a new name, and no alias of the old one"
        "a call of the old name is an error";
    ALIAS_ADDED "alias-added" Minor "an alias was added" "every name from before still works";
    ALIAS_REMOVED "alias-removed" Breaking "an alias was removed" "a call of that name is an error";
    DEPRECATED "deprecated" Minor "the tool was deprecated" "it can still be called";
    DEPRECATION_WITHDRAWN "deprecation-withdrawn" Minor "the deprecation was withdrawn" "the tool stays callable";
    REMOVAL_EARLIER "removal-moved-earlier" Breaking "the announced removal is earlier" "callers planned for the later release";
    REMOVAL_LATER "removal-moved-later" Minor "the announced removal is later" "callers have more time";
    REPLACEMENT_CHANGED "replacement-changed" Dangerous "the deprecation names another replacement or another first release"
        "models follow the replacement that it names";

    // Hints
    READ_ONLY_LOST "read-only-lost" Breaking "the tool is no longer `read_only`" "hosts approved it as one that changes nothing";
    READ_ONLY_GAINED "read-only-gained" Dangerous "the tool is now `read_only`" "hosts may call it without asking";
    DESTRUCTIVE_GAINED "destructive-gained" Breaking "the tool is now `destructive`" "hosts approved it as one that removes nothing";
    DESTRUCTIVE_LOST "destructive-lost" Dangerous "the tool is no longer `destructive`" "hosts may call it without asking";
    IDEMPOTENT_LOST "idempotent-lost" Breaking "the tool is no longer `idempotent`" "clients that call it again act twice";
    IDEMPOTENT_GAINED "idempotent-gained" Dangerous "the tool is now `idempotent`" "clients may call it again by themselves";
    CLOSED_WORLD_LOST "closed-world-lost" Breaking "the tool is no longer `closed_world`" "hosts approved it as one that reaches nothing outside";
    CLOSED_WORLD_GAINED "closed-world-gained" Dangerous "the tool is now `closed_world`" "hosts may trust its results more";

    // Access
    SCOPE_ADDED "scope-added" Breaking "the tool needs one more scope" "callers without it are refused";
    SCOPE_REMOVED "scope-removed" Dangerous "the tool needs one scope fewer" "callers that were refused are admitted";
    CONFIRMATION_ADDED "confirmation-added" Breaking "more calls must be confirmed" "clients that cannot ask a user are refused";
    CONFIRMATION_REMOVED "confirmation-removed" Dangerous "fewer calls are confirmed" "a user no longer sees them before they run";
    CONFIRMATION_CHANGED "confirmation-changed" Breaking "other calls must be confirmed" "clients that cannot ask a user are refused";
    KEY_REQUIRED "idempotency-key-required" Breaking "an idempotency key is now required" "a call without one is refused";
    KEY_OPTIONAL "idempotency-key-optional" Minor "an idempotency key is now optional" "calls with a key work as before";
    KEY_IGNORED "idempotency-key-ignored" Breaking "idempotency keys are now ignored" "a call that is sent again runs again";
    TASK_REQUIRED "task-required" Breaking "the tool answers only with a task" "clients without tasks are refused";
    TASK_OPTIONAL "task-optional" Minor "the tool can answer with a task" "clients without tasks get the result as before";
    TASK_WITHDRAWN "task-withdrawn" Dangerous "the tool no longer answers with a task" "a long call may time out in the client";

    // Limits and keeping
    LIMIT_LOWERED "limit-lowered" Dangerous "a limit is lower" "calls that fitted may be refused";
    LIMIT_RAISED "limit-raised" Minor "a limit is higher" "calls that fitted still fit";
    LIMIT_UNDECIDED "limit-undecided" Dangerous "a limit was set or left to the server" "the declaration does not say which one is lower";
    AUDIT_CHANGED "audit-changed" Dangerous "the class of the audit records changed" "other calls are recorded, or refused if they cannot be";
    UNSANDBOXED_CHANGED "unsandboxed-changed" Dangerous "the reason to run outside the sandbox changed" "the kernel enforces something else";
    PUBLIC_EFFECT_CHANGED "public-effect-changed" Dangerous "what the public sees of a call changed" "stores review it";
    SECRETS_CHANGED "secret-parameters-changed" Dangerous "other parameters are secret" "their values may appear in logs, or no longer do";
    VOLATILE_CHANGED "volatile-parameters-changed" Dangerous "other parameters are ignored when calls are compared"
        "a key may replay the result of a different call";

    // Texts
    TITLE_CHANGED "title-changed" Dangerous "a title changed" "stores review it, and users know it";
    DESCRIPTION_CHANGED "description-changed" Dangerous "a description changed" "models may choose and act differently";
    EXAMPLES_CHANGED "examples-changed" Dangerous "the examples changed" "models may choose other values";
    FIELD_DEPRECATED "field-deprecation-changed" Minor "the deprecation of a field changed" "the field works as before";

    // Input schemas
    INPUT_PROPERTY_REMOVED "input-property-removed" Breaking "a parameter was removed" "a call that sends it is refused or ignored";
    INPUT_PROPERTY_ADDED "input-property-added" Minor "an optional parameter was added" "calls without it work as before";
    INPUT_REQUIRED_ADDED "input-required-added" Breaking "a parameter is now required" "a call without it is refused";
    INPUT_REQUIRED_REMOVED "input-required-removed" Minor "a parameter is now optional" "calls that send it work as before";
    INPUT_TYPE_NARROWED "input-type-narrowed" Breaking "a type accepts less" "values that fitted are refused";
    INPUT_TYPE_WIDENED "input-type-widened" Minor "a type accepts more" "values that fitted still fit";
    INPUT_TYPE_CHANGED "input-type-changed" Breaking "a type changed" "values that fitted are refused";
    INPUT_RANGE_NARROWED "input-range-narrowed" Breaking "a range is narrower" "values that fitted are refused";
    INPUT_RANGE_WIDENED "input-range-widened" Minor "a range is wider" "values that fitted still fit";
    INPUT_VALUE_REMOVED "input-enum-value-removed" Breaking "a value is no longer accepted" "a call that sends it is refused";
    INPUT_VALUE_ADDED "input-enum-value-added" Minor "a value is now accepted" "values that fitted still fit";
    INPUT_CHOICE_REMOVED "input-choice-removed" Breaking "a variant is no longer accepted" "a call that sends it is refused";
    INPUT_CHOICE_ADDED "input-choice-added" Minor "a variant is now accepted" "values that fitted still fit";
    INPUT_CONSTRAINT_ADDED "input-constraint-added" Breaking "a constraint was added" "values that fitted may be refused";
    INPUT_CONSTRAINT_REMOVED "input-constraint-removed" Minor "a constraint was removed" "values that fitted still fit";
    INPUT_CONSTRAINT_CHANGED "input-constraint-changed" Breaking "a constraint was replaced by one that excludes other values"
        "values that fitted are refused";
    INPUT_CLOSED "input-fields-closed" Breaking "unknown fields are now refused" "a call that sends one is refused";
    INPUT_OPENED "input-fields-opened" Minor "unknown fields are now accepted" "calls without them work as before";
    INPUT_DEFAULT_CHANGED "input-default-changed" Dangerous "a default changed" "a call that leaves the value out acts differently";
    INPUT_UNDECIDED "input-undecided" Dangerous "the input schema changed in a way that no rule can decide" "calls may be refused";

    // Output schemas
    OUTPUT_REMOVED "output-schema-removed" Breaking "the result no longer has a schema" "clients that read structured content find none";
    OUTPUT_ADDED "output-schema-added" Dangerous "the result now has a schema" "clients that read the text get JSON instead";
    OUTPUT_PROPERTY_REMOVED "output-property-removed" Breaking "a field of the result was removed" "clients that read it find nothing";
    OUTPUT_PROPERTY_ADDED "output-property-added" Minor "a field of the result was added" "clients ignore it";
    OUTPUT_PROPERTY_OPTIONAL "output-property-optional" Breaking "a field of the result is now optional" "clients that read it may find nothing";
    OUTPUT_PROPERTY_REQUIRED "output-property-required" Minor "a field of the result is now always there" "clients find at least as much";
    OUTPUT_TYPE_NARROWED "output-type-narrowed" Minor "a type of the result has fewer values" "clients were ready for more";
    OUTPUT_TYPE_WIDENED "output-type-widened" Breaking "a type of the result has more values" "clients may not expect them";
    OUTPUT_TYPE_CHANGED "output-type-changed" Breaking "a type of the result changed" "clients expect the earlier one";
    OUTPUT_RANGE_NARROWED "output-range-narrowed" Minor "a range of the result is narrower" "clients were ready for more";
    OUTPUT_RANGE_WIDENED "output-range-widened" Breaking "a range of the result is wider" "clients may not expect the values";
    OUTPUT_VALUE_REMOVED "output-enum-value-removed" Minor "a value is no longer returned" "clients were ready for more";
    OUTPUT_VALUE_ADDED "output-enum-value-added" Dangerous "a value can now be returned" "clients with a fixed list of values may fail";
    OUTPUT_CHOICE_REMOVED "output-choice-removed" Minor "a variant is no longer returned" "clients were ready for more";
    OUTPUT_CHOICE_ADDED "output-choice-added" Breaking "a variant can now be returned" "clients may not expect it";
    OUTPUT_CONSTRAINT_ADDED "output-constraint-added" Minor "the result keeps one more constraint" "clients were ready for more";
    OUTPUT_CONSTRAINT_REMOVED "output-constraint-removed" Breaking "the result keeps one constraint fewer" "clients may not expect the values";
    OUTPUT_CONSTRAINT_CHANGED "output-constraint-changed" Breaking "a constraint of the result was replaced by one that excludes other values"
        "clients may not expect the values";
    OUTPUT_CLOSED "output-fields-closed" Minor "the result has no further fields" "clients were ready for more";
    OUTPUT_OPENED "output-fields-opened" Breaking "the result may have further fields" "clients that check the schema may refuse it";
    OUTPUT_DEFAULT_CHANGED "output-default-changed" Dangerous "a default of the result changed" "clients may fill in another value";
    OUTPUT_UNDECIDED "output-undecided" Dangerous "the schema of the result changed in a way that no rule can decide"
        "clients may not expect the values";

    // Rules between parameters
    PARAMETER_RULE_ADDED "parameter-rule-added" Breaking "a rule between parameters was added" "calls that fitted may be refused";
    PARAMETER_RULE_REMOVED "parameter-rule-removed" Minor "a rule between parameters was removed" "calls that fitted still fit";

    LENIENT_LOST "lenient-lost" Breaking "a parameter no longer accepts JSON as text" "calls that send text are refused";
    LENIENT_GAINED "lenient-gained" Minor "a parameter now accepts JSON as text" "calls that fitted still fit";

    // The server
    REVISION_REMOVED "revision-removed" Breaking "a revision of the protocol was removed" "clients that speak no other cannot connect";
    REVISION_ADDED "revision-added" Minor "a revision of the protocol was added" "clients may use it";
    SERVER_TITLE_CHANGED "server-title-changed" Dangerous "the title of the server changed" "stores review it, and users know it";
    INSTRUCTIONS_CHANGED "instructions-changed" Dangerous "the instructions of the server changed" "models may act differently";
    SCOPE_IMPLICATION_REMOVED "scope-implication-removed" Breaking "a scope no longer includes another" "callers with the broader scope are refused";
    SCOPE_IMPLICATION_ADDED "scope-implication-added" Dangerous "a scope now includes another" "callers that were refused are admitted";
    BASIC_SCOPES_CHANGED "basic-scopes-changed" Dangerous "other scopes are asked for at first" "users are shown another request";
    VISIBILITY_CHANGED "visibility-changed" Dangerous "other callers see the tools" "names of tools may be told, or no longer are";
    UNKNOWN_CHANGED "unknown-changed" Dangerous "a part changed that no rule knows" "no rule can tell the consequence";
}
