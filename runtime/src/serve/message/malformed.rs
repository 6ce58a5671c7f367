//! Names the field that makes the parameters of a known method malformed.
//!
//! rmcp reads a request with malformed parameters as one of an unknown method. A client must learn instead that the method
//! exists and what it lacks (`-32602`).

use serde_json::Value;

use crate::message::Message;

/// The type of a field.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    Object,
    /// A level of RFC 5424.
    Level,
}

const LEVEL_NAMES: [&str; 8] =
    ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"];

/// The required fields of a method, as paths into `params`.
fn fields(method: &str) -> Option<&'static [(&'static str, Kind)]> {
    use Kind::{Level, Object, Text};
    Some(match method {
        "initialize" => &[
            ("protocolVersion", Text),
            ("capabilities", Object),
            ("clientInfo", Object),
            ("clientInfo/name", Text),
            ("clientInfo/version", Text),
        ],
        "logging/setLevel" => &[("level", Level)],
        "prompts/get" => &[("name", Text)],
        "resources/read" | "resources/subscribe" | "resources/unsubscribe" => &[("uri", Text)],
        "completion/complete" => {
            &[("ref", Object), ("argument", Object), ("argument/name", Text), ("argument/value", Text)]
        }
        "prompts/list" | "resources/list" | "resources/templates/list" => &[],
        _ => return None,
    })
}

/// Says what is malformed about a request of `method`; `None` if the method is not one of these.
pub(in crate::serve) fn malformed(method: &str, params: Option<&Value>) -> Option<Message> {
    let fault = fault(fields(method)?, params);
    Some(Message::new(format!("the parameters of `{method}` are malformed: {fault}")))
}

/// Says what is malformed about the parameters of a handshake; `None` if they are well-formed.
#[cfg(feature = "http")]
pub(in crate::serve) fn malformed_handshake(params: Option<&Value>) -> Option<Message> {
    let fault = first_fault(fields("initialize")?, params)?;
    Some(Message::new(format!("the parameters of `initialize` are malformed: {fault}")))
}

fn fault(fields: &[(&str, Kind)], params: Option<&Value>) -> String {
    first_fault(fields, params).unwrap_or_else(|| "a field has the wrong type".to_owned())
}

fn first_fault(fields: &[(&str, Kind)], params: Option<&Value>) -> Option<String> {
    let Some(params) = params else {
        return (!fields.is_empty()).then(|| "`params` is missing".to_owned());
    };
    if !params.is_object() {
        return Some("`params` is not an object".to_owned());
    }
    fields.iter().find_map(|(path, kind)| {
        let name = path.replace('/', ".");
        let Some(value) = params.pointer(&format!("/{path}")) else {
            return Some(format!("`{name}` is missing"));
        };
        match kind {
            Kind::Text if !value.is_string() => Some(format!("`{name}` is not a string")),
            Kind::Object if !value.is_object() => Some(format!("`{name}` is not an object")),
            Kind::Level if !value.as_str().is_some_and(|level| LEVEL_NAMES.contains(&level)) => {
                Some(format!("`{name}` is not one of {}", LEVEL_NAMES.join(", ")))
            }
            _ => None,
        }
    })
}
