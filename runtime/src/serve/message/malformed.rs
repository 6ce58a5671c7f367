//! Names the field that makes the parameters of a known method malformed.
//!
//! rmcp reads a request with malformed parameters as one of an unknown method. A client must learn instead that the method
//! exists and what it lacks (`-32602`).

use serde_json::Value;

use crate::{message::Message, text};

/// A field of `params`.
struct Field {
    /// The names from `params` to the field, separated by dots.
    path: &'static str,
    kind: Kind,
    is_required: bool,
}

/// The type of a field.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    Object,
    Boolean,
    Texts,
    /// A level of RFC 5424.
    Level,
    /// A prompt or a resource whose arguments are completed.
    Reference,
    /// A string or a whole number.
    Token,
}

const LEVEL_NAMES: [&str; 8] =
    ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"];

/// The fields that every request may have.
const COMMON: &[Field] = &[optional("_meta", Kind::Object), optional("_meta.progressToken", Kind::Token)];

const fn required(path: &'static str, kind: Kind) -> Field {
    Field { path, kind, is_required: true }
}

const fn optional(path: &'static str, kind: Kind) -> Field {
    Field { path, kind, is_required: false }
}

/// The fields of each method of the protocol that has parameters of its own.
const METHOD_FIELDS: &[(&[&str], &[Field])] = &[
    (
        &["initialize"],
        &[
            required("protocolVersion", Kind::Text),
            required("capabilities", Kind::Object),
            optional("capabilities.elicitation", Kind::Object),
            optional("capabilities.experimental", Kind::Object),
            optional("capabilities.extensions", Kind::Object),
            optional("capabilities.roots", Kind::Object),
            optional("capabilities.roots.listChanged", Kind::Boolean),
            optional("capabilities.sampling", Kind::Object),
            required("clientInfo", Kind::Object),
            required("clientInfo.name", Kind::Text),
            required("clientInfo.version", Kind::Text),
            optional("clientInfo.title", Kind::Text),
        ],
    ),
    (&["logging/setLevel"], &[required("level", Kind::Level)]),
    (
        &["tools/list", "prompts/list", "resources/list", "resources/templates/list"],
        &[optional("cursor", Kind::Text)],
    ),
    (
        &["tools/call", "prompts/get"],
        &[
            required("name", Kind::Text),
            optional("arguments", Kind::Object),
            optional("inputResponses", Kind::Object),
            optional("requestState", Kind::Text),
        ],
    ),
    (
        &["resources/read"],
        &[
            required("uri", Kind::Text),
            optional("inputResponses", Kind::Object),
            optional("requestState", Kind::Text),
        ],
    ),
    (&["resources/subscribe", "resources/unsubscribe"], &[required("uri", Kind::Text)]),
    (
        &["completion/complete"],
        &[
            required("ref", Kind::Reference),
            required("argument", Kind::Object),
            required("argument.name", Kind::Text),
            required("argument.value", Kind::Text),
            optional("context", Kind::Object),
            optional("context.arguments", Kind::Object),
        ],
    ),
    (&["tasks/get", "tasks/cancel"], &[required("taskId", Kind::Text)]),
    (&["tasks/update"], &[required("taskId", Kind::Text), required("inputResponses", Kind::Object)]),
    (
        &["subscriptions/listen"],
        &[
            required("notifications", Kind::Object),
            optional("notifications.toolsListChanged", Kind::Boolean),
            optional("notifications.promptsListChanged", Kind::Boolean),
            optional("notifications.resourcesListChanged", Kind::Boolean),
            optional("notifications.resourceSubscriptions", Kind::Texts),
        ],
    ),
];

/// The fields of a method, if it has parameters of its own.
fn fields(method: &str) -> Option<&'static [Field]> {
    METHOD_FIELDS.iter().find(|(methods, _)| methods.contains(&method)).map(|(_, fields)| *fields)
}

/// Says what is malformed about a request of `method`; `None` if the method is not one of the protocol's that have
/// parameters.
pub(in crate::serve) fn malformed(method: &str, params: Option<&Value>) -> Option<Message> {
    let fault = malformed_field(method, params)?;
    Some(Message::new(format!("the parameters of `{method}` are malformed: {fault}")))
}

/// As [`malformed`], the fault alone.
pub(in crate::serve) fn malformed_field(method: &str, params: Option<&Value>) -> Option<String> {
    let fault = first_fault(fields(method)?, params);
    Some(fault.unwrap_or_else(|| "a field has the wrong type".to_owned()))
}

/// Says what is malformed about a request whose fault rmcp ignores: it reads a list's malformed cursor as none, and does
/// not look at a malformed progress token.
pub(in crate::serve) fn malformed_unnoticed(message: &Value) -> Option<Message> {
    let (method, params) = (message.get("method")?.as_str()?, message.get("params")?);
    message.get("id")?;
    let is_list = method.ends_with("/list");
    let fault = match fields(method) {
        Some(fields) if is_list && !params.is_null() => first_fault(fields, Some(params)),
        _ if params.is_object() => COMMON.iter().find_map(|field| field.fault(params)),
        _ => None,
    };
    Some(Message::new(format!("the parameters of `{}` are malformed: {}", text::shown(method), fault?)))
}

/// Says what is malformed about the parameters of a handshake; `None` if they are well-formed.
#[cfg(feature = "http")]
pub(in crate::serve) fn malformed_handshake(params: Option<&Value>) -> Option<Message> {
    let fault = first_fault(fields("initialize")?, params)?;
    Some(Message::new(format!("the parameters of `initialize` are malformed: {fault}")))
}

fn first_fault(fields: &[Field], params: Option<&Value>) -> Option<String> {
    let Some(params) = params else {
        return fields.iter().any(|field| field.is_required).then(|| "`params` is missing".to_owned());
    };
    if !params.is_object() {
        return Some("`params` is not an object".to_owned());
    }
    fields.iter().chain(COMMON).find_map(|field| field.fault(params))
}

impl Field {
    fn fault(&self, params: &Value) -> Option<String> {
        let Self { path, kind, is_required } = self;
        match path.split('.').try_fold(params, |value, name| value.get(name)) {
            None => is_required.then(|| format!("`{path}` is missing")),
            Some(Value::Null) if !is_required => None,
            Some(value) => Some(format!("`{path}` is not {}", kind.refusal(value)?)),
        }
    }
}

impl Kind {
    /// Says what the value was expected to be, if it is something else.
    fn refusal(self, value: &Value) -> Option<String> {
        let is_text = |value: &Value| value.is_string();
        let (fits, expected) = match self {
            Self::Text => (value.is_string(), "a string"),
            Self::Object => (value.is_object(), "an object"),
            Self::Boolean => (value.is_boolean(), "`true` or `false`"),
            Self::Texts => {
                (value.as_array().is_some_and(|items| items.iter().all(is_text)), "a list of strings")
            }
            Self::Token => (value.is_string() || value.is_i64(), "a string or a whole number"),
            Self::Reference => {
                let name = match value["type"].as_str() {
                    Some("ref/prompt") => &value["name"],
                    Some("ref/resource") => &value["uri"],
                    _ => &Value::Null,
                };
                (name.is_string(), "a `ref/prompt` with a `name`, or a `ref/resource` with a `uri`")
            }
            Self::Level => {
                let fits = value.as_str().is_some_and(|level| LEVEL_NAMES.contains(&level));
                return (!fits).then(|| format!("one of {}", LEVEL_NAMES.join(", ")));
            }
        };
        (!fits).then(|| expected.to_owned())
    }
}
