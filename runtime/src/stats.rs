//! Summarises the calls of a server: their number, their failures and their durations, for each tool and over time.

mod entry;
#[cfg(feature = "http")]
mod exposition;
mod histogram;
mod page;
mod rank;
mod report;
mod shift;
mod step;
mod tally;
mod tool_usage;
mod units;

#[cfg(feature = "http")]
pub(crate) use exposition::{NotMetrics, scraped};
pub(crate) use page::page;
pub(crate) use report::{UsageReport, UsageSource};
pub(crate) use shift::{ErrorShift, LatencyShift, UsageShift};
pub(crate) use tally::{CallWindow, UsageTally};
pub(crate) use tool_usage::{ToolUsage, UsagePoint};
pub(crate) use units::{percent, rounded};
