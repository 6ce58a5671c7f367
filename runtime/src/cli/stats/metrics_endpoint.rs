//! Asks a running server for its metrics.

use http::{HeaderMap, HeaderValue, header};

use crate::{
    cli::exchange::{Endpoint, HttpAnswer},
    message::Message,
    stats::{NotMetrics, UsageReport, scraped},
    text,
};

/// The environment variable with the token of a server that needs one.
const STATS_TOKEN_VARIABLE: &str = "CANDOR_STATS_TOKEN";
const DEFAULT_PATH: &str = "/metrics";
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0";
const ADDRESS_HELP: &str = "give the address of its metrics, such as `http://127.0.0.1:8080/metrics`: the address of \
                            `serve --http` or, if there is one, of `serve --health`";

/// The metrics of one server.
pub(super) struct MetricsEndpoint {
    endpoint: Endpoint,
    headers: HeaderMap,
    has_token: bool,
    /// The one tool that is counted.
    tool: Option<String>,
    shown: String,
}

impl MetricsEndpoint {
    /// Reads the address. One without a path has its metrics at `/metrics`.
    pub(super) fn new(url: &str, tool: Option<String>) -> Result<Self, Message> {
        let not_an_address = || {
            Message::new(format!("`{}` is not the address of a server", text::shown(url))).help(ADDRESS_HELP)
        };
        let (scheme, rest) = url.split_once("://").ok_or_else(not_an_address)?;
        let host = rest.strip_suffix('/').unwrap_or(rest);
        if !["http", "https"].contains(&scheme) || host.is_empty() {
            return Err(not_an_address());
        }
        let has_path = host.contains(['/', '?', '#']);
        let url = if has_path { url.to_owned() } else { format!("{scheme}://{host}{DEFAULT_PATH}") };
        let endpoint = Endpoint::new(&url, ADDRESS_HELP)?;
        let token = endpoint.token(STATS_TOKEN_VARIABLE)?;
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static(OPENMETRICS));
        headers.insert(
            header::USER_AGENT,
            HeaderValue::from_static(concat!("candor/", env!("CARGO_PKG_VERSION"))),
        );
        if let Some(token) = &token {
            let value = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| {
                Message::new(format!(
                    "the token in `{STATS_TOKEN_VARIABLE}` has characters that a header cannot have"
                ))
                .help("set it to one line of printable ASCII characters")
            })?;
            headers.insert(header::AUTHORIZATION, value);
        }
        Ok(Self { endpoint, headers, has_token: token.is_some(), tool, shown: text::shown(&url) })
    }

    /// The address for people.
    pub(super) fn shown(&self) -> &str {
        &self.shown
    }

    /// Asks for the metrics, and sums them up.
    pub(super) fn report(&self) -> Result<UsageReport, Message> {
        let shown = &self.shown;
        let answer = self.endpoint.get(&self.headers).map_err(|error| {
            Message::new(format!("{shown} does not answer: {error}")).help(
                "start the server with `serve --http ADDRESS`, or read its audit log: `stats --audit DIR`",
            )
        })?;
        let HttpAnswer { status, body, .. } = answer;
        match (status, self.has_token) {
            (200, _) => scraped(&body, self.tool.as_deref()).map_err(|reason| self.not_metrics(reason)),
            (401, false) => Err(Message::new(format!("{shown} asks for a token"))
                .help(format!(
                    "set the environment variable `{STATS_TOKEN_VARIABLE}` to the token of any caller"
                ))
                .help("or give the address of `serve --health`, which needs none")),
            (401 | 403, true) => Err(Message::new(format!(
                "{shown} does not accept the token, and answers {status}"
            ))
            .help(format!("set the environment variable `{STATS_TOKEN_VARIABLE}` to the token of a caller"))),
            _ => Err(Message::new(format!("{shown} has no metrics: it answers with status {status}"))
                .note("a server that was built without the feature `telemetry` has none either")
                .help(ADDRESS_HELP)),
        }
    }

    fn not_metrics(&self, reason: NotMetrics) -> Message {
        let shown = &self.shown;
        match reason {
            NotMetrics::Line(number) => Message::new(format!(
                "{shown} does not answer with metrics: line {number} is not in the format OpenMetrics 1.0"
            ))
            .help(ADDRESS_HELP),
            NotMetrics::Cut => {
                Message::new(format!("the answer of {shown} is cut: it does not end with `# EOF`"))
                    .help("ask again, or ask the server itself if there is a proxy between")
            }
            NotMetrics::OfAnotherProgram => Message::new(format!(
                "the metrics at {shown} are not those of an MCP server: `mcp_server_operation_duration_seconds` is missing"
            ))
            .help(ADDRESS_HELP),
        }
    }
}
