//! Defines the names that Candor uses in `_meta`.

/// Declares names under the reversed domain of their owner, as MCP demands (2025-11-25, `_meta`).
macro_rules! names {
    ($($(#[$doc:meta])* $name:ident = $word:literal;)*) => {$(
        $(#[$doc])*
        pub(crate) const $name: &str = concat!("io.github.candor-mcp/", $word);
    )*};
}

names! {
    /// On a tool: the scopes that a call needs.
    SCOPES = "scopes";
    /// On a tool: the version that deprecated it, the version that removes it, and its replacement.
    DEPRECATED = "deprecated";
    /// On a tool: the digest of its whole definition, as in `tools.lock.json`.
    DIGEST = "definition-digest";
    /// On a tool: the further names by which it can be called.
    ALIASES = "aliases";
    /// On a failed result: the reason, for programs.
    REASON = "reason";
    /// On a failed result: the same call may succeed later.
    TRANSIENT = "transient";
    /// On a failed result: the seconds to wait before the same call.
    RETRY_AFTER_SECONDS = "retry-after-seconds";
    /// On a call: the caller's idempotency key. On a tool: whether it takes one.
    IDEMPOTENCY_KEY = "idempotency-key";
    /// On a result: it is that of an earlier call with the same idempotency key.
    REPLAYED = "replayed";
    /// The key of the confirmation among the questions of a round; not used in `_meta`.
    CONFIRM = "confirm";
}
