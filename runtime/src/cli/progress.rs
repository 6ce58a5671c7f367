//! Shows the progress of a call as a bar on the terminal: one line that is drawn again in its place, and erased at the end.

use std::{
    io,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::{stderr, text};

/// The width of a terminal that does not tell its own.
const DEFAULT_COLUMNS: usize = 80;
/// The width of the bar, in characters.
const PROGRESS_BAR_CHARS: u8 = 24;
/// The space between the parts of the line.
const GAP: &str = "  ";
/// The time between two drawings. A tool may report thousands of times a second.
const DRAW_INTERVAL: Duration = Duration::from_millis(50);
/// The time before an estimate of the rest is shown: the first reports tell little.
const ESTIMATE_DELAY: Duration = Duration::from_secs(1);
/// The longest rest that is shown.
const MAX_ESTIMATE: Duration = Duration::from_secs(100 * 3600);

/// The bar of one call.
pub(super) struct ProgressBar {
    start: Instant,
    /// The time of the last drawing, while the bar is on the terminal.
    drawn: Mutex<Option<Instant>>,
}

impl ProgressBar {
    /// A bar that is not shown before the first report.
    pub(super) fn new() -> Self {
        Self { start: Instant::now(), drawn: Mutex::new(None) }
    }

    /// Shows a report: the work done, the total if there is one, and a message.
    pub(super) fn show(&self, done: f64, total: Option<f64>, message: &str) {
        let mut drawn = self.lock();
        let is_whole = total.is_some_and(|total| done >= total);
        if drawn.is_some_and(|drawn| drawn.elapsed() < DRAW_INTERVAL) && !is_whole {
            return;
        }
        let columns = terminal_size::terminal_size_of(io::stderr())
            .map_or(DEFAULT_COLUMNS, |(columns, _)| usize::from(columns.0));
        stderr::write(format!("\r\x1b[K{}", line(done, total, message, self.start.elapsed(), columns)));
        *drawn = Some(Instant::now());
    }

    /// Removes the bar, so that something else can be printed.
    pub(super) fn erase(&self) {
        if self.lock().take().is_some() {
            stderr::write("\r\x1b[K");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Instant>> {
        self.drawn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The line of a report, in less than `columns` columns.
fn line(done: f64, total: Option<f64>, message: &str, elapsed: Duration, columns: usize) -> String {
    let message: String =
        message.chars().map(|c| if c == '\n' || text::is_hidden(c) { ' ' } else { c }).collect();
    // A tool may report more than its total, or less than before: the bar follows it.
    let share = total.filter(|total| *total > 0.0).map(|total| (done / total).clamp(0.0, 1.0));
    let (head, rest) = match share.filter(|share| share.is_finite()) {
        Some(share) => {
            (format!("{:3.0} % {}", (100.0 * share).floor(), bar(share)), estimate(share, elapsed))
        }
        None => (format!("{done}"), None),
    };
    let rest = rest.map(|rest| format!(", about {} left", clock(rest))).unwrap_or_default();
    let tail = format!("{}{rest}", clock(elapsed));
    let used = head.chars().count() + tail.chars().count() + 2 * GAP.len();
    let message = cut(&message, columns.saturating_sub(used + 1));
    let parts = [head.as_str(), message.as_str(), tail.as_str()];
    let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    cut(&parts.join(GAP), columns.saturating_sub(1))
}

fn bar(share: f64) -> String {
    (1..=PROGRESS_BAR_CHARS)
        .map(|end| if share * f64::from(PROGRESS_BAR_CHARS) >= f64::from(end) { '█' } else { '░' })
        .collect()
}

/// Guesses the time that is left, if the work goes on as it did.
fn estimate(share: f64, elapsed: Duration) -> Option<Duration> {
    if elapsed < ESTIMATE_DELAY || share >= 1.0 {
        return None;
    }
    let rest = Duration::try_from_secs_f64(elapsed.as_secs_f64() * (1.0 - share) / share).ok()?;
    (rest <= MAX_ESTIMATE).then_some(rest)
}

/// A time as `1:05` or `2:00:00`.
fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

/// The start of a text that fits in `columns`. Characters beyond ASCII may take two, but for those of the bar.
fn cut(text: &str, columns: usize) -> String {
    let mut left = columns;
    let fits = |c: &char| {
        let width = if c.is_ascii() || matches!(c, '█' | '░') { 1 } else { 2 };
        let fits = width <= left;
        left = left.saturating_sub(width);
        fits
    };
    text.chars().take_while(fits).collect()
}

#[cfg(test)]
mod tests {
    use crate::cli::progress::*;

    fn shown(done: f64, total: Option<f64>, message: &str, seconds: u64) -> String {
        line(done, total, message, Duration::from_secs(seconds), 80)
    }

    #[test]
    fn line_has_the_share_the_message_the_time_and_the_rest() {
        let half = "█".repeat(12) + &"░".repeat(12);
        assert_eq!(
            shown(5.0, Some(10.0), "copying", 30),
            format!(" 50 % {half}  copying  0:30, about 0:30 left")
        );
        assert_eq!(shown(1.0, Some(1.0), "", 3725), format!("100 % {}  1:02:05", "█".repeat(24)));
        assert_eq!(shown(7.0, None, "reading", 5), "7  reading  0:05");
        // Too early to guess.
        assert!(!shown(1.0, Some(10.0), "", 0).contains("left"));
    }

    #[test]
    fn line_of_absurd_numbers_is_one_short_line() {
        let numbers = [-1.0, 0.0, 0.1, 3.0, 1e300, f64::INFINITY, f64::NAN, f64::NEG_INFINITY];
        for done in numbers {
            for total in numbers.map(Some).into_iter().chain([None]) {
                for columns in [1, 10, 80] {
                    let line = line(done, total, "a\nb\u{1b}[2J\r💣", Duration::from_secs(9), columns);
                    assert!(line.chars().count() < columns.max(1), "{line:?}");
                    assert!(!line.chars().any(char::is_control), "{line:?}");
                }
            }
        }
    }

    #[test]
    fn long_message_is_cut_to_the_terminal() {
        let line = shown(1.0, Some(2.0), &"long ".repeat(40), 60);
        assert!(line.chars().count() < 80 && line.ends_with("1:00, about 1:00 left"), "{line:?}");
    }
}
