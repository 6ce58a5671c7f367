//! Writes a summary as a table for a terminal, with bars and a sparkline a tool.

use std::{
    env,
    fmt::Write as _,
    io::{self, IsTerminal as _},
};

use crate::{
    cli::audit::{plain, short},
    contract::thousands,
    stats::{ToolUsage, UsageReport, percent, rounded},
};

/// The width of a table that no terminal shows, in characters.
const DEFAULT_WIDTH: usize = 80;
const MIN_WIDTH: usize = 40;
const MAX_WIDTH: usize = 120;
/// The widths from which on there is room for the trend, and for the bar and the other percentiles.
const TREND_MIN_WIDTH: usize = 60;
const BAR_MIN_WIDTH: usize = 80;
const NUMBER_CHARS: usize = 7;
const DURATION_CHARS: usize = 9;
const BAR_CHARS: usize = 8;
const MIN_TREND_CHARS: usize = 10;
const MAX_TREND_CHARS: usize = 30;
const MAX_NAME_COLUMN_CHARS: usize = 40;
/// The share of errors, in percent, from which on it is marked.
const MARKED_ERROR_PERCENT: u64 = 1;

/// The place where a table is shown.
pub(super) struct TableStyle {
    width: usize,
    is_coloured: bool,
    /// The number of tools that are shown.
    top: usize,
}

impl TableStyle {
    pub(super) fn of_stdout(top: usize) -> Self {
        let is_terminal = io::stdout().is_terminal();
        let size = if is_terminal { terminal_size::terminal_size() } else { None };
        let width = size.map_or(DEFAULT_WIDTH, |(width, _)| usize::from(width.0));
        // https://no-color.org: any value but an empty one.
        let no_colours = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { width: width.clamp(MIN_WIDTH, MAX_WIDTH), is_coloured: is_terminal && !no_colours, top }
    }

    /// The style of a table that is shown again in its place: it must not be higher than the terminal.
    pub(super) fn of_screen(top: usize) -> Self {
        /// The lines around the rows of the tools.
        const OTHER_LINES: usize = 22;
        let style = Self::of_stdout(top);
        let height = if io::stdout().is_terminal() { terminal_size::terminal_size() } else { None };
        let rows = height.map_or(top, |(_, height)| usize::from(height.0).saturating_sub(OTHER_LINES).max(3));
        Self { top: top.min(rows), ..style }
    }

    fn paint(&self, colour: Colour, text: &str) -> String {
        if self.is_coloured { format!("\x1b[{}m{text}\x1b[0m", colour as u8) } else { text.to_owned() }
    }
}

/// A colour or a weight (ECMA-48 §8.3.117).
#[derive(Clone, Copy)]
enum Colour {
    Bold = 1,
    Faint = 2,
    Red = 31,
    Yellow = 33,
}

/// Writes the table.
pub(super) fn table(server: &str, report: &UsageReport, style: &TableStyle) -> String {
    let mut text = heading(server, report, style);
    for (tool, shift) in report.shifted().take(style.top) {
        let line = format!("! {}: {}", short(&tool.name, MAX_NAME_COLUMN_CHARS), shift.text());
        let colour = if shift.is_worse() { Colour::Red } else { Colour::Yellow };
        for line in wrapped(&line, style.width, "  ") {
            let _ = writeln!(text, "{}", style.paint(colour, &line));
        }
    }
    if !report.tools.is_empty() {
        text.push('\n');
        rows(&mut text, report, style);
    }
    denials(&mut text, report, style);
    text.push('\n');
    for sentence in report.scope() {
        for line in wrapped(&sentence, style.width, "") {
            let _ = writeln!(text, "{}", style.paint(Colour::Faint, &line));
        }
    }
    text
}

fn heading(server: &str, report: &UsageReport, style: &TableStyle) -> String {
    let all = &report.all;
    let mut facts = vec![format!("{} calls", thousands(all.calls))];
    if all.calls > 0 {
        facts.push(format!("{} succeeded", percent(all.calls - all.errors, all.calls)));
        facts.push(format!("{} errors", thousands(all.errors)));
    }
    facts.push(format!("{} denied", thousands(all.denied)));
    let mut text = String::new();
    for line in wrapped(&format!("{}: {}", plain(server), facts.join(", ")), style.width, "  ") {
        let _ = writeln!(text, "{}", style.paint(Colour::Bold, &line));
    }
    let _ = writeln!(text, "{}", style.paint(Colour::Faint, &report.period()));
    text
}

/// The columns of the table at a width.
struct Columns {
    name: usize,
    has_percentiles: bool,
    /// The characters of the bar and of the trend; 0 without one.
    bar: usize,
    trend: usize,
}

impl Columns {
    fn of(report: &UsageReport, width: usize) -> Self {
        let has_trend = width >= TREND_MIN_WIDTH && report.tools.iter().any(|tool| !tool.trend.is_empty());
        let has_percentiles = width >= BAR_MIN_WIDTH;
        let bar = if has_percentiles { BAR_CHARS } else { 0 };
        let durations = if has_percentiles { 3 } else { 1 };
        let column = |chars: usize| if chars > 0 { chars + 1 } else { 0 };
        let fixed = 2 * (NUMBER_CHARS + 1) + durations * (DURATION_CHARS + 1) + column(bar);
        let longest = report.tools.iter().map(|tool| plain(&tool.name).chars().count()).max().unwrap_or(0);
        let min_trend = if has_trend { MIN_TREND_CHARS } else { 0 };
        let room = width.saturating_sub(fixed + column(min_trend));
        let name = longest.clamp(4, MAX_NAME_COLUMN_CHARS).min(room);
        let trend = if has_trend { (min_trend + room - name).min(MAX_TREND_CHARS) } else { 0 };
        Self { name, has_percentiles, bar, trend }
    }

    /// Writes a line of cells. The last two are drawn.
    fn line(
        &self,
        name: &str,
        [calls, errors]: [&str; 2],
        durations: [&str; 3],
        bar: &str,
        trend: &str,
    ) -> String {
        let mut line = format!("{name:<0$} {calls:>NUMBER_CHARS$} {errors:>NUMBER_CHARS$}", self.name);
        let [p50, p95, p99] = durations;
        let shown = if self.has_percentiles { &[p50, p95, p99][..] } else { &[p95] };
        for duration in shown {
            let _ = write!(line, " {duration:>DURATION_CHARS$}");
        }
        if self.bar > 0 {
            let _ = write!(line, " {bar:<0$}", self.bar);
        }
        if self.trend > 0 {
            let _ = write!(line, " {trend:<0$}", self.trend);
        }
        line.trim_end().to_owned()
    }
}

fn rows(text: &mut String, report: &UsageReport, style: &TableStyle) {
    let columns = Columns::of(report, style.width);
    let trend = format!("P95 A {}", report.step.noun().to_uppercase());
    let trend = if trend.len() > columns.trend { "P95 TREND" } else { &trend };
    let head = columns.line("TOOL", ["CALLS", "ERRORS"], ["P50", "P95", "P99"], "P95", trend);
    let _ = writeln!(text, "{}", style.paint(Colour::Faint, &head));
    let slowest = report.tools.iter().filter_map(|tool| tool.p95).max().unwrap_or(0);
    for tool in report.tools.iter().take(style.top) {
        let errors = if tool.calls == 0 { "-".to_owned() } else { percent(tool.errors, tool.calls) };
        let times = [tool.p50, tool.p95, tool.p99].map(|us| report.time(us, "-"));
        let line = columns.line(
            &short(&tool.name, columns.name),
            [&rounded(tool.calls), &errors],
            times.each_ref().map(String::as_str),
            &bar(tool.p95.unwrap_or(0), slowest, columns.bar),
            &sparkline(tool, columns.trend),
        );
        let colour = match &tool.shift {
            Some(shift) if shift.is_worse() => Some(Colour::Red),
            _ if tool.errors * 100 >= tool.calls * MARKED_ERROR_PERCENT && tool.errors > 0 => {
                Some(Colour::Yellow)
            }
            _ => None,
        };
        let _ =
            writeln!(text, "{}", colour.map_or_else(|| line.clone(), |colour| style.paint(colour, &line)));
    }
    let more = report.tools.len().saturating_sub(style.top);
    if more > 0 {
        let _ = writeln!(text, "… and {more} more: `--top {}` shows them", report.tools.len());
    }
}

fn denials(text: &mut String, report: &UsageReport, style: &TableStyle) {
    let Some((_, most)) = report.denials.first() else { return };
    let _ = writeln!(text, "\n{}", style.paint(Colour::Faint, "DENIED BY"));
    for (reason, count) in &report.denials {
        let reason = short(reason, 20);
        let _ = writeln!(
            text,
            "{reason:<20} {:>NUMBER_CHARS$} {}",
            rounded(*count),
            bar(*count, *most, BAR_CHARS)
        );
    }
}

/// Draws a bar of blocks in eighths of a character. A value above zero has a bar.
fn bar(value: u64, most: u64, chars: usize) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    if most == 0 || value == 0 || chars == 0 {
        return String::new();
    }
    let eighths = (u128::from(value) * 8 * chars as u128 / u128::from(most)).max(1);
    let eighths = usize::try_from(eighths).unwrap_or(8 * chars).min(8 * chars);
    format!("{}{}", "█".repeat(eighths / 8), EIGHTHS[eighths % 8])
}

/// Draws the p95 of a tool over time, from zero to its highest. A step without calls is a dot.
fn sparkline(tool: &ToolUsage, chars: usize) -> String {
    const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let steps = tool.trend.len();
    let chars = chars.min(steps);
    let most = tool.trend.iter().filter_map(|point| point.p95).max().unwrap_or(0).max(1);
    let mark = |char: usize| {
        let points = &tool.trend[char * steps / chars..(char + 1) * steps / chars];
        let highest = points.iter().filter_map(|point| point.p95).max();
        highest.map_or('·', |p95| {
            let level = (u128::from(p95) * 8).div_ceil(u128::from(most)).clamp(1, 8);
            LEVELS[usize::try_from(level - 1).unwrap_or(7)]
        })
    };
    (0..chars).map(mark).collect()
}

/// Breaks a text into lines of at most `width` characters. All but the first are indented.
fn wrapped(text: &str, width: usize, indent: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is a first line");
        let is_empty = line.trim().is_empty();
        if !is_empty && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(format!("{indent}{word}"));
            continue;
        }
        if !is_empty {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines
}
