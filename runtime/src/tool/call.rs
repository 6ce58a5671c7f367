//! The context of one call: who asks, until when, and how to tell them how far it is.

use std::{collections::BTreeSet, sync::Arc, time::Instant};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    ask::{ClientFeature, Round},
    descriptor::Descriptor,
    progress::{Level, Report, ReportFilter},
};

/// The context of a call. A function that takes `&Call` gets it; callers do not see the parameter.
///
/// ```
/// use candor::{Call, mcp_tool};
///
/// /// Add up the numbers from 1 to a limit.
/// #[mcp_tool(read_only, closed_world, public)]
/// fn sum(
///     call: &Call,
///     /// The last number.
///     limit: u32,
/// ) -> u64 {
///     (1..=u64::from(limit))
///         .inspect(|n| call.progress(*n as f64, Some(f64::from(limit)), "adding"))
///         .sum()
/// }
///
/// assert_eq!(sum(&candor::testing::call(), 4), 10);
/// ```
#[derive(Debug)]
pub struct Call {
    pub(crate) descriptor: &'static Descriptor,
    pub(crate) caller: Arc<Caller>,
    pub(crate) idempotency_key: Option<String>,
    pub(crate) reports: Option<Reports>,
    pub(crate) round: Round,
    pub(crate) cancelled: CancellationToken,
    pub(crate) deadline: Instant,
}

impl Call {
    /// The tool that was called.
    pub fn tool(&self) -> &'static Descriptor {
        self.descriptor
    }

    /// Who calls.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// The caller's idempotency key (`_meta["io.github.candor-mcp/idempotency-key"]`), where it sent one.
    pub fn idempotency_key(&self) -> Option<&str> {
        self.idempotency_key.as_deref()
    }

    /// Tells the caller how far the call is: `done` of `total`, in any unit, and a word about it.
    ///
    /// Costs nothing where the caller did not ask (`_meta.progressToken`). Never waits: where the client reads more
    /// slowly than the handler reports, reports in between are left out.
    pub fn progress(&self, done: f64, total: Option<f64>, message: impl Into<String>) {
        if let Some(reports) = self.reports.as_ref().filter(|reports| reports.filter.progress) {
            reports.send(Report::Progress { done, total, message: message.into() });
        }
    }

    /// Sends the client a message for its log, where the server does so ([`Server::logging`](crate::Server::logging))
    /// and the client asked for messages of this level. Never waits, as [`Call::progress`].
    ///
    /// The protocol has deprecated it with 2026-07-28.
    pub fn log(&self, level: Level, message: impl Into<String>) {
        let filter = |reports: &&Reports| reports.filter.log.is_some_and(|least| level >= least);
        if let Some(reports) = self.reports.as_ref().filter(filter) {
            reports.send(Report::Log { level, message: message.into() });
        }
    }

    /// Whether the client declares that it can be asked for this ([`Ask`](crate::Ask)).
    pub fn can_be_asked(&self, feature: ClientFeature) -> bool {
        self.round.features.has(feature)
    }

    /// What the person at the client filled in, where the question `key` ([`Ask::form`](crate::Ask::form)) was put and
    /// they accepted. The client vouches for its fields, and for nothing else.
    pub fn form(&self, key: &str) -> Option<&Map<String, Value>> {
        self.round.form(key)
    }

    /// What the client answered to the question `key`, as the protocol has it: a form with its `action`, the model's
    /// `content`, the `roots`. `None` where it did not, or where it is no `T`.
    pub fn answer<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        self.round.answer(key)
    }

    /// What the tool kept for itself when it asked ([`Ask::state`](crate::Ask::state)).
    pub fn state(&self) -> Option<&str> {
        self.round.state.as_deref()
    }

    /// Whether the caller has taken the call back, or its time is up.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.is_cancelled() || Instant::now() >= self.deadline
    }

    /// Waits until the caller takes the call back.
    pub async fn cancelled(&self) {
        self.cancelled.cancelled().await;
    }

    /// When the call's time is up (`timeout`).
    pub fn deadline(&self) -> Instant {
        self.deadline
    }
}

/// The way of a handler's reports to the client.
#[derive(Clone, Debug)]
pub(crate) struct Reports {
    pub(crate) sender: mpsc::Sender<Report>,
    pub(crate) filter: ReportFilter,
}

impl Reports {
    fn send(&self, report: Report) {
        // A full channel means that newer reports are on their way.
        let _ = self.sender.try_send(report);
    }
}

/// Who calls, and what they were granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    issuer: Option<String>,
    subject: String,
    scopes: BTreeSet<String>,
}

impl Caller {
    /// A caller that `issuer` vouches for, or nobody but this server's own configuration.
    pub fn new<S: Into<String>>(
        issuer: Option<&str>,
        subject: impl Into<String>,
        scopes: impl IntoIterator<Item = S>,
    ) -> Self {
        Self {
            issuer: issuer.map(str::to_owned),
            subject: subject.into(),
            scopes: scopes.into_iter().map(Into::into).collect(),
        }
    }

    /// The person at this end of a pipe: whoever started the server (stdio).
    pub fn local<S: Into<String>>(scopes: impl IntoIterator<Item = S>) -> Self {
        Self::new(None, "local", scopes)
    }

    /// The authorization server that vouches for them (`iss`, RFC 7519); none on stdio and with an API key.
    pub fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    /// Their name: `local` on stdio. Only together with [`Caller::issuer`] does it tell callers apart.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// What tells callers apart, whatever they hold: limits, confirmations and sessions belong to it.
    pub(crate) fn identity(&self) -> Identity<'_> {
        Identity { issuer: self.issuer(), subject: self.subject() }
    }

    /// The OAuth scopes they hold, those among them that a broader one carries (`Server::scope_implies`).
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.scopes.iter().map(String::as_str)
    }

    /// The scopes of `tool` that the caller does not hold.
    pub(crate) fn missing_scopes<'a>(
        &'a self,
        tool: &Descriptor,
    ) -> impl Iterator<Item = &'static str> + use<'a> {
        tool.scopes.iter().copied().filter(|scope| !self.holds(scope))
    }

    /// Whether they hold `scope`.
    pub fn holds(&self, scope: &str) -> bool {
        self.scopes.contains(scope)
    }
}

/// Who somebody is: a subject is a name only within its issuer (RFC 7519 §4.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Identity<'a> {
    pub(crate) issuer: Option<&'a str>,
    pub(crate) subject: &'a str,
}
