//! Divides the time of a log into steps of equal length: minutes, hours, days or weeks.

use jiff::{Timestamp, tz::TimeZone};

const HOUR_SECONDS: i64 = 3_600;
const DAY_SECONDS: i64 = 24 * HOUR_SECONDS;
const WEEK_SECONDS: i64 = 7 * DAY_SECONDS;
/// Weeks begin on Monday, and 1970-01-01 was a Thursday.
const MONDAY_OFFSET_SECONDS: i64 = 3 * DAY_SECONDS;
/// The most steps of a log. A log of more is divided into longer ones.
const MAX_STEPS: i64 = 120;

/// The length of a step in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimeStep(i64);

impl TimeStep {
    pub(super) const MINUTE: Self = Self(60);

    /// The next longer step, whose steps hold whole steps of this length.
    pub(super) fn longer(self) -> Self {
        Self(match self.0 {
            60 => HOUR_SECONDS,
            HOUR_SECONDS => DAY_SECONDS,
            DAY_SECONDS => WEEK_SECONDS,
            weeks => weeks * 4,
        })
    }

    /// Returns the number of the step that holds a time in seconds since 1970.
    pub(super) fn number(self, seconds: i64) -> i64 {
        (seconds + self.offset()).div_euclid(self.0)
    }

    /// Returns the start of a step in seconds since 1970.
    pub(super) fn start(self, number: i64) -> i64 {
        number * self.0 - self.offset()
    }

    /// Whether the step is long enough to compare one with another.
    pub(super) fn shows_shifts(self) -> bool {
        self.0 >= HOUR_SECONDS
    }

    /// A noun for the step.
    pub(crate) fn noun(self) -> &'static str {
        match self.0 {
            60 => "minute",
            HOUR_SECONDS => "hour",
            DAY_SECONDS => "day",
            WEEK_SECONDS => "week",
            _ => "several weeks",
        }
    }

    /// Writes the start of a step for people, in UTC.
    pub(crate) fn label(self, start: i64) -> String {
        utc(start, if self.0 < DAY_SECONDS { "%Y-%m-%d %H:%M" } else { "%Y-%m-%d" })
    }

    fn offset(self) -> i64 {
        if self.0 >= WEEK_SECONDS { MONDAY_OFFSET_SECONDS } else { 0 }
    }
}

impl Default for TimeStep {
    fn default() -> Self {
        Self::MINUTE
    }
}

/// Whether the steps from `first` to `last` are too many.
pub(super) fn are_too_many(first: i64, last: i64) -> bool {
    last - first >= MAX_STEPS
}

/// Writes a time in UTC.
pub(super) fn utc(seconds: i64, format: &str) -> String {
    let time = Timestamp::from_second(seconds).unwrap_or_default();
    time.to_zoned(TimeZone::UTC).strftime(format).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longer_step_holds_whole_shorter_ones() {
        let seconds: i64 = "2026-11-25T13:59:59Z".parse::<Timestamp>().unwrap().as_second();
        let mut step = TimeStep::MINUTE;
        for label in ["2026-11-25 13:59", "2026-11-25 13:00", "2026-11-25", "2026-11-23"] {
            let start = step.start(step.number(seconds));
            assert_eq!(step.label(start), label);
            let longer = step.longer();
            assert_eq!(longer.number(start), longer.number(seconds));
            step = longer;
        }
        assert!(are_too_many(0, 120) && !are_too_many(0, 119));
    }
}
