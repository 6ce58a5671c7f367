//! Draws series as inline SVG.

use std::fmt::Write as _;

use crate::{
    contract::escaped,
    stats::units::{as_f64, duration, percent, rounded},
};

/// The size of a plot and of the margins around it, in units of its view box.
const PLOT_WIDTH: f64 = 460.0;
const PLOT_HEIGHT: f64 = 210.0;
const LEFT: f64 = 58.0;
const RIGHT: f64 = 34.0;
const TOP: f64 = 22.0;
const BOTTOM: f64 = 26.0;
/// The least distance between the names at the ends of lines.
const NAME_DISTANCE: f64 = 13.0;
/// The share of a step that a bar takes.
const BAR_SHARE: f64 = 0.78;

/// A plot of one or several series over the same steps.
pub(super) struct Plot<'a> {
    /// The id of its title in the page.
    pub(super) id: &'a str,
    pub(super) title: &'a str,
    /// The description that a screen reader reads.
    pub(super) about: String,
    pub(super) axis: Axis,
    /// The names of the steps.
    pub(super) labels: Vec<String>,
    pub(super) series: Vec<Series>,
    /// The step at which a change began.
    pub(super) mark: Option<usize>,
}

/// The unit of a plot's values.
#[derive(Clone, Copy)]
pub(super) enum Axis {
    /// Microseconds.
    Duration,
    Count,
    /// Millionths.
    Share,
}

pub(super) struct Series {
    pub(super) name: &'static str,
    pub(super) class: &'static str,
    pub(super) kind: SeriesKind,
    /// A value a step; `None` where there were no calls.
    pub(super) values: Vec<Option<u64>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum SeriesKind {
    Line,
    Bars,
}

impl Axis {
    fn text(self, value: u64) -> String {
        match self {
            Self::Duration if value == 0 => "0".to_owned(),
            Self::Duration => duration(value),
            Self::Count => rounded(value),
            Self::Share => percent(value, 1_000_000),
        }
    }

    /// The least value at the top of the axis.
    fn least_top(self) -> u64 {
        match self {
            Self::Duration => 100,
            Self::Count => 4,
            // Two errors in a hundred look small, and all of them large.
            Self::Share => 20_000,
        }
    }

    /// The greatest value at the top of the axis.
    fn greatest_top(self) -> u64 {
        match self {
            Self::Share => 1_000_000,
            _ => u64::MAX,
        }
    }
}

impl Plot<'_> {
    pub(super) fn svg(&self) -> String {
        let highest = self.series.iter().flat_map(|series| series.values.iter().flatten()).max();
        let top =
            nice(highest.copied().unwrap_or(0).max(self.axis.least_top())).min(self.axis.greatest_top());
        let id = self.id;
        let mut svg = format!(
            "<figure><figcaption>{}</figcaption><svg viewBox=\"0 0 {PLOT_WIDTH} {PLOT_HEIGHT}\" role=\"img\" \
             aria-labelledby=\"{id}-title {id}-about\"><title id=\"{id}-title\">{0}</title><desc id=\"{id}-about\">{}. {}</desc>",
            escaped(self.title),
            escaped(&self.about),
            escaped(&self.summary()),
        );
        self.grid(&mut svg, top);
        for series in &self.series {
            match series.kind {
                SeriesKind::Bars => self.bars(&mut svg, series, top),
                SeriesKind::Line => self.line(&mut svg, series, top),
            }
        }
        self.names(&mut svg, top);
        self.mark(&mut svg);
        svg.push_str("</svg></figure>\n");
        svg
    }

    /// The first, the last and the highest value of each series in words.
    fn summary(&self) -> String {
        let describe = |series: &Series| {
            let values: Vec<u64> = series.values.iter().flatten().copied().collect();
            let (first, last) = (values.first()?, values.last()?);
            let most = values.iter().max()?;
            let text = |value: &u64| self.axis.text(*value);
            Some(format!(
                "{}: {} at first, {} at last, at most {}.",
                series.name,
                text(first),
                text(last),
                text(most)
            ))
        };
        let mut sentences: Vec<String> = self.series.iter().filter_map(describe).collect();
        if let Some(label) = self.mark.and_then(|mark| self.labels.get(mark)) {
            sentences.push(format!("It changed at {label}."));
        }
        sentences.join(" ")
    }

    fn grid(&self, svg: &mut String, top: u64) {
        for part in 0..=4_u64 {
            let value = u64::try_from(u128::from(top) * u128::from(part) / 4).unwrap_or(top);
            let y = height(value, top);
            let class = if part == 0 { "axis" } else { "grid" };
            let right = PLOT_WIDTH - RIGHT;
            let _ = write!(
                svg,
                "<line class=\"{class}\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>"
            );
            if part % 2 == 0 {
                let (x, y) = (LEFT - 6.0, y + 4.0);
                let text = self.axis.text(value);
                let _ = write!(svg, "<text class=\"tick end\" x=\"{x}\" y=\"{y:.1}\">{text}</text>");
            }
        }
        let last = self.labels.len() - 1;
        let y = PLOT_HEIGHT - 8.0;
        for (at, class) in [(0, "tick"), (last, "tick end")] {
            if at == 0 || last > 0 {
                let x = if at == 0 { LEFT } else { PLOT_WIDTH - RIGHT };
                let _ = write!(svg, "<text class=\"{class}\" x=\"{x}\" y=\"{y}\">{}</text>", self.labels[at]);
            }
        }
    }

    /// The width of a step.
    fn step(&self) -> f64 {
        (PLOT_WIDTH - LEFT - RIGHT) / as_f64(self.labels.len().max(1) as u64)
    }

    /// The middle of a step.
    fn middle(&self, at: usize) -> f64 {
        LEFT + self.step() * (as_f64(at as u64) + 0.5)
    }

    fn bars(&self, svg: &mut String, series: &Series, top: u64) {
        // One path for all bars keeps the page small.
        let (width, mut path) = ((self.step() * BAR_SHARE).min(40.0), String::new());
        for (at, value) in series.values.iter().enumerate() {
            let Some(value) = value.filter(|value| *value > 0) else { continue };
            // A bar that is not zero can be seen.
            let bar = (height(0, top) - height(value, top)).max(1.0);
            let (x, y) = (self.middle(at) - width / 2.0, height(0, top) - bar);
            let _ = write!(path, "M{x:.1} {y:.1}h{width:.1}v{bar:.1}h-{width:.1}z");
        }
        if !path.is_empty() {
            let _ = write!(svg, "<path class=\"bars {}\" d=\"{path}\"/>", series.class);
        }
    }

    fn line(&self, svg: &mut String, series: &Series, top: u64) {
        let (mut path, mut dots, mut is_open) = (String::new(), String::new(), false);
        for (at, value) in series.values.iter().enumerate() {
            let Some(value) = value else {
                is_open = false;
                continue;
            };
            let (x, y) = (self.middle(at), height(*value, top));
            let _ = write!(path, "{}{x:.1} {y:.1}", if is_open { "L" } else { "M" });
            let is_alone = !is_open && series.values.get(at + 1).is_none_or(Option::is_none);
            if is_alone {
                let _ = write!(
                    dots,
                    "<circle class=\"dot {}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2.5\"/>",
                    series.class
                );
            }
            is_open = true;
        }
        let _ = write!(svg, "<path class=\"line {}\" d=\"{path}\"/>{dots}", series.class);
    }

    /// Names each line at its end, one name above the other.
    fn names(&self, svg: &mut String, top: u64) {
        let lines = self.series.iter().filter(|series| series.kind == SeriesKind::Line);
        let ends = lines
            .filter_map(|series| Some((series, height(*series.values.iter().flatten().next_back()?, top))));
        let mut ends: Vec<_> = ends.collect();
        ends.sort_by(|(_, a), (_, b)| a.total_cmp(b));
        let room = NAME_DISTANCE * as_f64(ends.len().saturating_sub(1) as u64);
        let mut next = f64::NEG_INFINITY;
        for (number, (series, y)) in ends.iter().enumerate() {
            let highest = height(0, top) - room + NAME_DISTANCE * as_f64(number as u64);
            let y = y.min(highest).max(next);
            next = y + NAME_DISTANCE;
            let (x, y) = (PLOT_WIDTH - RIGHT + 4.0, y + 4.0);
            let _ = write!(
                svg,
                "<text class=\"name {}\" x=\"{x}\" y=\"{y:.1}\">{}</text>",
                series.class, series.name
            );
        }
    }

    fn mark(&self, svg: &mut String) {
        let Some((mark, label)) = self.mark.and_then(|mark| Some((mark, self.labels.get(mark)?))) else {
            return;
        };
        let x = self.middle(mark) - self.step() / 2.0;
        let bottom = PLOT_HEIGHT - BOTTOM;
        // On the side with more room.
        let (class, text_x) = if x < PLOT_WIDTH / 2.0 { ("onset", x + 4.0) } else { ("onset end", x - 4.0) };
        let _ = write!(
            svg,
            "<line class=\"onset\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"6\" y2=\"{bottom}\"/>\
             <text class=\"{class}\" x=\"{text_x:.1}\" y=\"15\">since {label}</text>",
        );
    }
}

/// Draws a bar for a cell of a table. The number stands beside it.
pub(super) fn bar(value: u64, most: u64, class: &str) -> String {
    let width = if value == 0 { 0.0 } else { (120.0 * as_f64(value) / as_f64(most)).clamp(1.0, 120.0) };
    format!(
        "<svg class=\"bar\" viewBox=\"0 0 120 10\" aria-hidden=\"true\"><rect class=\"bars {class}\" width=\"{width:.1}\" height=\"10\"/></svg>"
    )
}

/// Draws values over time for a cell of a table, from zero to the highest.
pub(super) fn sparkline(values: &[Option<u64>]) -> String {
    let most = values.iter().flatten().max().copied().unwrap_or(0).max(1);
    let last = as_f64(values.len().saturating_sub(1).max(1) as u64);
    let (mut path, mut is_open) = (String::new(), false);
    for (at, value) in values.iter().enumerate() {
        let Some(value) = value else {
            is_open = false;
            continue;
        };
        let (x, y) = (1.0 + 98.0 * as_f64(at as u64) / last, 19.0 - 17.0 * as_f64(*value) / as_f64(most));
        // A step without neighbours is a point.
        let _ = if is_open { write!(path, "L{x:.0} {y:.0}") } else { write!(path, "M{x:.0} {y:.0}h.1") };
        is_open = true;
    }
    format!("<svg class=\"spark\" viewBox=\"0 0 100 20\" aria-hidden=\"true\"><path d=\"{path}\"/></svg>")
}

/// The height of a value in the view box.
fn height(value: u64, top: u64) -> f64 {
    let bottom = PLOT_HEIGHT - BOTTOM;
    bottom - (bottom - TOP) * as_f64(value.min(top)) / as_f64(top)
}

/// The least value with one or two simple digits that is not below `value`.
fn nice(value: u64) -> u64 {
    let mut power = 1_u64;
    loop {
        for factor in [4, 6, 8, 10, 12, 16, 20, 24, 30] {
            match power.checked_mul(factor) {
                Some(top) if top >= value => return top,
                Some(_) => {}
                None => return u64::MAX,
            }
        }
        power = power.saturating_mul(10);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn top_of_an_axis_is_a_simple_number_above_the_values() {
        assert_eq!([0, 4, 5, 812_345, 1_924_000, 25].map(nice), [4, 4, 6, 1_000_000, 2_000_000, 30]);
        assert_eq!(nice(u64::MAX), u64::MAX);
    }

    #[test]
    fn plot_of_one_step_and_huge_values_has_only_finite_numbers() {
        let values = vec![Some(u64::MAX)];
        let series = vec![Series { name: "p95", class: "p95", kind: SeriesKind::Line, values }];
        let plot = Plot {
            id: "x",
            title: "a",
            about: "</svg><script>".to_owned(),
            axis: Axis::Duration,
            labels: vec!["2026-11-20".to_owned()],
            series,
            mark: Some(0),
        };
        let svg = plot.svg();
        assert!(!svg.contains("NaN") && !svg.contains("inf\""), "{svg}");
        assert!(svg.contains("&lt;/svg&gt;&lt;script&gt;") && svg.contains("<circle"), "{svg}");
    }
}
