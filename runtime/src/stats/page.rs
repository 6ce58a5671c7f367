//! Writes a summary as one HTML page with plots, which needs no server and runs no script.

mod plot;

use std::fmt::Write as _;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha2::{Digest as _, Sha256};

use super::{
    report::{UsageReport, UsageSource},
    tool_usage::{ToolUsage, UsagePoint},
    units::percent,
};
use crate::contract::{escaped, fill, thousands};
use plot::{Axis, Plot, Series, SeriesKind};

const STATS_TEMPLATE: &str = include_str!("page/page.html");
const STATS_STYLE: &str = include_str!("page/page.css");
/// The most tools that have plots of their own.
const MAX_PLOTTED_TOOLS: usize = 12;

/// Writes the page.
pub(crate) fn page(server: &str, report: &UsageReport) -> String {
    fill(STATS_TEMPLATE, |place| match place {
        "policy" => policy(),
        "style" => STATS_STYLE.to_owned(),
        "candor" => env!("CARGO_PKG_VERSION").to_owned(),
        "server" => escaped(server),
        "facts" => facts(report),
        "shifts" => shifts(report),
        "overview" => overview(report),
        "tools" => plotted_tools(report),
        "trend" => {
            if has_trend(report) { "<th scope=\"col\" class=\"drawn\">p95 over time</th>" } else { "" }
                .to_owned()
        }
        "rows" => rows(report),
        "scope" => scope(report),
        _ => unreachable!("the template has no such place"),
    })
}

/// The content security policy of the page: its own style, and nothing else.
fn policy() -> String {
    let digest = STANDARD.encode(Sha256::digest(STATS_STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    )
}

fn facts(report: &UsageReport) -> String {
    let all = &report.all;
    if report.times.is_none() && report.source == UsageSource::AuditLog {
        return format!("<p class=\"facts\">{}</p>", report.period());
    }
    let fact = |value: String, what: &str| format!("<div><dt>{what}</dt><dd>{value}</dd></div>");
    let facts = [
        fact(thousands(all.calls), "calls"),
        fact(percent(all.calls - all.errors, all.calls), "succeeded"),
        fact(thousands(all.errors), "errors"),
        fact(thousands(all.denied), "denied"),
        fact(thousands(report.tools.len() as u64), "tools"),
    ];
    let period = whole_dates(&report.period());
    format!("<p class=\"facts\">{period}</p><dl class=\"sums\">{}</dl>", facts.concat())
}

/// Keeps dates from being broken at their hyphens. The text is the program's own.
fn whole_dates(text: &str) -> String {
    let words = text.split(' ').map(|word| {
        let is_date = word.contains('-') && word.starts_with(|c: char| c.is_ascii_digit());
        if is_date { format!("<span class=\"date\">{word}</span>") } else { word.to_owned() }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Lists the tools that changed.
fn shifts(report: &UsageReport) -> String {
    let mut html = String::new();
    for (tool, shift) in report.shifted() {
        let class = if shift.is_worse() { "worse" } else { "better" };
        let name = escaped(&tool.name);
        let _ = writeln!(
            html,
            "<li class=\"{class}\"><strong><bdi>{name}</bdi></strong> {}</li>",
            whole_dates(&shift.text())
        );
    }
    if html.is_empty() {
        // Without times, a change cannot be seen.
        if report.starts.is_empty() {
            return String::new();
        }
        return "<p class=\"still\">No tool became slower or failed more often within the period.</p>"
            .to_owned();
    }
    format!("<ul class=\"shifts\">{html}</ul>")
}

fn overview(report: &UsageReport) -> String {
    if report.starts.is_empty() {
        return format!(
            "<section><h2>All tools</h2><div class=\"plots\">{}</div></section>",
            denials(report)
        );
    }
    let sums: Vec<UsagePoint> = (0..report.starts.len()).map(|at| sum_of_step(report, at)).collect();
    let mut html = "<section><h2>All tools</h2><div class=\"plots\">".to_owned();
    html.push_str(&calls_plot(report, "all", "all tools", &sums, None));
    html.push_str(&error_share_plot(report, "all", "all tools", &sums, None));
    html.push_str(&denials(report));
    html.push_str("</div>");
    html.push_str(&steps_table(report, "all tools", &sums, false));
    html.push_str("</section>");
    html
}

fn sum_of_step(report: &UsageReport, at: usize) -> UsagePoint {
    let mut sum = UsagePoint::default();
    for point in report.tools.iter().filter_map(|tool| tool.trend.get(at)) {
        sum.calls += point.calls;
        sum.errors += point.errors;
    }
    sum
}

fn plotted_tools(report: &UsageReport) -> String {
    let plotted = report.tools.iter().filter(|tool| tool.calls > 0 && !tool.trend.is_empty());
    let mut plotted = plotted.take(MAX_PLOTTED_TOOLS).enumerate().peekable();
    if plotted.peek().is_none() {
        return String::new();
    }
    let mut html = "<section><h2>Slowest and most failing tools</h2><p class=\"facts\">Tools that changed within the period come \
                    first, then by turns the slowest and the most failing ones.</p>"
        .to_owned();
    for (number, tool) in plotted {
        let name = escaped(&tool.name);
        let id = format!("tool-{number}");
        let _ = write!(
            html,
            "<section class=\"tool\" aria-labelledby=\"{id}\"><h3 id=\"{id}\"><bdi>{name}</bdi></h3>"
        );
        if let Some(shift) = &tool.shift {
            let class = if shift.is_worse() { "worse" } else { "better" };
            let _ = write!(html, "<p class=\"shift {class}\">{}</p>", whole_dates(&shift.text()));
        }
        let _ = write!(
            html,
            "<p class=\"facts\">{} calls, {} errors ({}); p50 {}, p95 {}, p99 {}</p><div class=\"plots\">",
            thousands(tool.calls),
            thousands(tool.errors),
            percent(tool.errors, tool.calls),
            report.time(tool.p50, "–"),
            report.time(tool.p95, "–"),
            report.time(tool.p99, "–"),
        );
        let mark = tool.shift.as_ref().and_then(|shift| mark(report, shift.start()));
        html.push_str(&latency_plot(report, &id, tool, mark));
        html.push_str(&error_share_plot(report, &id, &tool.name, &tool.trend, mark));
        html.push_str(&calls_plot(report, &id, &tool.name, &tool.trend, mark));
        html.push_str("</div>");
        html.push_str(&steps_table(report, &tool.name, &tool.trend, true));
        html.push_str("</section>");
    }
    html.push_str("</section>");
    html
}

/// The index of the step at which a change began.
fn mark(report: &UsageReport, start: i64) -> Option<usize> {
    report.starts.iter().position(|of_step| *of_step == start)
}

fn latency_plot(report: &UsageReport, id: &str, tool: &ToolUsage, mark: Option<usize>) -> String {
    let line = |name, class, value: fn(&UsagePoint) -> Option<u64>| Series {
        name,
        class,
        kind: SeriesKind::Line,
        values: tool.trend.iter().map(value).collect(),
    };
    Plot {
        id: &format!("{id}-latency"),
        title: "Latency",
        about: format!("Latency of {} a {}, as percentiles", tool.name, report.step.noun()),
        axis: Axis::Duration,
        labels: labels(report),
        series: vec![
            line("p99", "p99", |point| point.p99),
            line("p95", "p95", |point| point.p95),
            line("p50", "p50", |point| point.p50),
        ],
        mark,
    }
    .svg()
}

fn calls_plot(
    report: &UsageReport,
    id: &str,
    name: &str,
    points: &[UsagePoint],
    mark: Option<usize>,
) -> String {
    let bars = |name, class, value: fn(&UsagePoint) -> u64| Series {
        name,
        class,
        kind: SeriesKind::Bars,
        values: points.iter().map(|point| Some(value(point))).collect(),
    };
    Plot {
        id: &format!("{id}-calls"),
        title: "Calls, with errors",
        about: format!("Calls of {name} a {}, and those of them that failed", report.step.noun()),
        axis: Axis::Count,
        labels: labels(report),
        series: vec![
            bars("calls", "calls", |point| point.calls),
            bars("errors", "errors", |point| point.errors),
        ],
        mark,
    }
    .svg()
}

fn error_share_plot(
    report: &UsageReport,
    id: &str,
    name: &str,
    points: &[UsagePoint],
    mark: Option<usize>,
) -> String {
    let share = |point: &UsagePoint| (point.calls > 0).then(|| point.errors * 1_000_000 / point.calls);
    Plot {
        id: &format!("{id}-errors"),
        title: "Errors, share of calls",
        about: format!("Share of the calls of {name} that failed, a {}", report.step.noun()),
        axis: Axis::Share,
        labels: labels(report),
        series: vec![Series {
            name: "errors",
            class: "errors",
            kind: SeriesKind::Bars,
            values: points.iter().map(share).collect(),
        }],
        mark,
    }
    .svg()
}

fn labels(report: &UsageReport) -> Vec<String> {
    report.starts.iter().map(|start| report.step.label(*start)).collect()
}

/// Shows the denials for each reason as bars beside their numbers: the table is the plot.
fn denials(report: &UsageReport) -> String {
    let most = report.denials.first().map_or(1, |(_, count)| *count).max(1);
    let mut html = "<figure class=\"denials\"><figcaption>Denied, by reason</figcaption>".to_owned();
    if report.denials.is_empty() {
        html.push_str("<p class=\"facts\">No call was denied.</p></figure>");
        return html;
    }
    html.push_str("<table><thead><tr><th scope=\"col\">reason</th><th scope=\"col\" class=\"number\">calls</th><th scope=\"col\"><span class=\"unseen\">bar</span></th></tr></thead><tbody>");
    for (reason, count) in &report.denials {
        let _ = writeln!(
            html,
            "<tr><th scope=\"row\"><bdi>{}</bdi></th><td class=\"number\">{}</td><td>{}</td></tr>",
            escaped(reason),
            thousands(*count),
            plot::bar(*count, most, "denied"),
        );
    }
    html.push_str("</tbody></table></figure>");
    html
}

/// Shows the numbers behind the plots.
fn steps_table(report: &UsageReport, name: &str, points: &[UsagePoint], has_latency: bool) -> String {
    let noun = report.step.noun();
    let latency = if has_latency {
        "<th scope=\"col\">p50</th><th scope=\"col\">p95</th><th scope=\"col\">p99</th>"
    } else {
        ""
    };
    let mut html = format!(
        "<details><summary>The numbers of {}</summary><div class=\"wide\" tabindex=\"0\" role=\"region\" \
         aria-label=\"The numbers of {0}\"><table class=\"numbers\"><thead><tr><th scope=\"col\">{noun} (UTC)</th><th scope=\"col\">calls</th>\
         <th scope=\"col\">errors</th>{latency}</tr></thead><tbody>",
        escaped(name),
    );
    for (start, point) in report.starts.iter().zip(points).filter(|(_, point)| point.calls > 0) {
        let _ = write!(
            html,
            "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td>",
            report.step.label(*start),
            thousands(point.calls),
            thousands(point.errors),
        );
        if has_latency {
            let _ = write!(
                html,
                "<td>{}</td><td>{}</td><td>{}</td>",
                report.time(point.p50, "–"),
                report.time(point.p95, "–"),
                report.time(point.p99, "–")
            );
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</tbody></table></div></details>");
    html
}

/// Lists all tools, those first that a reader should see first.
fn rows(report: &UsageReport) -> String {
    let mut html = String::new();
    let slowest = report.tools.iter().filter_map(|tool| tool.p95).max().unwrap_or(1).max(1);
    for tool in &report.tools {
        let class = match &tool.shift {
            Some(shift) if shift.is_worse() => " class=\"worse\"",
            _ => "",
        };
        let _ = writeln!(
            html,
            "<tr{class}><th scope=\"row\"><bdi>{}</bdi></th><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td>\
             <td class=\"drawn\">{}</td>{}<td>{}</td></tr>",
            escaped(&tool.name),
            thousands(tool.calls),
            thousands(tool.errors),
            if tool.calls == 0 { "–".to_owned() } else { percent(tool.errors, tool.calls) },
            report.time(tool.p50, "–"),
            report.time(tool.p95, "–"),
            report.time(tool.p99, "–"),
            plot::bar(tool.p95.unwrap_or(0), slowest, "p95"),
            trend_cell(report, tool),
            thousands(tool.denied),
        );
    }
    html
}

/// Whether the source has times.
fn has_trend(report: &UsageReport) -> bool {
    !report.starts.is_empty()
}

fn trend_cell(report: &UsageReport, tool: &ToolUsage) -> String {
    if !has_trend(report) {
        return String::new();
    }
    let values: Vec<_> = tool.trend.iter().map(|point| point.p95).collect();
    format!("<td class=\"drawn\">{}</td>", plot::sparkline(&values))
}

fn scope(report: &UsageReport) -> String {
    let mut html = String::new();
    for sentence in report.scope() {
        let escaped = escaped(&sentence);
        let parts = escaped.split('`').enumerate();
        // Text between two backticks is code.
        let parts = parts
            .map(|(at, part)| if at % 2 == 1 { format!("<code>{part}</code>") } else { part.to_owned() });
        let _ = writeln!(html, "<p>{}</p>", parts.collect::<String>());
    }
    for fault in report.faults() {
        let _ = writeln!(
            html,
            "<p class=\"fault\">The log has faults, and calls may be missing: {}.</p>",
            escaped(&fault)
        );
    }
    html
}
