//! Stage: the tool exists, and the request is a call of it.

use serde_json::Value;

use super::{Core, Refusal, access};
use crate::{registry::Definition, text, tool::caller::Caller};

pub(super) fn tool<'a>(
    core: &'a Core,
    caller: &Caller,
    name: &str,
) -> Result<(usize, &'a Definition), Refusal> {
    core.registry.find(name).ok_or_else(|| unknown(core, caller, name))
}

/// The answer to a name that leads nowhere. It says nothing of tools that the caller cannot see.
pub(super) fn unknown(core: &Core, caller: &Caller, name: &str) -> Refusal {
    let visible = core.registry.tools().iter().map(|tool| tool.descriptor);
    let names = visible.filter(|tool| access::missing(tool, caller).next().is_none()).map(|tool| tool.name);
    Refusal::UnknownTool { name: text::shown(name), nearest: text::nearest(name, names).map(str::to_owned) }
}

/// `[A-Za-z0-9_.:-]{16,255}`, the caller's own.
pub(super) fn idempotency_key(sent: Option<Value>) -> Result<Option<String>, Refusal> {
    let fits = |key: &str| {
        (16..=255).contains(&key.len())
            && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b':' | b'-'))
    };
    match sent {
        None => Ok(None),
        Some(Value::String(key)) if fits(&key) => Ok(Some(key)),
        Some(_) => Err(Refusal::Malformed(
            "`_meta[\"candor/idempotency-key\"]` is no idempotency key\nhelp: send 16 to 255 of `A-Z a-z 0-9 _ . : -`, for example a UUID"
                .to_owned(),
        )),
    }
}
