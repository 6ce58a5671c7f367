//! Defines the names that Candor uses in `_meta`.

/// MCP wants such names under a domain of their owner, in reverse.
macro_rules! names {
    ($($(#[$doc:meta])* $name:ident = $word:literal;)*) => {$(
        $(#[$doc])*
        pub(crate) const $name: &str = concat!("io.github.candor-mcp/", $word);
    )*};
}

names! {
    /// Of a tool: the scopes that a call of it needs.
    SCOPES = "scopes";
    /// Of a tool: since when it is deprecated, when it goes, and what to use instead.
    DEPRECATED = "deprecated";
    /// Of a failure: a word for programs.
    REASON = "reason";
    /// Of a failure: the same call may succeed later.
    TRANSIENT = "transient";
    /// Of a failure: how many seconds to wait before the same call.
    RETRY_AFTER_SECONDS = "retry-after-seconds";
    /// Of a call: the caller's idempotency key.
    IDEMPOTENCY_KEY = "idempotency-key";
    /// Of a round's questions, in no `_meta`: whether a destructive call is to happen.
    CONFIRM = "confirm";
}
