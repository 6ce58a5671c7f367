//! Defines the context of one call: its caller, its deadline, and the client that it reports to.

use std::{any::Any, sync::Arc, time::Instant};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use hmac::{Hmac, KeyInit as _, Mac as _};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use sha2::Sha256;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    ask::{ClientFeature, FormAnswer, Round},
    caller::Caller,
    descriptor::Descriptor,
    progress::{Level, Report, ReportFilter},
    request_info::RequestInfo,
};
use crate::spans::PartSpan;

/// The context of a call. A function with a parameter `&Call` receives it. Callers do not see that parameter.
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
    /// `None` for a handler that does not take the context.
    pub(crate) request: Option<Arc<RequestInfo>>,
    pub(crate) round: Round,
    pub(crate) cancelled: CancellationToken,
    pub(crate) deadline: Instant,
    /// The span of the handler, once it runs.
    pub(crate) span: PartSpan,
}

impl Call {
    /// Returns the tool that was called.
    pub fn tool(&self) -> &'static Descriptor {
        self.descriptor
    }

    /// Returns the caller.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Returns the caller's idempotency key. It identifies an intended effect of this caller; to pass it on to another
    /// service, use [`Call::downstream_key`].
    pub fn idempotency_key(&self) -> Option<&str> {
        self.idempotency_key.as_deref()
    }

    /// Returns the name that the client gives itself. Any client can give any name.
    pub fn client_name(&self) -> Option<&str> {
        self.request.as_ref()?.client.as_ref().map(|(name, _)| name.as_str())
    }

    /// Returns the version that the client gives itself.
    pub fn client_version(&self) -> Option<&str> {
        self.request.as_ref()?.client.as_ref().map(|(_, version)| version.as_str())
    }

    /// Returns the id of the JSON-RPC request. It is unique among the requests in flight of one session.
    pub fn request_id(&self) -> Option<&str> {
        self.request.as_ref()?.id.as_deref()
    }

    /// Returns a name for the session, which lasts as long as the connection (stdio) or the session of the protocol (HTTP
    /// before 2026-07-28). It is not the protocol's session id, and does not give access to the session. Over HTTP under
    /// 2026-07-28 there are no sessions.
    pub fn session(&self) -> Option<&str> {
        self.request.as_ref()?.session.as_deref()
    }

    /// Returns the value of type `T` that belongs to the session ([`Call::session`]); the first call of the session that asks
    /// for it makes it, by `T::default`. All tools of the server share it, and calls of one session can use it at the same
    /// time. It is dropped when the session ends and the calls that use it have ended.
    ///
    /// `None` over HTTP under 2026-07-28, which has no sessions: what must last from one call to the next is kept in the
    /// server's state, under an id that one call returns and the next one sends. `None` as well if a test calls the function
    /// itself with [`testing::call`](crate::testing::call).
    ///
    /// A session has at most one value of each type, a session over HTTP belongs to one caller, and the number of sessions is
    /// limited (`--max-sessions`). The handler limits the size of the value. It is lost with the process.
    ///
    /// ```
    /// use std::sync::Mutex;
    ///
    /// use candor::{Call, Server, mcp_tool, testing::Client, tools};
    /// use serde_json::json;
    ///
    /// /// The symbols that this session asked for.
    /// #[derive(Default)]
    /// struct Asked(Mutex<Vec<String>>);
    ///
    /// const MAX_SYMBOLS: usize = 100;
    ///
    /// /// Ask for a company, and list the companies so far.
    /// #[mcp_tool(read_only, closed_world, public)]
    /// fn ask(
    ///     call: &Call,
    ///     /// Ticker symbol.
    ///     #[param(max_len = 8)]
    ///     symbol: String,
    /// ) -> Result<Vec<String>, &'static str> {
    ///     let asked = call.session_state::<Asked>().ok_or("this client has no session")?;
    ///     let mut asked = asked.0.lock().map_err(|_| "an earlier call failed")?;
    ///     if asked.len() < MAX_SYMBOLS {
    ///         asked.push(symbol);
    ///     }
    ///     Ok(asked.clone())
    /// }
    ///
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// let client = Client::of(Server::new("prices", "1.0.0").tools(tools![ask])).await;
    /// client.call("ask", json!({"symbol": "AAPL"})).await.unwrap();
    /// let answer = client.call("ask", json!({"symbol": "MSFT"})).await.unwrap();
    /// assert_eq!(answer.structured, Some(json!(["AAPL", "MSFT"])));
    /// # });
    /// ```
    pub fn session_state<T: Any + Default + Send + Sync>(&self) -> Option<Arc<T>> {
        self.request.as_ref()?.session_state.as_ref()?.get()
    }

    /// Returns a header of the HTTP request, if it is text. Headers with credentials are left out: those whose name has
    /// a word such as `auth`, `authorization`, `cookie`, `credential`, `jwt`, `key`, `password`, `secret`, `session`,
    /// `signature` or `token`, between `-`, `_` and `.` (`x-api-key`, but not `x-author`).
    ///
    /// Clients and proxies can send any header, so a decision about access must not depend on one.
    pub fn header(&self, name: &str) -> Option<&str> {
        let headers = &self.request.as_ref()?.headers;
        headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Returns a value of the request's `_meta`, for example `traceparent`.
    pub fn meta(&self, key: &str) -> Option<&Value> {
        self.request.as_ref()?.meta.get(key)
    }

    /// Returns an idempotency key for a request to another service, so that a call that is sent again is one effect there
    /// as well. `service` names the request, for example `stripe` or, if one call sends two, `stripe:charge`.
    ///
    /// The key depends on the caller, its key and `service` alone, and reveals none of them: it is an HMAC. `None` if the
    /// caller sent no key.
    ///
    /// ```
    /// # use candor::Call;
    /// fn charge(call: &Call) -> Option<String> {
    ///     let key = call.downstream_key("stripe")?;
    ///     Some(format!("Idempotency-Key: {key}"))
    /// }
    /// # assert_eq!(charge(&candor::testing::call()), None);
    /// ```
    pub fn downstream_key(&self, service: &str) -> Option<String> {
        let key = self.idempotency_key.as_deref()?;
        // HMAC takes keys of any length.
        let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).ok()?;
        let caller = self.caller.identity();
        for part in ["candor downstream v1", caller.issuer.unwrap_or_default(), caller.subject, service] {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        Some(BASE64.encode(mac.finalize().into_bytes()))
    }

    /// Reports the progress of the call: `done` of `total`, in any unit, and a short message.
    ///
    /// Sends nothing unless the client asked for progress (`_meta.progressToken`). Every report is an event of level `debug` in
    /// the server's log (target `candor::progress`). Never waits: if the client reads more
    /// slowly than the handler reports, reports in between are dropped.
    pub fn progress(&self, done: f64, total: Option<f64>, message: impl Into<String>) {
        let reports = self.reports.as_ref().filter(|reports| reports.filter.progress);
        // The text may repeat an argument, so the level is one that must be asked for.
        #[cfg(feature = "telemetry")]
        if tracing::enabled!(target: "candor::progress", tracing::Level::DEBUG) {
            let (tool, message) = (self.descriptor.name, message.into());
            tracing::debug!(target: "candor::progress", tool, done, total, text = message, "progress");
            if let Some(reports) = reports {
                reports.send(Report::Progress { done, total, message });
            }
            return;
        }
        if let Some(reports) = reports {
            reports.send(Report::Progress { done, total, message: message.into() });
        }
    }

    /// Sends the client a message for its log, if the server does so ([`Server::logging`](crate::Server::logging)) and
    /// the client asked for messages of this level. Never waits, like [`Call::progress`].
    ///
    /// The protocol deprecates it as of 2026-07-28.
    pub fn log(&self, level: Level, message: impl Into<String>) {
        let filter = |reports: &&Reports| reports.filter.log.is_some_and(|least| level >= least);
        if let Some(reports) = self.reports.as_ref().filter(filter) {
            reports.send(Report::Log { level, message: message.into() });
        }
    }

    /// Returns whether the client declares that it can be asked for this ([`Ask`](crate::Ask)).
    pub fn can_be_asked(&self, feature: ClientFeature) -> bool {
        self.round.features.has(feature)
    }

    /// Returns the user's answer to the question `key` ([`Ask::form`](crate::Ask::form)): the fields, or the reason why the
    /// user gave no answer.
    /// The values are the client's: nothing checks them.
    pub fn form(&self, key: &str) -> FormAnswer<&Map<String, Value>> {
        self.round.form(key)
    }

    /// Returns the user's answer to the form of `T` ([`Ask::form_of`](crate::Ask::form_of)).
    pub fn filled<T: DeserializeOwned + JsonSchema>(&self) -> FormAnswer<T> {
        self.round.filled()
    }

    /// Returns the client's answer to the question `key` as the protocol defines it: a form with its `action`, the
    /// model's `content`, the `roots`. `None` without an answer, or if it cannot be read as a `T`.
    pub fn answer<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        self.round.answer(key)
    }

    /// Returns the state that the tool saved when it asked ([`Ask::state`](crate::Ask::state)).
    pub fn state(&self) -> Option<&str> {
        self.round.state.as_deref()
    }

    /// Returns the span of the handler. Spans that the handler opens are below it already; a thread or a task that the handler
    /// starts enters it.
    ///
    /// ```
    /// # use candor::{Call, mcp_tool};
    /// /// Read a large file.
    /// #[mcp_tool(read_only, closed_world, public)]
    /// fn read(call: &Call) -> u32 {
    ///     let span = call.span().clone();
    ///     let reader = std::thread::spawn(move || span.in_scope(|| 5));
    ///     reader.join().unwrap_or_default()
    /// }
    /// # assert_eq!(read(&candor::testing::call()), 5);
    /// ```
    #[cfg(feature = "telemetry")]
    pub fn span(&self) -> &tracing::Span {
        self.span.tracing()
    }

    /// Returns whether the caller has cancelled the call, or its deadline has passed.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.is_cancelled() || Instant::now() >= self.deadline
    }

    /// Waits until the caller cancels the call.
    pub async fn cancelled(&self) {
        self.cancelled.cancelled().await;
    }

    /// Returns the time at which the call times out (`timeout`).
    pub fn deadline(&self) -> Instant {
        self.deadline
    }
}

/// The channel of a handler's reports to the client.
#[derive(Clone, Debug)]
pub(crate) struct Reports {
    pub(crate) sender: mpsc::Sender<Report>,
    pub(crate) filter: ReportFilter,
}

impl Reports {
    fn send(&self, report: Report) {
        // A full channel holds newer reports than the client has read.
        let _ = self.sender.try_send(report);
    }
}
