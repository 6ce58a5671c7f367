//! Defines the questions that a tool asks of the client during a call, and the answers to them.

use std::fmt::Display;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// Questions that the client must answer before a tool can go on: a form for the user, a prompt for the client's
/// model, a request for the client's roots.
///
/// A tool returns it as its error. The client answers the questions, and the tool is called again with the answers: by
/// the client on 2026-07-28 (multi round-trip requests, SEP-2322), by this server on older revisions. A tool that asks
/// therefore starts from the beginning in each round. [`Ask::state`] carries data from one round to the next.
///
/// ```
/// use candor::{Ask, Call, mcp_tool};
/// use serde_json::json;
///
/// /// Greet the user.
/// #[mcp_tool(read_only, public)]
/// fn greet(call: &Call) -> Result<String, Ask> {
///     match call.form("who") {
///         Some(who) => Ok(format!("Hello, {}!", who["name"])),
///         None => Err(Ask::default().form(
///             "who",
///             "What is your name?",
///             json!({"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}),
///         )),
///     }
/// }
///
/// assert!(greet(&candor::testing::call()).is_err());
/// ```
///
/// A call is refused if the client did not declare that it can answer such questions, on 2026-07-28 with `-32021`.
/// [`Call::can_be_asked`](crate::Call::can_be_asked) tells this beforehand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "questions are asked when they are returned as the error"]
pub struct Ask {
    pub(crate) questions: Vec<(String, Question)>,
    pub(crate) state: Option<String>,
}

/// One question to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    Form { message: String, schema: Value },
    Sample { prompt: String, max_tokens: u32 },
    Roots,
}

impl Ask {
    /// Adds a form for the user (`elicitation/create`). `schema` is an object of plain fields: text, numbers, booleans,
    /// choices.
    pub fn form(self, key: impl Into<String>, message: impl Into<String>, schema: Value) -> Self {
        self.and(key, Question::Form { message: message.into(), schema })
    }

    /// Adds a prompt for the client's model (`sampling/createMessage`). The protocol deprecates it as of 2026-07-28.
    pub fn sample(self, key: impl Into<String>, prompt: impl Into<String>, max_tokens: u32) -> Self {
        self.and(key, Question::Sample { prompt: prompt.into(), max_tokens })
    }

    /// Adds a request for the client's roots (`roots/list`). The protocol deprecates it as of 2026-07-28.
    pub fn roots(self, key: impl Into<String>) -> Self {
        self.and(key, Question::Roots)
    }

    /// Sets the text that the tool reads with [`Call::state`](crate::Call::state) in the next round. The client carries
    /// it encrypted. It can be decrypted for this tool, these arguments and this caller, once, within ten minutes.
    pub fn state(mut self, state: impl Into<String>) -> Self {
        self.state = Some(state.into());
        self
    }

    fn and(mut self, key: impl Into<String>, question: Question) -> Self {
        self.questions.push((key.into(), question));
        self
    }
}

impl Display for Ask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the tool has a question to the client")
    }
}

impl std::error::Error for Ask {}

/// A kind of question that a client can declare to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientFeature {
    /// A form for its user: [`Ask::form`].
    Form,
    /// A prompt for its model: [`Ask::sample`].
    Sample,
    /// A request for its roots: [`Ask::roots`].
    Roots,
}

impl ClientFeature {
    /// Returns the capability's name in the protocol.
    pub(crate) fn capability(self) -> &'static str {
        match self {
            Self::Form => "elicitation",
            Self::Sample => "sampling",
            Self::Roots => "roots",
        }
    }
}

impl Question {
    /// Returns the feature that the client needs to answer.
    pub(crate) fn feature(&self) -> ClientFeature {
        match self {
            Self::Form { .. } => ClientFeature::Form,
            Self::Sample { .. } => ClientFeature::Sample,
            Self::Roots => ClientFeature::Roots,
        }
    }
}

/// The features of one client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ClientFeatures {
    pub(crate) form: bool,
    pub(crate) sample: bool,
    pub(crate) roots: bool,
}

impl ClientFeatures {
    pub(crate) fn has(self, feature: ClientFeature) -> bool {
        match feature {
            ClientFeature::Form => self.form,
            ClientFeature::Sample => self.sample,
            ClientFeature::Roots => self.roots,
        }
    }

    pub(crate) fn any(self) -> bool {
        self.form || self.sample || self.roots
    }
}

/// The client's answers of one round, as a handler sees them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Round {
    pub(crate) features: ClientFeatures,
    pub(crate) answers: Map<String, Value>,
    pub(crate) state: Option<String>,
}

impl Round {
    /// Returns the fields that the user filled in; `None` if the user declined, or if the answer is malformed.
    pub(crate) fn form(&self, key: &str) -> Option<&Map<String, Value>> {
        let answer = self.answers.get(key)?;
        (answer.get("action")? == "accept").then(|| answer.get("content")?.as_object()).flatten()
    }

    pub(crate) fn answer<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        self.answers.get(key).and_then(|answer| T::deserialize(answer).ok())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn form_counts_only_if_it_was_accepted() {
        let with = |answer: Value| Round {
            answers: Map::from_iter([("who".to_owned(), answer)]),
            ..Round::default()
        };
        let accepted = with(json!({"action": "accept", "content": {"name": "Ada"}}));
        assert_eq!(accepted.form("who").unwrap()["name"], "Ada");
        assert_eq!(accepted.form("whom"), None);
        for other in [
            json!(12345),
            json!({"action": "decline", "content": {"name": "Ada"}}),
            json!({"action": "accept"}),
            json!({"action": "accept", "content": 7}),
        ] {
            assert_eq!(with(other.clone()).form("who"), None, "{other}");
        }
    }
}
