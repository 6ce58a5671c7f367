//! Summarises the calls of a server: their number, their failures and their durations, for each tool and over time.

mod entry;
mod histogram;
mod page;
mod rank;
mod report;
mod shift;
mod step;
mod tally;
mod units;

pub(crate) use page::page;
pub(crate) use report::{ToolUsage, UsagePoint, UsageReport};
pub(crate) use shift::{ErrorShift, LatencyShift, UsageShift};
pub(crate) use tally::{CallWindow, UsageTally};
pub(crate) use units::{duration, percent, rounded};
