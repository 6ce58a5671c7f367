//! Reads lengths of time from flags. The attribute's words (`500ms`, `30s`, `2min`, `1h`) are among those it accepts.

use std::time::Duration;

use jiff::{Span, SpanRelativeTo};

use crate::{audit, message::Message};

/// The longest time that a timeout may have.
const MAX_TIMEOUT: Duration = Duration::from_secs(24 * 3600);

/// Reads a timeout of at most a day, zero included.
pub(super) fn timeout(text: &str) -> Result<Duration, Message> {
    let span: Option<Span> = text.parse().ok();
    let time = span.and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()).ok());
    let time = time.and_then(|time| Duration::try_from(time).ok()).filter(|time| *time <= MAX_TIMEOUT);
    time.ok_or_else(|| expected("a time of at most a day, for example `500ms`, `30s`, `2min` or `1h`"))
}

/// Reads for how long records of the audit log are kept.
pub(super) fn retention(text: &str) -> Result<Duration, Message> {
    let span: Option<Span> = text.parse().ok();
    let time = span.and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()).ok());
    let time = time.and_then(|time| Duration::try_from(time).ok());
    audit::check_age(time.ok_or_else(|| expected("a number of days or weeks, for example `90d` or `52w`"))?)
}

/// Reads how long a key is valid, counted from now.
#[cfg(feature = "http")]
pub(super) fn validity(text: &str) -> Result<Span, Message> {
    let span: Option<Span> = text.parse().ok();
    span.filter(|span| span.is_positive())
        .ok_or_else(|| expected("a time above zero, for example `12h`, `90d` or `1y`"))
}

fn expected(what: &str) -> Message {
    Message::new(format!("expected {what}"))
}

#[cfg(test)]
mod tests {
    use crate::cli::duration::*;

    #[test]
    fn timeouts_accept_the_words_of_the_attribute() {
        for (text, ms) in [
            ("500ms", 500),
            ("30s", 30_000),
            ("2min", 120_000),
            ("2m", 120_000),
            ("1h", 3_600_000),
            ("1h30min", 5_400_000),
            ("1.5s", 1_500),
            ("0s", 0),
            ("1d", 86_400_000),
        ] {
            assert_eq!(timeout(text), Ok(Duration::from_millis(ms)), "{text}");
        }
    }

    #[test]
    fn text_that_is_not_a_timeout_is_refused_with_an_example() {
        for text in ["", "30", "ages", "-1s", "1s ago", "25h", "1mo", "1y", "99999999999999999999s"] {
            let error = timeout(text).expect_err(text).to_string();
            assert!(error.starts_with("expected a time of at most a day, for example `500ms`"), "{error}");
        }
    }

    #[test]
    fn records_are_kept_for_at_least_a_day() {
        assert_eq!(retention("90d"), Ok(Duration::from_secs(90 * 86_400)));
        assert_eq!(retention("1w"), Ok(Duration::from_secs(7 * 86_400)));
        for (text, says) in
            [("1h", "at least one day"), ("90", "for example `90d`"), ("1y", "for example `90d`")]
        {
            assert!(retention(text).expect_err(text).to_string().contains(says), "{text}");
        }
    }

    #[test]
    #[cfg(feature = "http")]
    fn validity_accepts_days_and_years_above_zero() {
        for text in ["12h", "90d", "1y", "1y6mo", "30min"] {
            validity(text).expect(text);
        }
        for text in ["", "soon", "-1d", "0s", "1d ago"] {
            validity(text).expect_err(text);
        }
    }
}
