//! What a declaration becomes: constant data, from which everything else is made or printed.

use std::time::Duration;

use schemars::{Schema, SchemaGenerator};

/// One declared tool. `#[mcp_tool]` writes it as a constant; nothing changes it while the server runs.
#[derive(Clone, Copy, Debug)]
pub struct Descriptor {
    /// The name on the wire: `[A-Za-z_][A-Za-z0-9_-]{0,63}`, the intersection of what known clients accept.
    pub name: &'static str,
    /// The name a person sees (`title`, `annotations.title`).
    pub title: &'static str,
    /// What the tool does, for a model to choose by.
    pub description: &'static str,
    /// What a call does to the world (`readOnlyHint`, `destructiveHint`).
    pub effect: Effect,
    /// Whether a second call with the same arguments changes nothing more (`idempotentHint`).
    pub idempotent: bool,
    /// Whether the tool keeps to what the server itself holds (the opposite of `openWorldHint`).
    pub closed_world: bool,
    /// OAuth scope tokens (RFC 6749 §3.3) that a caller needs, all of them; empty for a `public` tool.
    pub scopes: &'static [&'static str],
    /// Whether a person is to be asked before a call.
    pub confirm: bool,
    /// Whether a call carries an idempotency key.
    pub idempotency_key: IdempotencyKey,
    /// Calls that one caller may make of this tool.
    pub rate: Option<Rate>,
    /// Calls of this tool that may run at once.
    pub max_in_flight: Option<u32>,
    /// How long a call may take.
    pub timeout: Duration,
    /// Further attempts after an error that passes.
    pub retry: u32,
    /// How the audit log records a call.
    pub audit: Audit,
    /// Whether a call is answered with a task, where the client takes one.
    pub task: Option<Task>,
    /// Since when, until when and what to use in its place.
    pub deprecated: Option<Deprecated>,
    /// Why the tool cannot be sandboxed, where it cannot.
    pub unsandboxed: Option<&'static str>,
    /// What a caller sends, in the order of the function's parameters.
    pub params: &'static [Param],
    /// What holds between parameters.
    pub rules: &'static [Rule],
    /// The schema of what the function returns.
    #[doc(hidden)]
    pub output: fn(&mut SchemaGenerator) -> Option<Schema>,
}

impl Descriptor {
    /// What holds where the attribute is silent.
    #[doc(hidden)]
    pub const DEFAULT: Self = Self {
        name: "",
        title: "",
        description: "",
        effect: Effect::Destructive,
        idempotent: false,
        closed_world: false,
        scopes: &[],
        confirm: false,
        idempotency_key: IdempotencyKey::None,
        rate: None,
        max_in_flight: None,
        timeout: Duration::from_secs(30),
        retry: 0,
        audit: Audit::BestEffort,
        task: None,
        deprecated: None,
        unsandboxed: None,
        params: &[],
        rules: &[],
        output: |_| None,
    };

    /// Stands in for a declaration that did not compile; no such program ever runs.
    #[doc(hidden)]
    pub const FALLBACK: Self = Self::DEFAULT;

    /// Whether a call leaves the world as it was.
    pub const fn is_read_only(&self) -> bool {
        matches!(self.effect, Effect::ReadOnly)
    }

    /// Whether a call may be repeated without harm.
    pub const fn may_repeat(&self) -> bool {
        self.is_read_only() || self.idempotent
    }
}

/// What a call does to the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It changes nothing.
    ReadOnly,
    /// It adds, and takes nothing away.
    Additive,
    /// It may change or remove what is there.
    Destructive,
}

impl Effect {
    /// The word in the attribute.
    pub const fn word(self) -> &'static str {
        match self {
            Self::ReadOnly => "read_only",
            Self::Additive => "additive",
            Self::Destructive => "destructive",
        }
    }
}

/// Whether a call carries an idempotency key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdempotencyKey {
    /// A key would protect nothing: the tool only reads.
    None,
    /// A caller may send one.
    Optional,
    /// A call without one is refused.
    Required,
}

impl IdempotencyKey {
    /// The word in the attribute.
    pub const fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Optional => "optional",
            Self::Required => "required",
        }
    }
}

/// How the audit log records a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audit {
    /// What cannot be recorded does not run.
    Required,
    /// A record that cannot be written is counted, and the call runs.
    BestEffort,
    /// No record.
    Off,
}

impl Audit {
    /// The word in the attribute.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::BestEffort => "best_effort",
            Self::Off => "off",
        }
    }
}

/// Whether a call is answered with a task (MCP 2026-07-28, `io.modelcontextprotocol/tasks`): a handle on work that
/// outlasts the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// With a task, where the client takes one; with the result, where it does not.
    Optional,
    /// With a task; a client that takes none is refused.
    Required,
}

impl Task {
    /// The word in the attribute.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Optional => "optional",
            Self::Required => "required",
        }
    }
}

/// A number of calls in a stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many calls.
    pub calls: u32,
    /// In which time.
    pub per: Per,
}

impl std::fmt::Display for Rate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let per = match self.per {
            Per::Second => "s",
            Per::Minute => "min",
            Per::Hour => "h",
        };
        write!(f, "{}/{per}", self.calls)
    }
}

/// The time of a [`Rate`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Per {
    /// A second.
    Second,
    /// A minute.
    Minute,
    /// An hour.
    Hour,
}

/// A tool that will be gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deprecated {
    /// The release that said so first.
    pub since: &'static str,
    /// The release that will not have it.
    pub remove_in: &'static str,
    /// The wire name of the tool to call in its place.
    pub use_instead: Option<&'static str>,
}

/// One thing a caller sends.
#[derive(Clone, Copy, Debug)]
pub struct Param {
    /// The name on the wire.
    pub name: &'static str,
    /// What it means, for a model to fill it in by.
    pub description: &'static str,
    /// Whether a call may leave it out; `null` then says the same.
    pub optional: bool,
    /// The least number allowed.
    pub min: Option<Literal>,
    /// The greatest number allowed.
    pub max: Option<Literal>,
    /// The least number of characters or items.
    pub min_len: Option<u64>,
    /// The greatest number of characters or items.
    pub max_len: Option<u64>,
    /// A regular expression that a string matches somewhere in it.
    pub pattern: Option<&'static str>,
    /// What holds where a call leaves it out.
    pub default: Option<Literal>,
    /// A value to show to callers.
    pub example: Option<Literal>,
    /// Whether the value stays out of every log, error and record.
    pub secret: bool,
    /// Whether the value is left out when two calls are compared.
    pub volatile: bool,
    /// Makes the schema of the parameter's type.
    pub schema: fn(&mut SchemaGenerator) -> Schema,
}

/// What holds between parameters, which it names as the wire does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// Exactly one of them is sent.
    OneOf(&'static [&'static str]),
    /// At least one of them is sent.
    AnyOf(&'static [&'static str]),
    /// Who sends the first sends the others.
    Needs(&'static str, &'static [&'static str]),
    /// What is sent depends on a value.
    When {
        /// Whose value.
        param: &'static str,
        /// The value.
        is: Literal,
        /// What is sent with that value.
        then: &'static [&'static str],
        /// What is sent with any other, and with none.
        otherwise: &'static [&'static str],
    },
}

/// `` at least one of `symbol` and `isin` ``
impl std::fmt::Display for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let listed =
            |names: &[&str]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" and ");
        match self {
            Self::OneOf(names) => write!(f, "exactly one of {}", listed(names)),
            Self::AnyOf(names) => write!(f, "at least one of {}", listed(names)),
            Self::Needs(name, needed) => write!(f, "{} wherever `{name}` is sent", listed(needed)),
            Self::When { param, is, then, otherwise } => {
                let is = is.to_json();
                match (listed(then), listed(otherwise)) {
                    (then, otherwise) if otherwise.is_empty() => write!(f, "{then} where `{param}` is {is}"),
                    (then, otherwise) => {
                        write!(f, "{then} where `{param}` is {is} and {otherwise} otherwise")
                    }
                }
            }
        }
    }
}

/// A value written in the attribute.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Literal {
    /// A string.
    Text(&'static str),
    /// A whole number.
    Int(i128),
    /// A number with a fraction.
    Float(f64),
    /// A truth value.
    Bool(bool),
    /// A list of values.
    List(&'static [Literal]),
}

impl Literal {
    /// The same value as JSON. A whole number beyond 64 bits becomes the nearest float.
    #[expect(clippy::cast_precision_loss, reason = "JSON numbers beyond 64 bits are floats")]
    pub fn to_json(self) -> serde_json::Value {
        match self {
            Self::Text(text) => text.into(),
            Self::Int(number) => i64::try_from(number)
                .map(Into::into)
                .or_else(|_| u64::try_from(number).map(Into::into))
                .unwrap_or_else(|_| (number as f64).into()),
            Self::Float(number) => number.into(),
            Self::Bool(value) => value.into(),
            Self::List(values) => values.iter().map(|value| value.to_json()).collect(),
        }
    }
}
