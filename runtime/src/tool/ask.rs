//! What a tool asks of the client in the middle of its work, and what the client can be asked.

use std::fmt::Display;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::output::ToolError;

/// Questions to the client that a tool needs answered before it can go on: a form for a person, a text from the
/// client's model, the client's roots.
///
/// A tool returns it as its error. The questions are put, and the tool is called again with the answers: by the client
/// on 2026-07-28 (multi round-trip requests, SEP-2322), by this server before. A tool that asks therefore starts anew in
/// each round; what it has to know of the one before stands in [`Ask::state`].
///
/// ```
/// use candor::{Ask, Call, mcp_tool};
/// use serde_json::json;
///
/// /// Greet whoever sits at the client.
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
/// A client is asked nothing that it did not declare: such a call is refused, on 2026-07-28 with `-32021`.
/// [`Call::can_be_asked`](crate::Call::can_be_asked) tells beforehand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "questions are put when they are returned as the error"]
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
    /// Adds a form for the person at the client (`elicitation/create`). `schema` is an object of plain fields: text,
    /// numbers, booleans, choices.
    pub fn form(self, key: impl Into<String>, message: impl Into<String>, schema: Value) -> Self {
        self.and(key, Question::Form { message: message.into(), schema })
    }

    /// Adds a prompt for the client's model (`sampling/createMessage`). The protocol has deprecated it with 2026-07-28.
    pub fn sample(self, key: impl Into<String>, prompt: impl Into<String>, max_tokens: u32) -> Self {
        self.and(key, Question::Sample { prompt: prompt.into(), max_tokens })
    }

    /// Asks for the client's roots (`roots/list`). The protocol has deprecated it with 2026-07-28.
    pub fn roots(self, key: impl Into<String>) -> Self {
        self.and(key, Question::Roots)
    }

    /// What the tool will read in [`Call::state`](crate::Call::state) in the next round. It travels through the client
    /// sealed: it opens for this tool, these arguments and this caller, once, within ten minutes.
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

impl From<Ask> for ToolError {
    fn from(ask: Ask) -> Self {
        Self::not_applied(ask.to_string()).reason("question").asking(ask)
    }
}

/// What a client may be asked for, as it declares it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientFeature {
    /// A form for the person at it: [`Ask::form`].
    Form,
    /// A text of its model: [`Ask::sample`].
    Sample,
    /// Its roots: [`Ask::roots`].
    Roots,
}

impl ClientFeature {
    /// The capability's name in the protocol.
    pub(crate) fn capability(self) -> &'static str {
        match self {
            Self::Form => "elicitation",
            Self::Sample => "sampling",
            Self::Roots => "roots",
        }
    }
}

impl Question {
    pub(crate) fn feature(&self) -> ClientFeature {
        match self {
            Self::Form { .. } => ClientFeature::Form,
            Self::Sample { .. } => ClientFeature::Sample,
            Self::Roots => ClientFeature::Roots,
        }
    }
}

/// What one client can be asked for.
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

/// What a client came back with, as a handler sees it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Round {
    pub(crate) features: ClientFeatures,
    pub(crate) answers: Map<String, Value>,
    pub(crate) state: Option<String>,
}

impl Round {
    /// What a person filled in; `None` where they declined, or where the answer is none.
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
    fn a_form_counts_only_where_it_was_accepted() {
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
