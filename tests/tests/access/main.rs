//! Access of callers: scopes, API keys, tokens of an authorization server, and read-only mode.

mod challenges;
mod jwks;
mod oauth;
mod read_only_mode;
mod scopes;
mod tokens;
