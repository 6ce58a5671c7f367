//! Orders tools so that the slowest and the most failing ones come first.

use std::cmp::Reverse;

use super::{tool_usage::ToolUsage, units::as_f64};

/// The normal quantile of the lower bound of a share: 97.5 %.
const Z: f64 = 1.96;

/// Orders tools: those that changed for the worse, then those that changed otherwise, then by turns the slowest and the most
/// failing ones, each tool once.
pub(super) fn order(tools: Vec<ToolUsage>) -> Vec<ToolUsage> {
    let changed =
        |tool: &ToolUsage| Reverse(tool.shift.as_ref().map(|shift| (shift.is_worse(), shift.start())));
    let slowest = ranks(&tools, |tool| as_f64(tool.p95.unwrap_or_default()));
    let most_failing = ranks(&tools, |tool| lower_bound(tool.errors, tool.calls));
    let mut ranked: Vec<_> = tools
        .into_iter()
        .zip(slowest.into_iter().zip(most_failing))
        .map(|(tool, (slow, failing))| {
            // A tool without errors has no place among the most failing ones.
            let failing = if tool.errors == 0 { usize::MAX } else { failing };
            ((changed(&tool), slow.min(failing), slow), tool)
        })
        .collect();
    ranked.sort_by(|(a, tool), (b, other)| a.cmp(b).then_with(|| tool.name.cmp(&other.name)));
    ranked.into_iter().map(|(_, tool)| tool).collect()
}

/// Returns the place of each tool if the tools are ordered by `value`, the highest first.
fn ranks(tools: &[ToolUsage], value: impl Fn(&ToolUsage) -> f64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..tools.len()).collect();
    order.sort_by(|a, b| value(&tools[*b]).total_cmp(&value(&tools[*a])));
    let mut ranks = vec![0; tools.len()];
    for (rank, at) in order.into_iter().enumerate() {
        ranks[at] = rank;
    }
    ranks
}

/// The share of errors that a tool has at least (Wilson's interval), so that one call that failed does not make a tool the
/// most failing one.
fn lower_bound(errors: u64, calls: u64) -> f64 {
    if calls == 0 {
        return 0.0;
    }
    let (calls, share) = (as_f64(calls), as_f64(errors) / as_f64(calls));
    let middle = share + Z * Z / (2.0 * calls);
    let width = Z * (share * (1.0 - share) / calls + Z * Z / (4.0 * calls * calls)).sqrt();
    ((middle - width) / (1.0 + Z * Z / calls)).max(0.0)
}
