//! Defines the questions that a tool asks of the client during a call, and the answers to them.

use std::{fmt::Display, sync::LazyLock};

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::form::{form_key, form_schema};

/// Questions that the client must answer before a tool can go on: a form for the user, a prompt for the client's
/// model, a request for the client's roots.
///
/// A tool returns it as its error. The client answers the questions, and the tool is called again with the answers: by
/// the client on 2026-07-28 (multi round-trip requests, SEP-2322), by this server on older revisions. A tool that asks
/// therefore starts from the beginning in each round. [`Ask::state`] carries data from one round to the next.
///
/// ```
/// use candor::{Ask, Call, FormAnswer, mcp_tool};
///
/// /// A person.
/// #[derive(serde::Deserialize, schemars::JsonSchema)]
/// struct Person {
///     /// Your name.
///     name: String,
/// }
///
/// /// Greet the user.
/// #[mcp_tool(read_only, public)]
/// fn greet(call: &Call) -> Result<String, Ask> {
///     match call.filled::<Person>() {
///         FormAnswer::Filled(person) => Ok(format!("Hello, {}!", person.name)),
///         // The user does not want to be asked again.
///         FormAnswer::Declined | FormAnswer::Cancelled => Ok("Hello!".to_owned()),
///         FormAnswer::NotAsked | FormAnswer::Invalid => Err(Ask::form_of::<Person>("Who are you?")),
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
    /// Creates a form for the user with the fields of `T`: text, numbers, booleans, and enums without data.
    /// [`Call::filled`](crate::Call::filled) reads it.
    pub fn form_of<T: JsonSchema>(message: impl Into<String>) -> Self {
        Self::default().and_form_of::<T>(message)
    }

    /// Adds such a form.
    pub fn and_form_of<T: JsonSchema>(self, message: impl Into<String>) -> Self {
        self.form(form_key::<T>(), message, form_schema::<T>())
    }

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
#[cfg_attr(feature = "postgres", derive(serde::Serialize, serde::Deserialize))]
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

/// The user's answer to a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormAnswer<T> {
    /// The tool has not asked yet.
    NotAsked,
    /// The user filled in the form. The values are the client's: nothing but their type is checked.
    Filled(T),
    /// The user said no.
    Declined,
    /// The user dismissed the form, or could not be reached.
    Cancelled,
    /// The client sent something else than the form.
    Invalid,
}

impl<T> FormAnswer<T> {
    /// Returns the filled form.
    pub fn filled(self) -> Option<T> {
        match self {
            Self::Filled(form) => Some(form),
            _ => None,
        }
    }

    /// Returns the filled form, or `None` if the user does not want to fill it in.
    ///
    /// # Errors
    ///
    /// The user is to be asked: for the first time, or again after an invalid answer.
    ///
    /// ```
    /// # use candor::{Ask, Call, mcp_tool};
    /// # #[derive(serde::Deserialize, schemars::JsonSchema)]
    /// # struct Person { name: String }
    /// /// Greet the user.
    /// #[mcp_tool(read_only, public)]
    /// fn greet(call: &Call) -> Result<String, Ask> {
    ///     let person = call.filled::<Person>().or_ask(|| Ask::form_of::<Person>("Who are you?"))?;
    ///     Ok(person.map_or("Hello!".to_owned(), |person| format!("Hello, {}!", person.name)))
    /// }
    /// ```
    pub fn or_ask(self, ask: impl FnOnce() -> Ask) -> Result<Option<T>, Ask> {
        match self {
            Self::Filled(form) => Ok(Some(form)),
            Self::Declined | Self::Cancelled => Ok(None),
            Self::NotAsked | Self::Invalid => Err(ask()),
        }
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
    /// Returns the user's answer to a form.
    pub(crate) fn form(&self, key: &str) -> FormAnswer<&Map<String, Value>> {
        static EMPTY: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);
        let Some(answer) = self.answers.get(key) else { return FormAnswer::NotAsked };
        match (answer.get("action").and_then(Value::as_str), answer.get("content")) {
            (Some("accept"), Some(Value::Object(fields))) => FormAnswer::Filled(fields),
            // A form whose fields are all optional.
            (Some("accept"), None) => FormAnswer::Filled(&EMPTY),
            (Some("decline"), _) => FormAnswer::Declined,
            (Some("cancel"), _) => FormAnswer::Cancelled,
            _ => FormAnswer::Invalid,
        }
    }

    /// Returns the user's answer to the form of `T`.
    pub(crate) fn filled<T: DeserializeOwned + JsonSchema>(&self) -> FormAnswer<T> {
        match self.form(&form_key::<T>()) {
            FormAnswer::Filled(fields) => {
                T::deserialize(fields).map_or(FormAnswer::Invalid, FormAnswer::Filled)
            }
            FormAnswer::NotAsked => FormAnswer::NotAsked,
            FormAnswer::Declined => FormAnswer::Declined,
            FormAnswer::Cancelled => FormAnswer::Cancelled,
            FormAnswer::Invalid => FormAnswer::Invalid,
        }
    }

    pub(crate) fn answer<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        self.answers.get(key).and_then(|answer| T::deserialize(answer).ok())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::tool::form::example::{Person, Size};

    fn answered(answer: &Value) -> Round {
        Round { answers: Map::from_iter([("Person".to_owned(), answer.clone())]), ..Round::default() }
    }

    #[test]
    fn form_answers_are_told_apart() {
        let accepted = answered(&json!({"action": "accept", "content": {"name": "Ada"}}));
        assert!(matches!(accepted.form("Person"), FormAnswer::Filled(fields) if fields["name"] == "Ada"));
        assert_eq!(accepted.form("whom"), FormAnswer::NotAsked);
        assert!(matches!(answered(&json!({"action": "accept"})).form("Person"), FormAnswer::Filled(_)));
        for (answer, expected) in [
            (json!({"action": "decline", "content": {"name": "Ada"}}), FormAnswer::Declined),
            (json!({"action": "cancel"}), FormAnswer::Cancelled),
            (json!({"action": "accept", "content": 7}), FormAnswer::Invalid),
            (json!({"action": "nod"}), FormAnswer::Invalid),
            (json!(12345), FormAnswer::Invalid),
        ] {
            assert_eq!(answered(&answer).form("Person"), expected, "{answer}");
        }
    }

    #[test]
    fn typed_forms_are_read_as_their_type() {
        let filled = answered(&json!({"action": "accept", "content": {"name": "Ada", "size": "large"}}));
        let person = Person { name: "Ada".to_owned(), age: None, size: Some(Size::Large), news: false };
        assert_eq!(filled.filled::<Person>(), FormAnswer::Filled(person));
        for (answer, expected) in [
            (json!({"action": "accept", "content": {"name": 7}}), FormAnswer::Invalid),
            (json!({"action": "accept"}), FormAnswer::Invalid),
            (json!({"action": "decline"}), FormAnswer::Declined),
        ] {
            assert_eq!(answered(&answer).filled::<Person>(), expected, "{answer}");
        }
        let ask = || Ask::form_of::<Person>("Who are you?");
        assert_eq!(Round::default().filled::<Person>().or_ask(ask), Err(ask()));
        assert_eq!(answered(&json!({"action": "cancel"})).filled::<Person>().or_ask(ask), Ok(None));
    }
}
