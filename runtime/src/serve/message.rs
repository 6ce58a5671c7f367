//! Parses JSON-RPC messages, for both transports.

mod fast_path;
mod malformed;
mod parse;
mod unique;

#[cfg(feature = "http")]
pub(super) use fast_path::plain_call;
pub(super) use malformed::{malformed, malformed_field};
#[cfg(feature = "http")]
pub(super) use malformed::{malformed_handshake, malformed_unnoticed};
pub(super) use parse::{Line, line, too_long};
#[cfg(feature = "http")]
pub(super) use unique::UniqueValue;
