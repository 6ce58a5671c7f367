//! Defines the constant data of a declared tool, from which everything else is made or printed.

use std::time::Duration;

use schemars::{Schema, SchemaGenerator};

pub use super::{deprecation::Deprecated, literal::Literal};

/// One declared tool. `#[mcp_tool]` writes it as a constant; nothing changes it while the server runs.
#[derive(Clone, Copy, Debug)]
pub struct Descriptor {
    /// The name on the wire: `[A-Za-z_][A-Za-z0-9_-]{0,63}`, the intersection of what known clients accept.
    pub name: &'static str,
    /// Earlier names, by which the tool can be called; they are not listed.
    pub aliases: &'static [&'static str],
    /// The name for people (`title`, `annotations.title`).
    pub title: &'static str,
    /// The purpose of the tool, for a model to choose by.
    pub description: &'static str,
    /// The effect of a call on the world (`readOnlyHint`, `destructiveHint`).
    pub effect: Effect,
    /// Whether a second call with the same arguments changes nothing more (`idempotentHint`).
    pub idempotent: bool,
    /// Whether the tool interacts only with what the server itself holds (the opposite of `openWorldHint`).
    pub closed_world: bool,
    /// The OAuth scopes (RFC 6749 §3.3) that a caller needs, all of them; empty for a `public` tool.
    pub scopes: &'static [&'static str],
    /// When the user must confirm a call.
    pub confirm: Confirm,
    /// Whether a call carries an idempotency key.
    pub idempotency_key: IdempotencyKey,
    /// The rate of calls of this tool for each caller.
    pub rate: Option<Rate>,
    /// The number of concurrent calls of this tool.
    pub max_in_flight: Option<u32>,
    /// The time after which a call fails.
    pub timeout: Duration,
    /// The maximum size of a result in bytes.
    pub max_output: Option<u64>,
    /// The number of further attempts after a transient error.
    pub retry: u32,
    /// The class of the call's audit records.
    pub audit: Audit,
    /// Whether a call is answered with a task, if the client accepts tasks.
    pub task: Option<Task>,
    /// The releases of the deprecation, and the tool to use instead.
    pub deprecated: Option<Deprecated>,
    /// The reason why the tool cannot be sandboxed.
    pub unsandboxed: Option<&'static str>,
    /// The effect of a call that the public sees, for stores whose `openWorldHint` means that.
    pub public_effect: Option<&'static str>,
    /// Whether the function takes the context of the call, [`Call`](crate::Call).
    pub takes_call: bool,
    /// The arguments of a call, in the order of the function's parameters.
    pub params: &'static [Param],
    /// The constraints between parameters.
    pub rules: &'static [Rule],
    /// Makes the schema of the function's return type.
    #[doc(hidden)]
    pub output: fn(&mut SchemaGenerator) -> Option<Schema>,
}

impl Descriptor {
    /// The values that hold unless the attribute sets others.
    #[doc(hidden)]
    pub const DEFAULT: Self = Self {
        name: "",
        aliases: &[],
        title: "",
        description: "",
        effect: Effect::Destructive,
        idempotent: false,
        closed_world: false,
        scopes: &[],
        confirm: Confirm::Never,
        idempotency_key: IdempotencyKey::None,
        rate: None,
        max_in_flight: None,
        timeout: Duration::from_secs(30),
        max_output: None,
        retry: 0,
        audit: Audit::BestEffort,
        task: None,
        deprecated: None,
        unsandboxed: None,
        public_effect: None,
        takes_call: false,
        params: &[],
        rules: &[],
        output: |_| None,
    };

    /// The stand-in for a declaration that did not compile. No program contains it.
    #[doc(hidden)]
    pub const FALLBACK: Self = Self::DEFAULT;

    /// Returns the name and the aliases.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        std::iter::once(self.name).chain(self.aliases.iter().copied())
    }

    /// Returns the alias that `called` is; `None` for the tool's own name.
    pub(crate) fn alias(&self, called: &str) -> Option<&'static str> {
        self.aliases.iter().find(|alias| **alias == called).copied()
    }

    /// Returns whether a call changes nothing.
    pub const fn is_read_only(&self) -> bool {
        matches!(self.effect, Effect::ReadOnly)
    }

    /// Returns whether a call may be repeated without harm.
    pub const fn may_repeat(&self) -> bool {
        self.is_read_only() || self.idempotent
    }
}

/// The effect of a call on the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// A call changes nothing.
    ReadOnly,
    /// A call adds something, and removes nothing.
    Additive,
    /// A call may change or remove existing things.
    Destructive,
}

impl Effect {
    /// Returns the keyword in the attribute.
    pub const fn word(self) -> &'static str {
        match self {
            Self::ReadOnly => "read_only",
            Self::Additive => "additive",
            Self::Destructive => "destructive",
        }
    }
}

/// When the user must confirm a call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Confirm {
    /// A call runs without being confirmed.
    Never,
    /// The user confirms every call.
    Always,
    /// The user confirms calls in which a parameter has a value. A parameter without a value counts, too: only the handler
    /// knows what it does then.
    When {
        /// The parameter.
        param: &'static str,
        /// The value.
        is: Literal,
    },
}

impl Confirm {
    /// Returns whether the user confirms some calls.
    pub const fn asks(self) -> bool {
        !matches!(self, Self::Never)
    }
}

/// As in the attribute: `always`, `never`, or `when(dry_run = false)`.
impl std::fmt::Display for Confirm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Never => f.write_str("never"),
            Self::Always => f.write_str("always"),
            Self::When { param, is } => write!(f, "when({param} = {})", is.to_json()),
        }
    }
}

/// Whether a call carries an idempotency key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdempotencyKey {
    /// A call takes no key: the tool only reads.
    None,
    /// A caller may send one.
    Optional,
    /// A call without one is refused.
    Required,
}

impl IdempotencyKey {
    /// Returns the keyword in the attribute.
    pub const fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Optional => "optional",
            Self::Required => "required",
        }
    }
}

/// The class of a call's audit records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audit {
    /// A call that cannot be recorded does not run.
    Required,
    /// A call runs even if it cannot be recorded. The missing record is counted.
    BestEffort,
    /// A call is not recorded.
    Off,
}

impl Audit {
    /// Returns the keyword in the attribute.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::BestEffort => "best_effort",
            Self::Off => "off",
        }
    }
}

/// Whether a call is answered with a task (MCP 2026-07-28, `io.modelcontextprotocol/tasks`), which is a handle on work
/// that outlasts the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// A call is answered with a task if the client accepts tasks, and otherwise with the result.
    Optional,
    /// A call is answered with a task. A client that does not accept tasks is refused.
    Required,
}

impl Task {
    /// Returns the keyword in the attribute.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Optional => "optional",
            Self::Required => "required",
        }
    }
}

/// A number of calls in a period of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// The number of calls.
    pub calls: u32,
    /// The period.
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

/// The period of a [`Rate`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Per {
    /// A second.
    Second,
    /// A minute.
    Minute,
    /// An hour.
    Hour,
}

/// One parameter of a call.
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of `#[param]`")]
#[derive(Clone, Copy, Debug)]
pub struct Param {
    /// The name on the wire.
    pub name: &'static str,
    /// The meaning, for a model to choose a value by.
    pub description: &'static str,
    /// Whether a call may omit it, or send `null`.
    pub optional: bool,
    /// The smallest number allowed.
    pub min: Option<Literal>,
    /// The largest number allowed.
    pub max: Option<Literal>,
    /// The smallest number of characters or items.
    pub min_len: Option<u64>,
    /// The largest number of characters or items.
    pub max_len: Option<u64>,
    /// A regular expression that some part of the string matches.
    pub pattern: Option<&'static str>,
    /// The value if a call omits it.
    pub default: Option<Literal>,
    /// An example value for callers.
    pub example: Option<Literal>,
    /// Whether the value is left out of every log, error and record.
    pub secret: bool,
    /// Whether the value is ignored when two calls are compared.
    pub volatile: bool,
    /// Whether a string that holds JSON is taken for the list or object in it.
    pub lenient: bool,
    /// Makes the schema of the parameter's type.
    pub schema: fn(&mut SchemaGenerator) -> Schema,
}

impl Param {
    /// The values that hold unless `#[param]` sets others.
    #[doc(hidden)]
    pub const DEFAULT: Self = Self {
        name: "",
        description: "",
        optional: false,
        min: None,
        max: None,
        min_len: None,
        max_len: None,
        pattern: None,
        default: None,
        example: None,
        secret: false,
        volatile: false,
        lenient: false,
        schema: |_| Schema::default(),
    };
}

/// A constraint between parameters, with their names on the wire.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// Exactly one of them is sent.
    OneOf(&'static [&'static str]),
    /// At least one of them is sent.
    AnyOf(&'static [&'static str]),
    /// One of them is sent, or none.
    AtMostOne(&'static [&'static str]),
    /// A call that sends the first sends the others.
    Needs(&'static str, &'static [&'static str]),
    /// The value of one parameter decides which others are sent.
    When {
        /// The parameter that decides.
        param: &'static str,
        /// The value.
        is: Literal,
        /// The parameters to send with that value.
        then: &'static [&'static str],
        /// The parameters to send with any other value, or without one.
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
            Self::AtMostOne(names) => write!(f, "at most one of {}", listed(names)),
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
