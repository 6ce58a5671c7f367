//! Selects the records that `audit show` and `audit export` print.

use clap::Args;
use jiff::{Span, Timestamp, tz::TimeZone};
use serde_json::Value;

use crate::{message::Message, text};

/// The flags that select records.
#[derive(Args)]
pub(super) struct FilterArgs {
    /// Only calls of this tool
    #[arg(long, value_name = "NAME")]
    tool: Option<String>,
    /// Only calls of this caller
    #[arg(long, value_name = "SUBJECT")]
    caller: Option<String>,
    /// Only records from this time on: `2026-11-21T12:00:00Z`, or `2h` for two hours ago
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only records before this time
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Only calls that ended like this: `ok`, `error`, `denied`, `asked`, `none`, or the reason, such as `scope` or `timeout`
    #[arg(long, value_name = "WORD")]
    outcome: Option<String>,
}

impl FilterArgs {
    pub(super) fn filter(self) -> Result<Filter, Message> {
        let Self { tool, caller, since, until, outcome } = self;
        let since = since.as_deref().map(time).transpose()?;
        let until = until.as_deref().map(time).transpose()?;
        Ok(Filter { tool, caller, since, until, outcome })
    }
}

/// The records that a user asked for; all of them by default.
#[derive(Default)]
pub(super) struct Filter {
    pub(super) tool: Option<String>,
    pub(super) caller: Option<String>,
    pub(super) since: Option<String>,
    pub(super) until: Option<String>,
    pub(super) outcome: Option<String>,
}

impl Filter {
    pub(super) fn matches(&self, record: &Value) -> bool {
        let ts = record["ts"].as_str().unwrap_or_default();
        let is = |option: &Option<String>, value: &Value| option.as_deref().is_none_or(|text| value == text);
        self.since.as_deref().is_none_or(|since| ts >= since)
            && self.until.as_deref().is_none_or(|until| ts < until)
            && is(&self.tool, &record["tool"])
            && is(&self.caller, &record["caller"]["sub"])
            && self.outcome.as_deref().is_none_or(|outcome| outcomes(record).contains(&outcome))
    }

    /// Whether a read that names this context may be asked for.
    pub(super) fn matches_context(&self, context: &Value) -> bool {
        let is = |option: &Option<String>, value: &Value| option.as_deref().is_none_or(|text| value == text);
        let ts = context["ts"].as_str().unwrap_or_default();
        // The reads come later.
        self.until.as_deref().is_none_or(|until| ts < until)
            && is(&self.tool, &context["tool"])
            && is(&self.caller, &context["caller"]["sub"])
    }

    /// Whether only calls were asked for.
    pub(super) fn only_calls(&self) -> bool {
        self.tool.is_some() || self.caller.is_some() || self.outcome.is_some()
    }
}

/// Returns the words for the end of a call.
fn outcomes(record: &Value) -> Vec<&str> {
    let outcome = &record["outcome"];
    match record["kind"].as_str() {
        Some("outcome") => {
            [&outcome["status"], &outcome["reason"]].iter().filter_map(|word| word.as_str()).collect()
        }
        // A read says how it ended unless it succeeded.
        Some("read") => {
            let reason = record["reason"].as_str();
            [record["status"].as_str().unwrap_or("ok")].into_iter().chain(reason).collect()
        }
        Some("asked") => vec!["asked"],
        Some("denied") => ["denied"].into_iter().chain(record["decision"]["denied_by"].as_str()).collect(),
        Some("unended") => vec!["none"],
        _ => Vec::new(),
    }
}

/// Reads a time, and returns it as it is written in records.
pub(in crate::cli) fn time(argument: &str) -> Result<String, Message> {
    let invalid = || {
        Message::new(format!("`{}` is not a time", text::shown(argument)))
            .help("for example `2026-11-21T12:00:00Z`, or `2h` for two hours ago")
    };
    let time = match argument.parse::<Timestamp>() {
        Ok(time) => time,
        Err(_) => {
            let span: Span = argument.parse().map_err(|_| invalid())?;
            Timestamp::now().to_zoned(TimeZone::UTC).checked_sub(span).map_err(|_| invalid())?.timestamp()
        }
    };
    Ok(format!("{time:.6}"))
}
