//! Writes durations, shares and large numbers in few characters.

/// Writes a duration of microseconds with three digits at most: `1.92 s`.
pub(crate) fn duration(us: u64) -> String {
    const UNITS: [(u64, u64, &str); 4] = [
        (999_500, 1_000, "ms"),
        (59_950_000, 1_000_000, "s"),
        (3_597_000_000, 60_000_000, "min"),
        (u64::MAX, 3_600_000_000, "h"),
    ];
    if us < 1_000 {
        return format!("{us} µs");
    }
    let (_, divisor, unit) = UNITS.into_iter().find(|(end, ..)| us < *end).unwrap_or(UNITS[3]);
    format!("{} {unit}", digits(as_f64(us) / as_f64(divisor)))
}

/// Writes `part` of `whole` as a share: `5.1 %`.
pub(crate) fn percent(part: u64, whole: u64) -> String {
    let share = if whole == 0 { 0.0 } else { 100.0 * as_f64(part) / as_f64(whole) };
    match share {
        0.0 => "0 %".to_owned(),
        // A share that is not whole must not be rounded to one.
        share if share < 0.05 => "<0.1 %".to_owned(),
        share if share >= 99.95 && part < whole => ">99.9 %".to_owned(),
        share if share >= 99.95 => "100 %".to_owned(),
        share => format!("{share:.1} %"),
    }
}

/// Writes a number in at most six characters: `12.3k`.
pub(crate) fn rounded(number: u64) -> String {
    match number {
        0..10_000 => number.to_string(),
        10_000..999_500 => format!("{}k", digits(as_f64(number) / 1e3)),
        999_500..999_500_000 => format!("{}M", digits(as_f64(number) / 1e6)),
        _ => format!("{}G", digits(as_f64(number) / 1e9)),
    }
}

fn digits(value: f64) -> String {
    match value {
        ..9.995 => format!("{value:.2}"),
        ..99.95 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

/// Returns a count or a duration as a floating-point number, for ratios.
#[expect(clippy::cast_precision_loss, reason = "ratios are shown with three digits")]
pub(crate) fn as_f64(number: u64) -> f64 {
    number as f64
}

/// Returns a number of a metric as a count; below zero and without a value, it is zero.
#[cfg(feature = "http")]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast of a float stops at the limits"
)]
pub(super) fn as_u64(number: f64) -> u64 {
    number.round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_three_digits_and_a_unit() {
        for (us, text) in [
            (0, "0 µs"),
            (999, "999 µs"),
            (1_000, "1.00 ms"),
            (18_249, "18.2 ms"),
            (999_499, "999 ms"),
            (999_500, "1.00 s"),
            (1_924_000, "1.92 s"),
            (59_949_999, "59.9 s"),
            (60_000_000, "1.00 min"),
            (7_200_000_000, "2.00 h"),
        ] {
            assert_eq!(duration(us), text);
        }
        assert!(duration(u64::MAX).ends_with(" h"));
    }

    #[test]
    fn shares_are_not_rounded_to_none_or_all() {
        for (part, whole, text) in [
            (0, 0, "0 %"),
            (0, 7, "0 %"),
            (1, 100_000, "<0.1 %"),
            (51, 1_000, "5.1 %"),
            (99_999, 100_000, ">99.9 %"),
            (7, 7, "100 %"),
        ] {
            assert_eq!(percent(part, whole), text);
        }
    }

    #[test]
    fn large_numbers_are_short() {
        let texts = [9_999, 12_345, 999_499, 999_500, 48_000_000, 5_000_000_000].map(rounded);
        assert_eq!(texts, ["9999", "12.3k", "999k", "1.00M", "48.0M", "5.00G"]);
    }
}
